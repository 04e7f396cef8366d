import { type Instant, instantOf, leftMs, systemClock } from '../core/clock.ts';
import type { SingletonLockController } from '../core/controller.ts';
import { LockdError } from '../core/errors.ts';
import type { Hold } from '../core/locks/hold.ts';
import { ControllerLease } from '../core/locks/lease.ts';
import { LockManager } from '../core/locks/manager.ts';
import type { HoldNotice } from '../core/locks/store.ts';
import type { Logger } from '../core/log.ts';
import type { Settled } from '../core/options.ts';
import type { DatabaseOptions } from '../postgres/connection.ts';
import { postgresLocks } from '../postgres/locks.ts';
import type { HoldSettings } from './settings.ts';
import type { Mandate, Task } from './task.ts';

export interface HoldingParts {
  readonly wanted: HoldSettings;
  /** Of the lease of this process. */
  readonly controller: SingletonLockController;
  readonly settled: Settled;
  readonly database: DatabaseOptions;
  readonly logger: Logger;
}

/** A wait that is longer is reported, with the chain that it stands in. */
const reportAfterMs = 10_000;

/** After a suspend the boot-time clock says that the time is up before any timer does. */
const lookEveryMs = 1_000;

/** The command runs once, under one hold. */
export class Holding implements Task {
  readonly #wanted: HoldSettings;
  readonly #lease: ControllerLease;
  readonly #manager: LockManager;

  constructor({ wanted, controller, settled, database, logger }: HoldingParts) {
    const { candidate, rules, clock } = settled;
    this.#wanted = wanted;
    this.#lease = new ControllerLease(controller, clock, candidate.ttlMs);
    this.#manager = new LockManager({
      ...settled,
      ...rules,
      logger,
      reportAfterMs,
      store: postgresLocks(database, candidate, rules.callTimeoutMs),
      lease: this.#lease,
    });
    this.#manager.on('resource.contended', ({ holders: [first] }) =>
      logger.info({ owner: first?.owner, label: first?.label }, 'waits for the resource'),
    );
  }

  /** What the guard's session was told of holds. */
  hear(notice: HoldNotice): void {
    this.#lease.hear(notice);
  }

  async run(work: (mandate: Mandate) => Promise<void>): Promise<void> {
    const { resource, mode, owner, reason, waitMs } = this.#wanted;
    await this.#manager.start(); // to connect is no part of the wait
    const hold = await this.#manager.acquire(resource, { mode, owner, reason, waitMs });
    using limit = new Limit(hold, this.#wanted.ttlMs);
    try {
      await work({
        token: hold.token,
        signal: limit.signal,
        isActive: () => hold.isHeld() && limit.leftMs() > 0 && !limit.signal.aborted,
        environment: environmentOf(hold),
      });
    } finally {
      // Not before the command is gone: whoever has the resource next is alone with it.
      await hold.release();
    }
  }

  stop(): Promise<void> {
    return this.#manager.stop();
  }
}

const environmentOf = ({ resource, token, owner, slot }: Hold): Mandate['environment'] => ({
  LOCKD_RESOURCE: resource,
  LOCKD_TOKEN: String(token),
  LOCKD_OWNER: owner,
  LOCKD_SLOT: String(slot),
  // Of a `lockd run` around this one: the token is not that of its term.
  LOCKD_NAME: undefined,
  LOCKD_INSTANCE: undefined,
});

/**
 * The time that a command has. Not the hold's own `ttlMs`: that gives the resource to the next one at
 * once, and a command needs a moment to end.
 */
class Limit {
  /** Aborts when the time is up, and when the hold is over, or is asked back. */
  readonly signal: AbortSignal;
  readonly #hold: Hold;
  readonly #ttlMs: number;
  readonly #until: Instant;
  readonly #over = new AbortController();
  #cancelLook: () => void = () => {};

  constructor(hold: Hold, ttlMs = Number.POSITIVE_INFINITY) {
    const { mono, boot } = instantOf(systemClock);
    this.signal = AbortSignal.any([hold.signal, this.#over.signal]);
    this.#hold = hold;
    this.#ttlMs = ttlMs;
    this.#until = { mono: mono + ttlMs, boot: boot + ttlMs };
    if (Number.isFinite(ttlMs)) this.#look();
  }

  leftMs(): number {
    return leftMs(this.#until, systemClock);
  }

  [Symbol.dispose](): void {
    this.#cancelLook();
  }

  #look(): void {
    const left = this.leftMs();
    if (left > 0) {
      const at = systemClock.mono() + Math.min(left, lookEveryMs);
      this.#cancelLook = systemClock.setTimer(at, () => this.#look());
      return;
    }
    this.#over.abort(
      new LockdError(
        'LOCKD_HOLD_EXPIRED',
        `The hold of ${JSON.stringify(this.#hold.resource)} has ended: its ${this.#ttlMs} ms are over.`,
      ),
    );
  }
}
