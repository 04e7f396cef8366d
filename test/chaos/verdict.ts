import type { Overlap } from './checker.ts';
import { mustStay } from './fault.ts';
import type { Findings, Round, Run } from './run.ts';

/** What broke a promise; nothing, if the run was clean. */
export function violations(run: Run): string[] {
  const { overlaps, shared, items, stuck } = run;
  return [
    ...unseen(run),
    ...overlaps.map(describeOverlap),
    ...shared.map(
      ({ token, claimants }) =>
        `token ${token} was led under by ` +
        [...claimants.values()].map(({ label, pid }) => `${label} (pid ${pid})`).join(', '),
    ),
    ...items.doubled.map((item) => `item ${item} was done twice`),
    ...items.lost.map(({ item, token }) => `item ${item} of token ${token} was lost`),
    ...items.outOfTurn.map((item) => `item ${item} was done under an old token`),
    ...(items.skipped > 0 ? [`${items.skipped} items were passed over`] : []),
    ...(stuck === undefined ? [] : [stuck.message]),
  ];
}

/** Where nothing was seen, nothing was seen to be right. */
const unseen = ({ rounds, tenures, items }: Run): string[] => [
  ...(rounds.length === 0 ? ['no fault struck'] : []),
  ...(tenures.length === 0 ? ['nobody claimed to lead'] : []),
  ...(items.marked === 0 || items.acknowledged === 0 ? ['no item was done'] : []),
];

const describeOverlap = ({ older, newer, at, ms }: Overlap): string =>
  `${[...older.labels]} (${older.token}) worked ${ms.toFixed(1)} ms into the term of ` +
  `${[...newer.labels]} (${newer.token}), which began at ${at.toFixed(1)}`;

/** It took longer than this many times its bound, or the leader changed where it had to stay. */
export function isOver(round: Round, factor = 1): boolean {
  if (isStalled(round)) return false;
  const boundMs = round.boundMs * factor;
  if (mustStay(round.cause)) return round.terms > 0 || round.silenceMs > boundMs;
  return (round.recoveryMs ?? 0) > boundMs;
}

export const slow = ({ rounds }: Run, factor = 1): Round[] =>
  rounds.filter((round) => isOver(round, factor));

/** What it took then says nothing. That the promises of safety are kept is asked all the same. */
export const isStalled = ({ stalledMs }: Round): boolean => stalledMs > 250;

/** Every promise was kept, and every bound. */
export const isClean = (run: Run): boolean =>
  violations(run).length === 0 && slow(run).length === 0;

/** Longer than anybody's work takes to heed its signal: so long only two gates are open at once. */
const drainedMs = 250;

/** What a positive control has to show: that two open gates are seen, and what they do to the items. */
export const hasTold = ({ overlaps, items }: Findings): boolean =>
  overlaps.some(({ ms }) => ms > drainedMs) && items.doubled.length + items.outOfTurn.length > 0;

/** Why a run says nothing, however clean it is. */
export function whyUncounted(run: Run, control: Run | undefined): string | undefined {
  if (run.isAborted) return 'it was stopped before its end';
  if (control === undefined) return 'it has no positive control';
  if (control.isAborted) return 'its positive control was stopped before its end';
  if (!hasTold(control)) {
    return `its positive control needs an overlap of more than ${drainedMs} ms, and an item done twice or under an old token`;
  }
  return undefined;
}
