/** Before a handoff the heir is asked whether it is ready to lead. */
import type { Clock } from './clock.ts';
import { type Control, pause } from './control.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import type { Notice } from './store.ts';

/** What a standby says when it is asked to get ready. */
export type Readiness =
  | boolean
  | { readonly isReady: boolean; readonly reason?: string | undefined };

/** Warms up, and says whether it is ready. `signal` aborts when nobody waits for the answer any more. */
export type OnStandby = (signal: AbortSignal) => Readiness | Promise<Readiness>;

export interface StandbyOptions {
  readonly instance: string;
  readonly onStandby: OnStandby | undefined;
  readonly control: Control;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isEligible: boolean;
  /** It has a session to take the seat with. */
  readonly isConnected: () => boolean;
}

interface Answer {
  readonly isReady: boolean;
  readonly reason: string;
}

const mostReason = 500;

/** Whoever has just let go pauses before it stands in line again. */
const connectsWithinMs = 5_000;

/** Whoever asked gives up later than this. */
export const warmUpTimeoutMs = 30_000;

/** Answers what is asked of this instance; who asked decides what to do with it. */
export class Standby {
  readonly #options: StandbyOptions;
  #asking = new AbortController();
  /** Of one that is asked before it stands in line. */
  #inLine = new AbortController();

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  hear({ kind, token, reason }: Notice): void {
    const { instance, control, logger } = this.#options;
    if (kind !== 'prepare' || reason !== instance || token === undefined) return;
    this.#asking.abort(); // asked anew: the old question is void
    const asking = new AbortController();
    this.#asking = asking;
    void this.#answer(asking.signal).then((answer) => {
      if (asking.signal.aborted) return;
      logger.info({ token, ...answer }, 'answered a handoff');
      control.answerHandoff(token, answer.isReady, answer.reason);
    });
  }

  /** It stands in line. */
  campaigns(): void {
    this.#inLine.abort();
  }

  stop(): void {
    this.#asking.abort();
  }

  async #answer(voided: AbortSignal): Promise<Answer> {
    const { onStandby, clock, isEligible, isConnected } = this.#options;
    if (!isEligible) return { isReady: false, reason: 'it may not lead' };
    if (!isConnected()) {
      this.#inLine = new AbortController();
      const ends = AbortSignal.any([voided, this.#inLine.signal]);
      await pause(clock, connectsWithinMs, ends);
      if (!isConnected()) return { isReady: false, reason: 'it has no session to lead with' };
    }
    if (onStandby === undefined) return { isReady: true, reason: '' };
    const over = new AbortController();
    const signal = AbortSignal.any([voided, over.signal]);
    const late = pause(clock, warmUpTimeoutMs, signal).then((): Answer => {
      return { isReady: false, reason: `it was not ready within ${warmUpTimeoutMs} ms` };
    });
    try {
      return await Promise.race([asked(onStandby, signal), late]);
    } finally {
      over.abort();
    }
  }
}

async function asked(onStandby: OnStandby, signal: AbortSignal): Promise<Answer> {
  try {
    const said = await onStandby(signal);
    const { isReady, reason } = typeof said === 'boolean' ? { isReady: said } : said;
    if (isReady === true) return { isReady, reason: '' };
    return {
      isReady: false,
      reason: (reason ?? 'it said that it is not ready').slice(0, mostReason),
    };
  } catch (error) {
    return { isReady: false, reason: messageOf(error).slice(0, mostReason) };
  }
}
