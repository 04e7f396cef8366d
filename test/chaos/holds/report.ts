import { inWords } from '../plan.ts';
import { verdictOf } from '../report.ts';
import type { HoldRound, HoldRun } from './run.ts';
import { boundOf, slow, violations } from './verdict.ts';

/** One line, as soon as a round is over. */
export function roundLine(round: HoldRound): string {
  const { whom, recoveryMs, stalledMs, clashes } = round;
  const found = clashes.length > 0 ? ` CLASHES ${clashes.length}` : '';
  const stalled = stalledMs > 250 ? ` STALLED ${stalledMs.toFixed(0)} ms` : '';
  return `${inWords(round)} | ${whom} | everything was had again in ${recoveryMs.toFixed(0)} ms${stalled}${found}`;
}

export function textReport(run: HoldRun): string {
  const { settings, rounds, missed, book, clashes, entries, seconds } = run;
  const longest = Math.max(0, ...clashes.map(({ ms }) => ms));
  const sum = (of: (entry: { marked: number; forgiven: number }) => number): number =>
    [...entries.values()].reduce((total, entry) => total + of(entry), 0);
  const times = rounds.map(({ recoveryMs }) => recoveryMs).sort((a, b) => a - b);
  const at = (share: number): string =>
    `${times[Math.max(0, Math.ceil(times.length * share) - 1)]?.toFixed(0)}`;
  return [
    `holds: seed ${settings.seed}, ttl ${settings.ttlMs} ms, processes: ${settings.kinds.join(', ')}` +
      `${settings.isTrusting ? ', a hold is trusted until it is given back, and not fenced' : ''}` +
      `${settings.isForgetful ? ', nothing is doubted after a crash' : ''}`,
    `faults: ${settings.faults.map(({ id }) => id).join(', ')}`,
    `${rounds.length} of ${settings.rounds} rounds in ${seconds.toFixed(0)} s, ${missed} draws found nothing to hit`,
    `${book.tenures.length} holds, ${book.claims} claims`,
    `clashes: ${clashes.length}, the longest ${longest.toFixed(1)} ms`,
    `${book.entered.length} fenced writes and ${book.reads} fenced reads acknowledged, ${book.refused} stale ones refused, ` +
      `${sum(({ marked }) => marked)} entries, ${sum(({ forgiven }) => forgiven)} lost by promotions that were behind`,
    `everything had again after a fault: median ${at(0.5)}, p95 ${at(0.95)}, at most ${at(1)} ms; bound ${boundOf(run)} ms`,
    '',
    ...verdict(run),
  ].join('\n');
}

const verdict = (run: HoldRun): string[] =>
  verdictOf(violations(run), slow(run).map(roundLine), run.isAborted);
