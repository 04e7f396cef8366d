import { lengthOf, type Overlap } from './checker.ts';
import type { Cause } from './fault.ts';
import { inWords } from './plan.ts';
import type { Round, Run } from './run.ts';

/** What broke a promise; nothing, if the run was clean. */
export function violations({ overlaps, shared, items, stuck }: Run): string[] {
  return [
    ...overlaps.map(describeOverlap),
    ...shared.map(
      ({ token, labels }) => `token ${token} was led under by ${[...labels].join(', ')}`,
    ),
    ...items.doubled.map((item) => `item ${item} was done twice`),
    ...items.lost.map(({ item, token }) => `item ${item} of token ${token} was lost`),
    ...items.outOfTurn.map((item) => `item ${item} was done under an old token`),
    ...(items.skipped > 0 ? [`${items.skipped} items were passed over`] : []),
    ...(stuck === undefined ? [] : [stuck.message]),
  ];
}

const describeOverlap = ({ older, newer, at, ms }: Overlap): string =>
  `${[...older.labels]} (${older.token}) worked ${ms.toFixed(1)} ms into the term of ` +
  `${[...newer.labels]} (${newer.token}), which began at ${at.toFixed(1)}`;

/** One line, as soon as a round is over. */
export function roundLine(round: Round): string {
  const { cause, whom, terms, gap, recoveryMs, boundMs, stalledMs, overlaps } = round;
  const found = overlaps.length > 0 ? ` OVERLAPS ${overlaps.length}` : '';
  const stalled = isStalled(round) ? ` STALLED ${stalledMs.toFixed(0)} ms` : '';
  const what =
    gap === undefined
      ? 'the leader stayed'
      : `${terms} new term(s), nobody led for ${lengthOf(gap).toFixed(0)} ms, ` +
        `recovered in ${recoveryMs?.toFixed(0)} ms (${cause}: ${boundMs})${isOver(round) ? ' OVER' : ''}`;
  return `${inWords(round)} | ${whom} | ${what}${stalled}${found}`;
}

const isOver = (round: Round): boolean =>
  !isStalled(round) && (round.recoveryMs ?? 0) > round.boundMs;

/** What it took then says nothing. That the promises of safety are kept is asked all the same. */
const isStalled = ({ stalledMs }: Round): boolean => stalledMs > 250;

/** The rounds that took longer than this many times their bound; those of standbys have none. */
export const slow = ({ rounds }: Run, factor: number): Round[] =>
  rounds.filter(
    (round) =>
      isOver(round) && round.boundMs > 0 && (round.recoveryMs ?? 0) > round.boundMs * factor,
  );

export function textReport(run: Run): string {
  const { settings, rounds, tenures, overlaps, items, closestShaveMs, refused, seconds } = run;
  const wrong = violations(run);
  const longest = Math.max(0, ...overlaps.map(({ ms }) => ms));
  const claims = tenures.reduce((sum, tenure) => sum + tenure.claims, 0);
  return [
    `seed ${settings.seed}, takeover ${settings.takeover}, ${settings.isFenced ? 'fenced' : 'not fenced'}, ` +
      `ttl ${settings.ttlMs} ms, instances: ${settings.kinds.join(', ')}`,
    `${rounds.length} rounds in ${seconds.toFixed(0)} s, ${tenures.length} terms, ${claims} claims`,
    `overlaps: ${overlaps.length}, the longest ${longest.toFixed(1)} ms; closest shave ${closestShaveMs.toFixed(1)} ms`,
    `items: ${items.marked} marked, ${items.acknowledged} acknowledged, ${items.doubled.length} doubled, ` +
      `${items.lost.length} lost, ${items.skipped} passed over, ${items.outOfTurn.length} out of turn, ` +
      `${items.forgiven} lost by promotions that were behind; ${refused} stale writes refused`,
    `${rounds.filter(isStalled).length} rounds in which this machine stood still are left out of what follows`,
    '',
    ...gapTable(rounds.filter((round) => !isStalled(round))),
    '',
    ...faultTable(rounds),
    '',
    ...(wrong.length === 0 ? ['every promise was kept'] : ['BROKEN:', ...wrong.slice(0, 40)]),
    ...(wrong.length > 40 ? [`and ${wrong.length - 40} more`] : []),
  ].join('\n');
}

function gapTable(rounds: readonly Round[]): string[] {
  const causes = [...new Set(rounds.map(({ cause }) => cause))].sort();
  const lines = causes.map((cause) => rowOf(cause, rounds));
  return table([
    ['recovery by cause, ms', 'rounds', 'stayed', 'median', 'p95', 'max', 'bound', 'over'],
    ...lines,
  ]);
}

function rowOf(cause: Cause, all: readonly Round[]): string[] {
  const rounds = all.filter((round) => round.cause === cause);
  const times = rounds.flatMap(({ recoveryMs }) => (recoveryMs === undefined ? [] : [recoveryMs]));
  times.sort((a, b) => a - b);
  const at = (share: number): string =>
    times.length === 0 ? '-' : `${times[Math.ceil(times.length * share) - 1]?.toFixed(0)}`;
  return [
    cause,
    `${rounds.length}`,
    `${rounds.length - times.length}`,
    at(0.5),
    at(0.95),
    at(1),
    `${rounds[0]?.boundMs}`,
    `${rounds.filter(isOver).length}`,
  ];
}

function faultTable(rounds: readonly Round[]): string[] {
  const ids = [...new Set(rounds.map(({ fault }) => fault.id))].sort();
  const of = (id: string): Round[] => rounds.filter(({ fault }) => fault.id === id);
  return table([
    ['fault', 'rounds', 'longest gap, ms'],
    ...ids.map((id) => {
      const gaps = of(id).map(({ gap }) => (gap === undefined ? 0 : lengthOf(gap)));
      return [id, `${gaps.length}`, Math.max(...gaps).toFixed(0)];
    }),
  ]);
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  '),
  );
}
