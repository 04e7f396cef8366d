import { systemClock } from '../core/clock.ts';
import { type Control, pause } from '../core/control.ts';
import { type Deferred, deferred } from '../core/deferred.ts';
import type { Notice } from '../core/store.ts';
import type { GuardChannel, WireNotice } from './messages.ts';

/** The supervisor's control session is the guard's: it is asked over the pipe. */
export class PipeControl implements Control {
  readonly #channel: GuardChannel;
  readonly #patienceMs: number;
  readonly #asked = new Map<number, { answer: Deferred<boolean>; until: number }>();
  #lastId = 0;
  #isCut = false;
  #listener: (notice: Notice) => void = () => {};

  /** @param patienceMs How long a mark that is being tried holds up the end, within its lease. */
  constructor(channel: GuardChannel, patienceMs: number) {
    this.#channel = channel;
    this.#patienceMs = patienceMs;
  }

  start(hear: (notice: Notice) => void): void {
    this.#listener = hear;
  }

  /** The guard's to ask: it ends us where it may not register. */
  async refusal(): Promise<undefined> {}

  async stop(): Promise<void> {
    const done = new AbortController();
    const asked = [...this.#asked.values()];
    const answered = Promise.all(asked.map(({ answer }) => answer.promise));
    const leaseMs = Math.max(...asked.map(({ until }) => until)) - systemClock.mono();
    const patience = pause(systemClock, Math.min(this.#patienceMs, leaseMs), done.signal);
    await Promise.race([answered.then(() => done.abort()), patience]);
  }

  reconnect(): void {
    this.#channel.send({ is: 'reconnect' });
  }

  testify(token: bigint, _by: string, reason: string, until: number): Promise<boolean> {
    if (this.#isCut) return Promise.resolve(false);
    this.#lastId += 1;
    const answer = deferred<boolean>();
    this.#asked.set(this.#lastId, { answer, until });
    this.#channel.send({ is: 'testify', id: this.#lastId, token: String(token), reason, until });
    return answer.promise;
  }

  answerHandoff(token: bigint, isReady: boolean, reason: string): void {
    this.#channel.send({ is: 'answer-handoff', token: String(token), isReady, reason });
  }

  hear({ kind, token, reason }: WireNotice): void {
    this.#listener({ kind, reason, token: token === undefined ? undefined : BigInt(token) });
  }

  answered(id: number, isOver: boolean): void {
    this.#asked.get(id)?.answer.resolve(isOver);
    this.#asked.delete(id);
  }

  /** Nobody answers any more. */
  cut(): void {
    this.#isCut = true;
    for (const { answer } of this.#asked.values()) answer.resolve(false);
    this.#asked.clear();
  }
}
