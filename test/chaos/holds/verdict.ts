import type { Clash } from './checker.ts';
import type { HoldRound, HoldRun } from './run.ts';

/** Until every resource is had again: who died without a word is waited for, and first has to be seen. */
export const boundOf = ({ settings }: HoldRun): number => settings.ttlMs + 4_000;

/** What broke a promise; nothing, if the run was clean. */
export function violations(run: HoldRun): string[] {
  const { book, stuck } = run;
  return [
    ...unseen(run),
    ...run.clashes.map(inWords),
    ...book.shared.map(({ resource, token }) => `two have held ${resource} under ${token}`),
    ...run.misplaced.map(({ resource, slot }) => `${resource} was held at place ${slot}`),
    ...book.moved.map(({ resource, token }) => `${token} read ${resource} while it was written`),
    ...[...run.entries].flatMap(([resource, { doubled, lost, outOfTurn, skipped }]) => [
      ...doubled.map((item) => `entry ${item} of ${resource} was made twice`),
      ...lost.map(({ item, token }) => `entry ${item} of ${resource}, token ${token}, was lost`),
      ...outOfTurn.map((item) => `entry ${item} of ${resource} was made under an old token`),
      ...(skipped > 0 ? [`${skipped} entries of ${resource} were passed over`] : []),
    ]),
    ...run.leftovers,
    ...(stuck === undefined ? [] : [stuck.message]),
  ];
}

/** Where nothing was seen, nothing was seen to be right. */
const unseen = ({ rounds, book }: HoldRun): string[] => [
  ...(rounds.length === 0 ? ['no fault struck'] : []),
  ...(book.claims === 0 ? ['nobody claimed to hold anything'] : []),
  ...(book.entered.length === 0 || book.reads === 0 ? ['nothing was done under a hold'] : []),
];

const inWords = ({ older, newer, at, ms, by }: Clash): string =>
  `${older.resource}: a ${by} of ${older.label} (${older.token}) reached ${ms.toFixed(1)} ms into the ` +
  `hold of ${newer.label} (${newer.token}), which began at ${at.toFixed(1)}`;

export const slow = (run: HoldRun, factor = 1): HoldRound[] =>
  run.rounds.filter(
    ({ recoveryMs, stalledMs }) => stalledMs <= 250 && recoveryMs > boundOf(run) * factor,
  );

/** Every promise was kept, and every bound. */
export const isClean = (run: HoldRun): boolean =>
  violations(run).length === 0 && slow(run).length === 0;

/** What a positive control has to show: that two who cannot hold beside one another are seen. */
export const hasTold = (found: readonly Clash[]): boolean => found.some(({ ms }) => ms > 50);

/** Why a run says nothing, however clean it is. */
export function whyUncounted(run: HoldRun, controls: readonly HoldRun[]): string | undefined {
  if (run.isAborted) return 'it was stopped before its end';
  if (controls.length === 0) return 'it has no positive control';
  if (controls.every(({ clashes }) => hasTold(clashes))) return undefined;
  return 'a positive control has not shown two who cannot hold beside one another';
}
