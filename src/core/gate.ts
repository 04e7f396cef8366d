import type { Clock } from './clock.ts';
import { type Deferred, deferred } from './deferred.ts';
import { LockdError, messageOf } from './errors.ts';
import type { Delivery } from './events.ts';
import type { Logger } from './log.ts';
import type { EndReason } from './machine/protocol.ts';
import type { ControllerEvents } from './surface.ts';
import { type OpenTerm, openTerm, type Term } from './term.ts';
import type { Work } from './work.ts';

export interface GateOptions {
  readonly name: string;
  readonly instance: string;
  readonly logger: Logger;
  readonly work: Work;
  readonly delivery: Delivery<ControllerEvents>;
  readonly clock: Clock;
  /** Whether it is open is not kept here: it is asked of the machine's state and the clocks. */
  readonly validForMs: () => number;
}

/** Carries out what the machine has decided about a term: open, then abort, tell, drain, let go. */
export class Gate {
  readonly #options: GateOptions;
  #term: OpenTerm | undefined;
  #leaving: { readonly token: bigint; readonly gone: Deferred<void> } | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get term(): Term | undefined {
    return this.#term;
  }

  open(token: bigint, gapMs: number | undefined): void {
    const { name, instance, logger, delivery, validForMs } = this.#options;
    this.#term = openTerm({ name, token, instance, since: new Date(), gapMs }, validForMs);
    logger.info({ token }, 'became active');
    delivery.send('active', this.#term);
  }

  /** Closed it is already, by the state. Resolves when work in flight has finished. */
  async close(reason: EndReason, cause: unknown): Promise<void> {
    const { name, logger, delivery, work, clock } = this.#options;
    const term = this.#term;
    if (term === undefined) return;
    const { token } = term;
    this.#term = undefined;
    this.#leaving = { token, gone: deferred() };
    const message = `Term ${token} of ${JSON.stringify(name)} ended: ${reason}.`;
    term.end(new LockdError('LOCKD_LOST', message, { cause }));
    const why = cause === undefined ? {} : { cause: messageOf(cause) };
    logger.info({ token, reason, inFlight: work.running, ...why }, 'became passive');
    delivery.send('passive', term, reason);
    const closedAt = clock.mono();
    await work.settled();
    logger.info({ token }, 'drained');
    delivery.send('drained', { token, tookMs: clock.mono() - closedAt });
  }

  /** The seat of this term is not ours any more. */
  letGo(token: bigint, isLost: boolean): void {
    if (this.#leaving?.token !== token) return;
    this.#options.logger.info({ token }, isLost ? 'closed the lost term' : 'let the seat go');
    this.#leaving.gone.resolve();
    this.#leaving = undefined;
  }

  /** Resolves when the term that is being left, if one is, has been let go. */
  async left(): Promise<void> {
    await this.#leaving?.gone.promise;
  }
}
