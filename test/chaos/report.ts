import { lengthOf } from './checker.ts';
import { type Cause, mustStay } from './fault.ts';
import { inWords, type Planned } from './plan.ts';
import type { Round, Run } from './run.ts';
import { isOver, isStalled, slow, violations } from './verdict.ts';

/** One line, as soon as a round is over. */
export function roundLine(round: Round): string {
  const { cause, whom, terms, gap, recoveryMs, boundMs, silenceMs, stalledMs, overlaps } = round;
  const found = overlaps.length > 0 ? ` OVERLAPS ${overlaps.length}` : '';
  const stalled = isStalled(round) ? ` STALLED ${stalledMs.toFixed(0)} ms` : '';
  const over = isOver(round) ? ' OVER' : '';
  const what =
    gap === undefined
      ? `the leader stayed${mustStay(cause) ? `, silent for ${silenceMs.toFixed(0)} ms at most` : ''}`
      : `${terms} new term(s), nobody led for ${lengthOf(gap).toFixed(0)} ms, ` +
        `recovered in ${recoveryMs?.toFixed(0)} ms (${cause}: ${bound(cause, boundMs)})`;
  return `${inWords(round)} | ${whom} | ${what}${over}${stalled}${found}`;
}

export const missLine = (plan: Planned): string => `${inWords(plan)} | MISSED: does not count`;

const bound = (cause: Cause, boundMs: number): string => (mustStay(cause) ? 'stays' : `${boundMs}`);

export function textReport(run: Run): string {
  const { settings, rounds, missed, tenures, overlaps, items, closestShaveMs, refused, seconds } =
    run;
  const longest = Math.max(0, ...overlaps.map(({ ms }) => ms));
  const claims = tenures.reduce((sum, tenure) => sum + tenure.claims, 0);
  return [
    `seed ${settings.seed}, takeover ${settings.takeover}, ${settings.isFenced ? 'fenced' : 'not fenced'}, ` +
      `ttl ${settings.ttlMs} ms, instances: ${settings.kinds.join(', ')}`,
    `faults: ${settings.faults.map(({ id }) => id).join(', ')}`,
    `${rounds.length} of ${settings.rounds} rounds in ${seconds.toFixed(0)} s, ${tenures.length} terms, ${claims} claims`,
    `${missed.length} draws found nothing to hit and are no rounds${named(missed)}`,
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
    'limits: claims are about 3 ms apart, and a shorter overlap at the end of one may go unseen; what work',
    'does beyond its lease is not claimed, that is what the token is for.',
    '',
    ...verdict(run),
  ].join('\n');
}

const verdict = (run: Run): string[] =>
  verdictOf(violations(run), slow(run).map(roundLine), run.isAborted);

/** The last lines of a report: what was broken, what was late, or neither. */
export function verdictOf(
  wrong: readonly string[],
  late: readonly string[],
  isAborted: boolean,
): string[] {
  const lines = [
    ...(wrong.length > 0 ? ['BROKEN:', ...wrong.slice(0, 40)] : []),
    ...(wrong.length > 40 ? [`and ${wrong.length - 40} more`] : []),
    ...(late.length > 0 ? ['OVER ITS BOUND:', ...late] : []),
    ...(isAborted ? ['STOPPED before its end: this is no verdict'] : []),
  ];
  return lines.length > 0 ? lines : ['every promise was kept'];
}

function named(missed: readonly Planned[]): string {
  const ids = [...new Set(missed.map(({ fault }) => fault.id))].sort();
  const count = (id: string): number => missed.filter(({ fault }) => fault.id === id).length;
  return ids.length === 0 ? '' : `: ${ids.map((id) => `${id} ${count(id)}`).join(', ')}`;
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
    bound(cause, rounds[0]?.boundMs ?? 0),
    `${rounds.filter((round) => isOver(round)).length}`,
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
