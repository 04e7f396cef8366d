/** The contenders: processes that say `ready` when they stand by and `leading <ms>` when they lead. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { now } from './clock.js';

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const longestMs = 60_000;
const running = new Set();

export const startFloor = (url) =>
  new Contender(process.execPath, [path('./contenders/floor.js'), url]);

export const startLibrary = (options) =>
  new Contender(process.execPath, [path('./contenders/library.js'), JSON.stringify(options)]);

export const startAdvisory = (options) =>
  new Contender(process.execPath, [path('./contenders/advisory.js'), JSON.stringify(options)]);

export const startLocks = (options) =>
  new Contender(process.execPath, [
    '--expose-gc',
    path('./contenders/locks.js'),
    JSON.stringify(options),
  ]);

export const startIdle = (url) =>
  new Contender(process.execPath, [
    path('./contenders/idle.js'),
    ...(url === undefined ? [] : [url]),
  ]);

/** A command that does nothing but say that it runs, and that ends at once when it is told to. */
const command = ['sh', '-c', 'echo command; exec sleep 1000000'];

export function startRun({ connectionString, name, label, isTimed = true }) {
  const { LOCKD_LOG_LEVEL: _, ...env } = process.env;
  const preload = {
    NODE_OPTIONS: `--import ${new URL('./contenders/first-vouch.js', import.meta.url)}`,
  };
  return new Contender(
    process.execPath,
    [path('../bin/lockd.js'), 'run', name, '--label', label, '--json', '--', ...command],
    { ...env, LOCKD_DATABASE_URL: connectionString, ...(isTimed ? preload : {}) },
  );
}

/** Whatever happens, nothing that was started here stays. */
export const endAll = () => Promise.all([...running].map((contender) => contender.end()));

class Contender {
  /** Of the process itself; for `lockd run` that is the guard. */
  pid;
  /** Of `lockd run`: the process that leads, and the group of its command. */
  supervisor;
  group;
  exited;
  #child;
  #lines = [];
  #waiting = new Set();
  #complaints = '';

  constructor(file, args, env = process.env) {
    this.#child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.#child.pid;
    this.exited = once(this.#child, 'exit').then(() => running.delete(this));
    this.#child.stdin.on('error', () => {}); // asked a process that is gone
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#hear(line, now()));
    createInterface({ input: this.#child.stderr }).on('line', (line) => this.#read(line));
    running.add(this);
  }

  /** The next line of this kind; the command's may come before its supervisor's, or behind it. */
  async next(kind) {
    const found = () => {
      const index = this.#lines.findIndex(({ words }) => words[0] === kind);
      return index === -1 ? undefined : this.#lines.splice(index, 1)[0];
    };
    const line = found();
    if (line !== undefined) return line;
    return new Promise((resolve, reject) => {
      const settle = (settled) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settled();
      };
      const look = () => {
        const heard = found();
        if (heard !== undefined) settle(() => resolve(heard));
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no \`${kind}\` in time: ${this.#complaints}`))),
        longestMs,
      );
      this.#waiting.add(look);
    });
  }

  /** When it began to lead, by its own clock, which is everybody's. */
  async leading() {
    const { words } = await this.next('leading');
    return Number(words[1]);
  }

  async ask(question) {
    this.#child.stdin.write(`${question}\n`);
    const { words } = await this.next(question.split(' ')[0]);
    return words.slice(1).map(Number);
  }

  signal(signal) {
    this.#child.kill(signal);
  }

  async end() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const { pid, supervisor, group } = this;
      for (const each of [pid, supervisor, group]) if (each !== undefined) wake(each);
      this.signal('SIGTERM');
      const timer = setTimeout(() => {
        for (const each of [-(group ?? pid), supervisor ?? pid, pid]) kill(each, 'SIGKILL');
      }, 5_000);
      await this.exited;
      clearTimeout(timer);
    }
  }

  #hear(line, heardAt) {
    this.#lines.push({ words: line.split(' '), heardAt });
    for (const look of this.#waiting) look();
  }

  /** The log of `lockd run`: who is who, and that it stands by. */
  #read(line) {
    this.#complaints = `${this.#complaints}${line}\n`.slice(-2000);
    if (!line.startsWith('{')) return;
    const { process: part, pid, msg, ...fields } = JSON.parse(line);
    if (part === 'supervisor') this.supervisor = pid;
    if (msg === 'started the command') this.group = fields.group;
    if (msg === 'waits for the seat') this.#hear('ready', now());
  }
}

const wake = (pid) => kill(pid, 'SIGCONT');

export function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
