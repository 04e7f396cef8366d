import { hostname } from 'node:os';
import pg from 'pg';
import { checkName } from '../core/checks.ts';
import { checkSchema, checkServer } from './checks.ts';
import { type DatabaseOptions, settleDatabase } from './connection.ts';
import { readPictures } from './picture.ts';
import { pin, visitPins } from './pins.ts';
import { Session, type SessionSettings } from './session.ts';
import * as statements from './statements.ts';
import { type LeaderStatus, type NameStatus, statusOf } from './status.ts';

export type Resignation =
  /** Nobody leads: there is nobody to ask. */
  | { readonly outcome: 'nobody'; readonly status: NameStatus | undefined }
  /** `isHeard`: its control session is connected, so that it can hear. */
  | { readonly outcome: 'asked'; readonly asked: LeaderStatus; readonly isHeard: boolean }
  | ({ readonly outcome: 'resigned' } & Waited)
  /** The term that was asked for had not ended when the time was over. */
  | ({ readonly outcome: 'timed-out' } & Waited);

interface Waited {
  readonly asked: LeaderStatus;
  readonly isHeard: boolean;
  /** From the request until the end of the term was seen. */
  readonly tookMs: number;
  /** As last seen: who leads now, if anybody does. */
  readonly status: NameStatus | undefined;
}

export interface ResignRequest {
  /** How long to wait for the end of the term, given the leader's TTL. Without it: only ask. */
  readonly timeoutMs?: ((ttlMs: number) => number) | undefined;
}

const sessionTimeoutMs = 5_000;

/** Asks whoever leads to resign: gate closed, work finished, seat let go. */
export async function resignLeader(
  options: DatabaseOptions,
  name: string,
  { timeoutMs }: ResignRequest = {},
): Promise<Resignation> {
  checkName(name);
  const { hosts, schema } = settleDatabase(options);
  const bell = new Bell();
  const settings: SessionSettings = {
    hosts,
    applicationName: 'lockd:resign',
    timeoutMs: sessionTimeoutMs,
    notified: () => bell.ring(),
    lost: () => bell.ring(), // the next question is told
  };
  const session = await Session.open(settings);
  const ask: Session['query'] = (text, values) => session.bounded(text, values);
  try {
    // Behind a transaction pooler it would listen in vain; on a replica nobody would hear it.
    await checkServer(session, { ...settings, notified: undefined, lost: undefined });
    await pin(session, visitPins);
    await checkSchema(session, schema);
    const [picture] = await readPictures(ask, schema, name);
    const status = picture === undefined ? undefined : statusOf(picture);
    const asked = status?.leader;
    if (picture === undefined || asked?.state !== 'leading') return { outcome: 'nobody', status };
    const isHeard = picture.instances.some(
      ({ instance, isPresent }) => isPresent && instance === asked.instance,
    );
    // Listening before asking: an end that comes at once is not missed.
    if (timeoutMs !== undefined) await ask(`listen ${pg.escapeIdentifier(picture.channel)}`);
    const reason = `asked on ${hostname()}`;
    await statements.requestResign(ask, schema, picture.seat, asked.token, reason);
    if (timeoutMs === undefined) return { outcome: 'asked', asked, isHeard };
    const look = async (): Promise<NameStatus | undefined> =>
      (await readPictures(ask, schema, name)).map(statusOf)[0];
    const waited = await untilOver(asked, timeoutMs(asked.ttlMs), look, (ms) => bell.heard(ms));
    const { isOver, ...rest } = waited;
    return { outcome: isOver ? 'resigned' : 'timed-out', asked, isHeard, ...rest };
  } finally {
    await session.close();
  }
}

/** A notice may be lost, and not everything that ends a term sends one. */
const lookEveryMs = 1_000;

/** A successor that stands in the queue is there in milliseconds. */
const successionMs = 2_000;

/**
 * Waits until the term that was asked for has ended or another has begun, and then a moment for the
 * successor, if anybody waits. `pause` ends early when something was told.
 */
export async function untilOver(
  asked: Pick<LeaderStatus, 'token' | 'instance'>,
  timeoutMs: number,
  look: () => Promise<NameStatus | undefined>,
  pause: (ms: number) => Promise<void>,
  now: () => number = () => performance.now(),
): Promise<{ isOver: boolean; tookMs: number; status: NameStatus | undefined }> {
  const began = now();
  const lookUntil = async (
    isEnough: (status: NameStatus | undefined) => boolean,
    until: number,
  ): Promise<NameStatus | undefined> => {
    for (;;) {
      const status = await look();
      const leftMs = until - now();
      if (isEnough(status) || leftMs <= 0) return status;
      await pause(Math.min(lookEveryMs, leftMs));
    }
  };
  const isOver = (status: NameStatus | undefined): boolean =>
    status?.leader?.token !== asked.token || status.leader.state === 'ended';

  const status = await lookUntil(isOver, began + timeoutMs);
  const tookMs = now() - began;
  if (!isOver(status)) return { isOver: false, tookMs, status };
  const isSettled = (seen: NameStatus | undefined): boolean =>
    seen === undefined ||
    seen.isLed ||
    seen.waiting.every(({ instance }) => instance === asked.instance);
  const settled = isSettled(status) ? status : await lookUntil(isSettled, now() + successionMs);
  return { isOver: true, tookMs, status: settled };
}

/** Remembers one ring, so that none is lost between two waits. */
export class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  /** Resolves at the next ring, or after `ms`. */
  async heard(ms: number): Promise<void> {
    if (!this.#hasRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#hasRung = false;
  }
}
