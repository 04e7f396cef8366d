import { setTimeout as sleep } from 'node:timers/promises';
import { isLockdError, messageOf } from '../core/errors.ts';
import { StatusReader } from '../postgres/reader.ts';
import type { NameStatus } from '../postgres/status.ts';
import { visitDatabase } from './database.ts';
import { formatDuration } from './duration.ts';
import { usageError } from './errors.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { print, printJsonLine } from './output.ts';
import { type Change, changesBetween, lineOf } from './watch-changes.ts';
import { Screen } from './watch-screen.ts';

export interface WatchOptions extends CommonOptions {
  readonly intervalMs: number | undefined;
}

const leastIntervalMs = 100;

/** `lockd watch`: until a signal, or until nobody reads it any more. */
export function watch(name: string | undefined, options: WatchOptions): Promise<number> {
  const { intervalMs = 1_000 } = options;
  if (intervalMs < leastIntervalMs) {
    throw usageError(`Expected --interval to be at least ${leastIntervalMs} ms.`);
  }
  return visitDatabase(options, async ({ options: database, describe }) => {
    using ending = new Ending();
    const { signal } = ending;
    await using reader = new StatusReader(database);
    // A statement that hangs must not be waited for.
    signal.addEventListener('abort', () => void reader.close(), { once: true });
    const what = name === undefined ? 'every name' : name;
    const title = `lockd watch: ${what} in ${describe}, every ${formatDuration(intervalMs)}; Ctrl-C ends it`;
    using view = viewOf(options, title);
    let seen: NameStatus[] | undefined;
    let isAway = false;
    while (!signal.aborted) {
      const began = performance.now();
      try {
        const now = await reader.read(name);
        const back: Change[] = isAway ? [{ at: new Date(), name: null, is: 'back' }] : [];
        const first = seen === undefined && now.length === 0 ? [unled(name)] : [];
        view.show(now, [...back, ...first, ...changesBetween(seen, now)]);
        seen = now;
        isAway = false;
      } catch (error) {
        if (signal.aborted) break;
        const { code, isRetryable } = isLockdError(error)
          ? error
          : { code: 'INTERNAL', isRetryable: false };
        // What is wrong from the beginning is for whoever called it to put right.
        if (seen === undefined && !isRetryable) throw error;
        const message = messageOf(error);
        view.away(
          message,
          isAway ? [] : [{ at: new Date(), name: null, is: 'away', code, message }],
        );
        isAway = true;
      }
      const leftMs = intervalMs - (performance.now() - began);
      await sleep(Math.max(0, leftMs), undefined, { signal }).catch(() => {});
    }
    return ending.exitCode;
  });
}

const unled = (name: string | undefined): Change => ({
  at: new Date(),
  name: name ?? null,
  is: 'unled',
});

/** What ends it: a signal, the terminal that goes, a reader that has had enough. */
class Ending implements Disposable {
  exitCode: number = ExitCode.ok;
  readonly #controller = new AbortController();

  constructor() {
    for (const name of signals) process.on(name, this.#end);
    process.stdout.on('error', this.#unwritten);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of signals) process.off(name, this.#end);
    process.stdout.off('error', this.#unwritten);
  }

  readonly #end = (): void => this.#controller.abort();

  readonly #unwritten = ({ code }: NodeJS.ErrnoException): void => {
    if (code !== 'EPIPE') this.exitCode = ExitCode.unknown;
    this.#end();
  };
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface View extends Disposable {
  show(names: readonly NameStatus[], changes: readonly Change[]): void;
  away(message: string, changes: readonly Change[]): void;
}

function viewOf({ isJson }: WatchOptions, title: string): View {
  const isTerminal = process.stdout.isTTY === true && process.env['TERM'] !== 'dumb';
  return isTerminal && !isJson ? new Live(title) : new Lines(isJson);
}

/** A line for each change. */
class Lines implements View {
  readonly #write: (change: Change) => void;

  constructor(isJson: boolean) {
    this.#write = isJson ? printJsonLine : (change) => print(lineOf(change));
  }

  show(_names: readonly NameStatus[], changes: readonly Change[]): void {
    for (const change of changes) this.#write(change);
  }

  away(_message: string, changes: readonly Change[]): void {
    for (const change of changes) this.#write(change);
  }

  [Symbol.dispose](): void {}
}

const changesKept = 20;

/** A picture that is kept up to date. */
class Live implements View {
  readonly #screen = new Screen();
  readonly #title: string;
  #names: readonly NameStatus[] = [];
  #changes: readonly Change[] = [];

  constructor(title: string) {
    this.#title = title;
  }

  show(names: readonly NameStatus[], changes: readonly Change[]): void {
    this.#names = names;
    this.#draw(undefined, changes);
  }

  away(message: string, changes: readonly Change[]): void {
    this.#draw(message, changes);
  }

  #draw(away: string | undefined, changes: readonly Change[]): void {
    this.#changes = [...this.#changes, ...changes].slice(-changesKept);
    this.#screen.show({ title: this.#title, names: this.#names, away, changes: this.#changes });
  }

  [Symbol.dispose](): void {
    this.#screen[Symbol.dispose]();
  }
}
