import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/wait.ts';

/** A line that a worker of docs/deploy writes for an item. Times are of the machine's monotonic clock, in s. */
export interface Done {
  readonly item: string;
  readonly token: number;
  readonly began: number;
  readonly ended: number;
  readonly pid: number;
}

/** What the workers of docs/deploy work on: a folder of items, and a line for each that was done. */
export class Spool implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'lockd-test-'));
  #count = 0;

  constructor(count = 0) {
    mkdirSync(join(this.folder, 'new'));
    this.add(count);
  }

  add(count: number): void {
    const end = this.#count + count;
    for (; this.#count < end; this.#count += 1) {
      writeFileSync(join(this.folder, 'new', `${this.#count}`.padStart(3, '0')), '');
    }
  }

  get done(): Done[] {
    const file = join(this.folder, 'done');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  /** Resolves with the token of the latest, when this many are done. */
  async reaches(count: number, timeoutMs = 15_000): Promise<number> {
    await until(() => this.done.length >= count, {
      timeoutMs,
      describe: () => `${count} items are done; done are ${this.done.length}`,
    });
    return this.done.at(-1)?.token as number;
  }

  /** Nothing is left to do. */
  async ends(timeoutMs = 15_000): Promise<void> {
    await this.reaches(this.#count, timeoutMs);
    await until(() => readdirSync(join(this.folder, 'new')).length === 0);
  }

  /** In words: an item that was done twice or never, and work of two at once. */
  wrong(): string[] {
    const lines = this.done.sort((a, b) => a.began - b.began);
    const items = lines.map(({ item }) => item);
    const twice = items.filter((item, at) => items.indexOf(item) !== at);
    const overlaps = lines.filter(({ began }, at) =>
      lines.some((other, n) => n < at && other.ended > began),
    );
    const backwards = lines.filter(({ token }, at) => token < (lines[at - 1]?.token ?? 0));
    return [
      ...(new Set(items).size === this.#count ? [] : ['not every item was done']),
      ...twice.map((item) => `${item} was done twice`),
      ...overlaps.map(({ item }) => `${item} was begun while another one was being done`),
      ...backwards.map(({ item, token }) => `${item} was done under ${token}, after a later term`),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
