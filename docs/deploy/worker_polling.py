"""A worker that asks the sidecar beside it whether to work. It runs everywhere, and works in one place:

    lockd serve billing &
    python3 worker_polling.py FOLDER

It does what lies in FOLDER/new, one file after the other, and writes a line for each to FOLDER/done.
SIDECAR_URL is where the sidecar listens, LOCKD_AUTH_TOKEN what it asks for, if anything.
"""

import http.client
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

url = os.environ.get("SIDECAR_URL", "http://127.0.0.1:4040")
secret = os.environ.get("LOCKD_AUTH_TOKEN")

LONGEST_STEP = 0.5  # seconds; what may take longer than a promise is work for `lockd run`

stopping = threading.Event()


def now():
    # The clock that counts while the machine sleeps, where there is one. Never time.time(): it can be set.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def ask():
    """The token to work under and until when, or None: somebody else leads, or nobody can tell."""
    asked = now()  # before the question: the time that the answer takes has passed for others, too
    request = urllib.request.Request(f"{url}/leader")
    if secret:
        request.add_header("Authorization", f"Bearer {secret}")
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:
            told = json.load(answer)
        return int(told["token"]), asked + told["validForMs"] / 1000
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 503:  # 401: a wrong token; 421: a name it does not listen to
            print(f"{url}/leader answers {error.code}", file=sys.stderr)
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"{url}/leader: {error}", file=sys.stderr)
    return None


def work(folder):
    pause = 0.05
    while not stopping.is_set():
        token, until = ask() or (None, 0)
        # Looked for after the answer: what lies there now is what earlier leaders have left.
        items = sorted(os.listdir(f"{folder}/new")) if now() + LONGEST_STEP < until else []
        if not items:
            # Not all at once, and not more often than a handover is worth.
            stopping.wait(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, 1)
            continue
        pause = 0.05
        for item in items:
            # A step that might outlast the trust is not begun: it asks again.
            if stopping.is_set() or now() + LONGEST_STEP > until:
                break
            do(folder, item, token)


def do(folder, item, token):
    began = time.monotonic()
    time.sleep(0.1)  # the work itself

    # A process that is stopped right here goes on when the trust is long over. What only one may ever do is
    # refused by whoever keeps the data: see the fence in worker_under_run.py.
    line = {"item": item, "token": token, "began": began, "ended": time.monotonic(), "pid": os.getpid()}
    with open(f"{folder}/done", "a") as done:
        done.write(json.dumps(line) + "\n")
    os.remove(f"{folder}/new/{item}")


def stop(signal_number, frame):
    stopping.set()


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    work(sys.argv[1])
