/**
 * What the server is asked and what it tells. Events are read with `fetch`, because an EventSource cannot
 * send a token.
 */

const tokenKey = 'lockd-token';

/** Longer than the server keeps quiet: then the line is dead, whatever the browser believes. */
const silenceMs = 20_000;

const longestWaitMs = 10_000;

class Refused extends Error {
  constructor(answer, response) {
    super(messageOf(answer, response));
    this.status = response.status;
    this.isAboutToken = response.status === 401 || `${answer?.error?.code}`.startsWith('TOKEN');
  }
}

/** Asks the server that the page came from. Addresses are relative: it may stand behind a path. */
export class Server {
  #token = stored();

  /** Kept as long as this tab. */
  setToken(token) {
    this.#token = token;
    try {
      sessionStorage.setItem(tokenKey, token);
    } catch {
      // A browser that stores nothing: then it is asked for again after a reload.
    }
  }

  get hasToken() {
    return this.#token !== null;
  }

  async json(path) {
    return (await this.fetch(path)).json();
  }

  /** What an order came to is in its answer, also where that is no success. */
  async post(path, body) {
    const response = await this.#send(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => undefined);
    if (typeof answer?.outcome === 'string') return answer;
    throw new Refused(answer, response);
  }

  async fetch(path, init = {}) {
    const response = await this.#send(path, init);
    if (response.ok) return response;
    const answer = await response.json().catch(() => undefined);
    throw new Refused(answer, response);
  }

  #send(path, init) {
    const headers = new Headers(init.headers);
    if (this.#token !== null) headers.set('authorization', `Bearer ${this.#token}`);
    return fetch(path, { ...init, headers, cache: 'no-store', redirect: 'error' });
  }
}

function stored() {
  try {
    return sessionStorage.getItem(tokenKey);
  } catch {
    return null;
  }
}

/** As the server words it. */
export function messageOf(answer, { status, statusText } = {}) {
  const { error } = answer ?? {};
  const said = error?.message ?? (typeof error === 'string' ? error : answer?.message);
  return said ?? `The server answered ${`${status} ${statusText ?? ''}`.trim()}.`;
}

/**
 * Listens until the page is gone. `tell` hears `{ is: 'connecting' | 'live' | 'locked' | 'lost', … }`;
 * `unlock` is asked for a token, and resolves when there is one.
 */
export async function listen(server, { tell, unlock, heard }) {
  let lastId;
  let failures = 0;
  for (;;) {
    try {
      tell({ is: 'connecting', failures });
      await readEvents(server, lastId, {
        opened: () => tell({ is: 'live' }),
        heard: (event) => {
          failures = 0;
          if (event.is === 'reset') lastId = undefined;
          else lastId = event.id ?? lastId;
          heard(event);
        },
      });
    } catch (error) {
      if (error.isAboutToken) {
        tell({ is: 'locked' });
        await unlock();
        continue;
      }
      if (error.status !== undefined) tell({ is: 'refused', message: error.message });
    }
    failures += 1;
    const waitMs = Math.min(longestWaitMs, 250 * 2 ** failures) * (0.5 + Math.random() / 2);
    tell({ is: 'lost', failures });
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Resolves when the server has ended the stream; rejects when it is lost. */
async function readEvents(server, lastId, { opened, heard }) {
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), silenceMs);
  try {
    const headers = { accept: 'text/event-stream' };
    if (lastId !== undefined) headers['last-event-id'] = lastId;
    const response = await server.fetch('events', { headers, signal: abort.signal });
    opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = eventParser(heard);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), silenceMs);
      parse(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** The format of server-sent events, of which this server uses three fields and comments. */
function eventParser(heard) {
  let rest = '';
  let event = {};
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines.map((each) => each.replace(/\r$/, ''))) {
      if (line === '') {
        heard({ ...event, data: parsed(event.data) });
        event = {};
        continue;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
      if (field === 'event') event.is = value;
      else if (field === 'id') event.id = value;
      else if (field === 'data') {
        event.data = event.data === undefined ? value : `${event.data}\n${value}`;
      }
    }
  };
}

/** Where there is none, an id may have come alone: it is where to go on from. */
function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
