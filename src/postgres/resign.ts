import { hostname } from 'node:os';
import { askOf, statusIn } from './asking.ts';
import type { DatabaseOptions } from './connection.ts';
import type { Picture } from './picture.ts';
import * as statements from './statements.ts';
import type { LeaderStatus, NameStatus } from './status.ts';

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
  /** Aborted, it waits no more and rejects; what was asked stays asked. */
  readonly signal?: AbortSignal | undefined;
}

/** Asks whoever leads to resign: gate closed, work finished, seat let go. */
export function resignLeader(
  options: DatabaseOptions,
  name: string,
  { timeoutMs, signal }: ResignRequest = {},
): Promise<Resignation> {
  return askOf(
    options,
    name,
    { applicationName: 'lockd:resign', signal },
    async ({ ask, schema, bell, look, listen }) => {
      const picture = await look();
      const status = statusIn(picture);
      const asked = status?.leader;
      if (picture === undefined || asked?.state !== 'leading') return { outcome: 'nobody', status };
      const isHeard = isHearing(picture, asked.instance);
      if (timeoutMs !== undefined) await listen(picture.channel);
      const reason = `asked on ${hostname()}`;
      await statements.requestResign(ask, schema, picture.seat, asked.token, reason);
      if (timeoutMs === undefined) return { outcome: 'asked', asked, isHeard };
      const waited = await untilOver(
        asked,
        timeoutMs(asked.ttlMs),
        async () => statusIn(await look()),
        (ms) => bell.heard(ms),
      );
      const { isOver, ...rest } = waited;
      return { outcome: isOver ? 'resigned' : 'timed-out', asked, isHeard, ...rest };
    },
  );
}

/** Its control session is connected. */
export const isHearing = ({ instances }: Picture, who: string): boolean =>
  instances.some(({ instance, isPresent }) => isPresent && instance === who);

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
