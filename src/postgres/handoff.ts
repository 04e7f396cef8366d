/** Hands leadership to one instance in particular: it warms up, the leader drains, the seat waits for it. */
import { hostname } from 'node:os';
import { LockdError } from '../core/errors.ts';
import { defaults } from '../core/options.ts';
import { warmUpTimeoutMs } from '../core/standby.ts';
import { type Asking, askOf, statusIn } from './asking.ts';
import type { DatabaseOptions } from './connection.ts';
import { askHandoff, gapBefore, handoffAnswer } from './handoff-statements.ts';
import type { InstanceFacts, Picture } from './picture.ts';
import { isHearing } from './resign.ts';
import type { LeaderStatus, NameStatus } from './status.ts';

/** Who it is to be handed to. */
export interface Heir {
  readonly instance: string;
  readonly label: string;
}

interface Named {
  readonly from: LeaderStatus;
  readonly to: Heir;
  /** The leader's control session is connected, so that it can hear. */
  readonly isHeard: boolean;
}

interface Seen {
  /** From the request until then, in ms. */
  readonly tookMs: number;
  /** As last seen. */
  readonly status: NameStatus | undefined;
}

export type Handoff =
  /** Nobody leads: there is nothing to hand over. */
  | { readonly outcome: 'nobody'; readonly status: NameStatus | undefined }
  /** Nobody waits that may lead, or it has just gone. */
  | { readonly outcome: 'no-candidate'; readonly from: LeaderStatus }
  /** Whoever was named leads already. */
  | { readonly outcome: 'leads'; readonly from: LeaderStatus }
  /** The leader has been asked to hand over to somebody else, and finishes its work. */
  | ({ readonly outcome: 'under-way' } & Named)
  | ({ readonly outcome: 'asked' } & Named)
  /** The heir is not ready; the leader has not been asked, and leads on. */
  | ({ readonly outcome: 'declined'; readonly reason: string } & Named & Seen)
  /** `gapMs` without a leader between the end of the old work and the new term, by the database's clock. */
  | ({ readonly outcome: 'handed-over'; readonly token: bigint; readonly gapMs: number } & Named &
      Seen)
  /** The heir did not come; the old leader, or somebody else, leads. */
  | ({ readonly outcome: 'returned' } & Named & Seen)
  | ({ readonly outcome: 'timed-out' } & Named & Seen);

export interface HandoffRequest {
  /** An instance that waits: its uuid, the first 4 or more characters of it, or its label. @default the newest */
  readonly to?: string | undefined;
  /** Who asks, for people. @default this host */
  readonly by?: string | undefined;
  /** Whether to wait for the outcome. @default false */
  readonly isWaiting?: boolean | undefined;
  /**
   * How long the heir may take to get ready, and how long the outcome is waited for. A leader that has
   * been asked by then goes on finishing its work, and hands over when it has.
   * @default warm-up (30 s), drain timeout (25 s) and the leader's TTL
   */
  readonly timeoutMs?: number | undefined;
  /** Aborted, it waits no more and rejects; what was asked stays asked. */
  readonly signal?: AbortSignal | undefined;
}

export function handOff(
  options: DatabaseOptions,
  name: string,
  request: HandoffRequest = {},
): Promise<Handoff> {
  const { signal } = request;
  return askOf(options, name, { applicationName: 'lockd:handoff', signal }, async (visiting) => {
    const { ask, schema, look, listen } = visiting;
    const picture = await look();
    const status = statusIn(picture);
    const from = status?.leader;
    if (picture === undefined || from?.state !== 'leading') return { outcome: 'nobody', status };
    if (request.to !== undefined && isMeant(request.to, from)) return { outcome: 'leads', from };
    const to = heirIn(picture, from, request.to);
    if (to === undefined) return { outcome: 'no-candidate', from };
    const { by = hostname(), isWaiting = false } = request;
    const withinMs = request.timeoutMs ?? warmUpTimeoutMs + defaults.drainTimeoutMs + from.ttlMs;
    const named: Named = { from, to, isHeard: isHearing(picture, from.instance) };
    if (isWaiting) await listen(picture.channel);
    const { token } = from;
    const asked = { token, heir: to.instance, by, withinMs };
    const answer = await askHandoff(ask, schema, picture.seat, asked);
    if (answer === 'gone') return { outcome: 'no-candidate', from };
    if (answer === 'under-way') return { outcome: 'under-way', ...named };
    return isWaiting
      ? untilHandedOver(visiting, picture.seat, named, withinMs)
      : { outcome: 'asked', ...named };
  });
}

/** Of those who wait and may lead: the one that is meant, or the newest. */
function heirIn(
  { instances, name }: Picture,
  from: LeaderStatus,
  meant: string | undefined,
): Heir | undefined {
  const candidates = instances.filter(
    ({ instance, isPresent, isEligible }) => isPresent && isEligible && instance !== from.instance,
  );
  if (meant === undefined) return candidates.toSorted(newestFirst)[0];
  const found = candidates.filter((heir) => isMeant(meant, heir));
  if (found.length === 1) return found[0];
  throw new LockdError('LOCKD_INVALID_OPTION', refusal(name, meant, found, candidates));
}

const isMeant = (meant: string, { instance, label }: Heir): boolean =>
  label === meant || (meant.length >= 4 && instance.startsWith(meant.toLowerCase()));

function refusal(
  name: string,
  meant: string,
  found: readonly Heir[],
  candidates: readonly Heir[],
): string {
  const told = (heirs: readonly Heir[]): string =>
    heirs.map(({ label, instance }) => `${label} (${instance})`).join(', ');
  const [led, wanted] = [JSON.stringify(name), JSON.stringify(meant)];
  if (found.length > 1)
    return `Several that wait for ${led} are ${wanted}: ${told(found)}. Name one by its instance.`;
  const choice =
    candidates.length === 0 ? 'nobody waits that may lead' : `there is ${told(candidates)}`;
  return `Nobody that waits for ${led} and may lead is ${wanted}: ${choice}.`;
}

function newestFirst(one: InstanceFacts, other: InstanceFacts): number {
  const length = Math.max(one.rank.length, other.rank.length);
  for (let at = 0; at < length; at += 1) {
    const [a = Number.NEGATIVE_INFINITY, b = Number.NEGATIVE_INFINITY] = [
      one.rank[at],
      other.rank[at],
    ];
    if (a !== b) return b - a;
  }
  return other.registeredAt.getTime() - one.registeredAt.getTime();
}

/** A notice may be lost, and not everything that ends a term sends one. */
const lookEveryMs = 1_000;

/** Once the old term is over, the heir comes within this and a heartbeat, or whoever led before. */
const settlingMs = 5_000;

async function untilHandedOver(
  { ask, schema, bell, look }: Asking,
  seat: number,
  named: Named,
  withinMs: number,
): Promise<Handoff> {
  const { from, to } = named;
  const began = performance.now();
  let until = began + withinMs;
  let isOver = false;
  for (;;) {
    const status = statusIn(await look());
    const tookMs = performance.now() - began;
    const { leader } = status ?? {};
    const seen = { ...named, tookMs, status };
    if (leader !== undefined && leader.token !== from.token && leader.state === 'leading') {
      if (leader.instance !== to.instance) return { outcome: 'returned', ...seen };
      const gapMs = await gapBefore(ask, schema, seat, leader.token);
      return { outcome: 'handed-over', ...seen, token: leader.token, gapMs };
    }
    if (leader?.token !== from.token || leader.state === 'ended') {
      if (!isOver) until = performance.now() + settlingMs + from.heartbeatMs;
      isOver = true;
    } else {
      const answer = await handoffAnswer(ask, schema, seat, from.token, to.instance);
      if (answer?.isReady === false) return { outcome: 'declined', reason: answer.reason, ...seen };
    }
    const leftMs = until - performance.now();
    if (leftMs <= 0) return { outcome: 'timed-out', ...seen };
    await bell.heard(Math.min(lookEveryMs, leftMs));
  }
}
