import { readHistory, type TermRecord } from '../postgres/history.ts';
import { visitDatabase } from './database.ts';
import { formatDuration } from './duration.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { cell, print, printJson, table } from './output.ts';

export interface HistoryOptions extends CommonOptions {
  readonly sinceMs: number | undefined;
  readonly limit: number | undefined;
}

/** `lockd history`: 0 if there is a term to show, 1 if there is none. */
export function history(name: string, options: HistoryOptions): Promise<number> {
  const { sinceMs, limit } = options;
  return visitDatabase(options, async ({ options: database, describe }) => {
    const terms = await readHistory(database, name, { sinceMs, limit });
    if (options.isJson) printJson({ name, terms });
    else if (terms.length > 0) print(historyText(terms));
    else print(emptyText(name, sinceMs, describe));
    return terms.length > 0 ? ExitCode.ok : ExitCode.nobody;
  });
}

const emptyText = (name: string, sinceMs: number | undefined, where: string): string =>
  sinceMs === undefined
    ? `nobody has ever led ${cell(name)} in the ${where}`
    : `nobody has led ${cell(name)} in the last ${formatDuration(sinceMs)} in the ${where}`;

/** For people. */
const historyText = (terms: readonly TermRecord[]): string =>
  table(
    ['TOKEN', 'LEADER', 'FROM', 'TO', 'LED FOR', 'ENDED BY', 'REASON', 'GAP BEFORE'],
    terms.map(row),
  );

function row(term: TermRecord): string[] {
  const { token, label, startedAt, endedAt, endedBy, reason, gapMs, isRunning } = term;
  // As far as it is known to have led: a term that nobody ended goes to its last beat.
  const until = endedAt ?? term.lastBeatAt ?? startedAt;
  return [
    `${token}`,
    label,
    startedAt.toISOString(),
    endedAt?.toISOString() ?? (isRunning ? 'leads now' : `silent since ${until.toISOString()}`),
    formatDuration(Math.max(0, until.getTime() - startedAt.getTime())),
    endedBy ?? '-',
    reason ?? '-',
    gapMs === undefined ? '-' : formatDuration(Math.max(0, gapMs)),
  ].map(cell);
}
