/** What is different between two looks, in the words of `lockd watch`. */
import { type Fault, isSame } from '../postgres/faults.ts';
import type { NameStatus } from '../postgres/status.ts';
import { cell } from './output.ts';

/** One change. What `is` says is stable: match on it. */
export type Change = {
  /** By the server's clock; of `away` and `back` by that of this machine. */
  readonly at: Date;
} & (
  | ({ readonly name: string; readonly is: 'leading'; readonly after: string | null } & Term)
  | ({ readonly name: string; readonly is: 'silent'; readonly lastBeatAgeMs: number } & Term)
  | ({
      readonly name: string;
      readonly is: 'ended';
      readonly by: string | null;
      readonly reason: string | null;
    } & Term)
  | {
      readonly name: string;
      readonly is: 'waiting' | 'left';
      readonly instance: string;
      readonly label: string;
    }
  | { readonly name: string; readonly is: 'fault' | 'mended'; readonly fault: Fault }
  /** Nobody has ever led it, or any name. */
  | { readonly name: string | null; readonly is: 'unled' }
  | { readonly name: null; readonly is: 'away'; readonly code: string; readonly message: string }
  | { readonly name: null; readonly is: 'back' }
);

interface Term {
  readonly instance: string;
  readonly label: string;
  readonly token: bigint;
  readonly since: Date;
}

/** Without a look before: all that is there. */
export function changesBetween(
  before: readonly NameStatus[] | undefined,
  now: readonly NameStatus[],
): Change[] {
  return now.flatMap((status) => {
    const was = before?.find(({ name }) => name === status.name);
    return [
      ...ofLeader(was, status, before === undefined),
      ...ofWaiting(was, status),
      ...ofFaults(was, status),
    ];
  });
}

function ofLeader(was: NameStatus | undefined, now: NameStatus, isFirst: boolean): Change[] {
  const { name, readAt, leader } = now;
  if (leader === undefined) return was === undefined ? [{ at: readAt, name, is: 'unled' }] : [];
  const isOther = was?.leader?.token !== leader.token;
  if (!isOther && was?.leader?.state === leader.state) return [];
  const { instance, label, token, since, state, endedAt, endedBy, endedReason, lastBeatAgeMs } =
    leader;
  const term = { instance, label, token, since };
  // What has been so for long is told as of now; what has just become so as of when it did.
  const asOf = (then: Date): Date => (isFirst ? readAt : then);
  const began: Change = {
    at: asOf(isOther ? since : readAt),
    name,
    is: 'leading',
    ...term,
    after: isOther ? (was?.leader?.label ?? null) : null,
  };
  const begun = isOther && was !== undefined ? [began] : [];
  switch (state) {
    case 'leading':
      return [began];
    case 'silent':
      return [...begun, { at: readAt, name, is: 'silent', ...term, lastBeatAgeMs }];
    case 'ended': {
      const why = { by: endedBy ?? null, reason: endedReason ?? null };
      return [...begun, { at: asOf(endedAt ?? readAt), name, is: 'ended', ...term, ...why }];
    }
  }
}

function ofWaiting(
  was: NameStatus | undefined,
  { name, readAt, waiting, leader }: NameStatus,
): Change[] {
  const before = was?.waiting ?? [];
  const told = (
    is: 'waiting' | 'left',
    { instance, label }: { instance: string; label: string },
  ): Change => ({
    at: readAt,
    name,
    is,
    instance,
    label,
  });
  const isAmong = (
    all: readonly { instance: string }[],
    { instance }: { instance: string },
  ): boolean => all.some((one) => one.instance === instance);
  return [
    ...waiting.filter((one) => !isAmong(before, one)).map((one) => told('waiting', one)),
    // Who leads now has not left.
    ...before
      .filter((one) => !isAmong(waiting, one) && one.instance !== leader?.instance)
      .map((one) => told('left', one)),
  ];
}

function ofFaults(was: NameStatus | undefined, { name, readAt, faults }: NameStatus): Change[] {
  const before = was?.faults ?? [];
  const isIn = (all: readonly Fault[], fault: Fault): boolean =>
    all.some((one) => isSame(one, fault));
  const told = (is: 'fault' | 'mended', fault: Fault): Change => ({ at: readAt, name, is, fault });
  return [
    ...faults.filter((fault) => !isIn(before, fault)).map((fault) => told('fault', fault)),
    ...before.filter((fault) => !isIn(faults, fault)).map((fault) => told('mended', fault)),
  ];
}

/** One line for people. */
export function lineOf(change: Change): string {
  const { at, name } = change;
  return cell(`${at.toISOString()}  ${name ?? '-'}  ${textOf(change)}`);
}

function textOf(change: Change): string {
  switch (change.is) {
    case 'leading': {
      const after = change.after === null ? '' : `, after ${change.after}`;
      return `${change.label} leads (token ${change.token}, since ${change.since.toISOString()})${after}`;
    }
    case 'silent':
      return `${change.label} is silent (token ${change.token}): no beat for ${(change.lastBeatAgeMs / 1000).toFixed(1)} s`;
    case 'ended':
      return `${change.label} leads no more (token ${change.token}): ${change.reason ?? change.by ?? 'nobody said why'}`;
    case 'waiting':
      return `${change.label} waits`;
    case 'left':
      return `${change.label} waits no more`;
    case 'fault': {
      const { code, message, remedy } = change.fault;
      return `${code}: ${message}${remedy === undefined ? '' : ` Run: ${remedy}`}`;
    }
    case 'mended':
      return `${change.fault.code} is over`;
    case 'unled':
      return change.name === null ? 'no name has ever been led' : 'nobody has ever led it';
    case 'away':
      return `cannot tell: ${change.message}`;
    case 'back':
      return 'can tell again';
  }
}
