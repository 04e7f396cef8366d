"""A worker that runs only where it leads, in one process of all that are started so:

    lockd run billing -- python3 worker_under_run.py FOLDER

It does what lies in FOLDER/new, one file after the other, and writes a line for each to FOLDER/done.
"""

import json
import os
import signal
import sys
import threading
import time

name = os.environ["LOCKD_NAME"]
token = int(os.environ["LOCKD_TOKEN"])  # of this term: greater than that of every term before

stopping = threading.Event()


def work(folder):
    # While this process lives it leads: lockd ends it before anybody else begins. So nothing is asked here.
    while not stopping.is_set():
        items = sorted(os.listdir(f"{folder}/new"))
        if items:
            do(folder, items[0])
        else:
            stopping.wait(0.2)


def do(folder, item):
    began = time.monotonic()
    time.sleep(0.1)  # the work itself

    # Where it writes to the database that lockd runs on, the token makes a late write fail: a process that
    # was stopped for minutes, with its supervisor, goes on with the next line as if nothing had happened.
    #
    #     with connection.transaction():
    #         cursor.execute("select lockd.fence(%s, %s)", (name, token))  # first: raises if it is over
    #         cursor.execute("update account set balance = balance - 10 where id = 1")
    line = {"item": item, "token": token, "began": began, "ended": time.monotonic(), "pid": os.getpid()}
    with open(f"{folder}/done", "a") as done:
        done.write(json.dumps(line) + "\n")
    os.remove(f"{folder}/new/{item}")


def stop(signal_number, frame):
    stopping.set()  # what was begun is finished: there is --grace for it


if __name__ == "__main__":
    asked = (signal.SIGTERM, signal.SIGINT)
    for each in asked:
        signal.signal(each, stop)
    work(sys.argv[1])
    for each in asked:
        signal.signal(each, signal.SIG_IGN)  # on its way out: told once more it would exit with 143
