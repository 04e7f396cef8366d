import { once } from 'node:events';
import {
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Served, type ServeOptions, serve } from '../../src/http/index.ts';
import type { Contender } from '../support/election.ts';
import { until } from '../support/wait.ts';

/** On any free port; what it has promised is soon over. */
export const served = (
  { controller }: Pick<Contender, 'controller'>,
  options: ServeOptions = {},
): Promise<Served> => serve(controller, { listen: '127.0.0.1:0', promiseMs: 50, ...options });

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test expects
  readonly body: any;
}

export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly agent?: Agent;
}

/** On a connection of its own, unless an agent keeps some. */
export async function ask(url: string, path: string, question: Question = {}): Promise<Answer> {
  const asked = begin(url, path, question);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = await response.toArray();
  const text = Buffer.concat(chunks).toString();
  const isJson = response.headers['content-type']?.includes('json') && text !== '';
  const { statusCode: status = 0, headers } = response;
  return { status, headers, text, body: isJson ? JSON.parse(text) : undefined };
}

/** As our own page asks for a change. */
export const post = (
  url: string,
  path: string,
  body: unknown,
  headers: Question['headers'] = {},
): Promise<Answer> =>
  ask(url, path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });

function begin(url: string, path: string, { body, agent, ...rest }: Question): ClientRequest {
  const text =
    body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const asked = request({
    ...target(url),
    path,
    agent: agent ?? false,
    ...rest,
    headers: {
      ...(text !== undefined && { 'content-length': Buffer.byteLength(text) }),
      ...rest.headers,
    },
  });
  asked.end(text);
  return asked;
}

function target(url: string): { socketPath: string } | { host: string; port: number } {
  if (url.startsWith('unix:')) return { socketPath: url.slice('unix:'.length) };
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

/** Whatever bytes: what comes back before the other side closes. */
export class Raw {
  readonly socket: Socket;
  text = '';
  isClosed = false;

  constructor(url: string, said = '') {
    const at = target(url);
    this.socket = connect('socketPath' in at ? { path: at.socketPath } : at);
    this.socket.on('data', (chunk) => {
      this.text += chunk;
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    if (said !== '') this.socket.write(said);
  }

  async closed(timeoutMs = 10_000): Promise<string> {
    await until(() => this.isClosed, { timeoutMs, describe: 'the other side closes' });
    return this.text;
  }
}

export interface Heard {
  readonly event: string | undefined;
  readonly id: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test expects
  readonly data: any;
}

/** Listens to `/events`. */
export class Listening implements AsyncDisposable {
  readonly heard: Heard[] = [];
  lastId: string | undefined;
  isOver = false;
  readonly #asked: ClientRequest;
  #seen = 0;
  #rest = '';

  constructor(url: string, headers: Question['headers'] = {}) {
    this.#asked = begin(url, '/events', { headers });
    this.#asked.on('error', () => {});
    this.#asked.on('close', () => {
      this.isOver = true;
    });
    this.#asked.on('response', (response) => {
      response.on('data', (chunk) => this.#read(String(chunk)));
      response.on('error', () => {});
      response.on('close', () => {
        this.isOver = true;
      });
    });
  }

  /** The next one behind the one that was found last. */
  next(matches: (heard: Heard) => boolean, timeoutMs = 10_000): Promise<Heard> {
    return until(
      () => {
        const index = this.heard.findIndex((one, at) => at >= this.#seen && matches(one));
        if (index === -1) return undefined;
        this.#seen = index + 1;
        return this.heard[index];
      },
      {
        timeoutMs,
        describe: () => `it is told ${matches}. It was told:\n${JSON.stringify(this.heard)}`,
      },
    );
  }

  transition(is: string): Promise<Heard> {
    return this.next(({ event, data }) => event === 'transition' && data.is === is);
  }

  picture(matches: (data: Heard['data']) => boolean = () => true): Promise<Heard> {
    return this.next(({ event, data }) => event === 'picture' && matches(data));
  }

  /** It has been let in. */
  async begun(): Promise<void> {
    await until(() => this.lastId !== undefined, { describe: 'an id has been told' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#asked.destroy();
    await until(() => this.isOver);
  }

  #read(text: string): void {
    const frames = (this.#rest + text).split('\n\n');
    this.#rest = frames.pop() ?? '';
    for (const frame of frames) {
      const field = (name: string) =>
        frame
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      const [event, id, data] = [field('event'), field('id'), field('data')];
      this.lastId = id ?? this.lastId;
      if (data !== undefined) this.heard.push({ event, id, data: JSON.parse(data) });
    }
  }
}
