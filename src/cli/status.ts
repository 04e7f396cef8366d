import type { Fault } from '../postgres/faults.ts';
import { type NameStatus, readStatus } from '../postgres/status.ts';
import { visitDatabase } from './database.ts';
import { formatDuration } from './duration.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { cell, print, printJson, table } from './output.ts';

/** `lockd status`: 0 if the name, or each of those in use, is led; 1 if one is not, or there is none. */
export function status(name: string | undefined, options: CommonOptions): Promise<number> {
  return visitDatabase(options, async ({ options: database, describe }) => {
    const names = await readStatus(database, name);
    const asked = name === undefined ? names.filter((one) => one.isInUse) : names;
    const isLed = asked.length > 0 && asked.every((one) => one.isLed);
    if (options.isJson) printJson({ isLed, names });
    else if (names.length > 0) print(statusText(names));
    else print(emptyText(name, describe));
    return isLed ? ExitCode.ok : ExitCode.nobody;
  });
}

const emptyText = (name: string | undefined, where: string): string =>
  name === undefined
    ? `no name has ever been led in ${where}`
    : `nobody leads ${cell(name)}: nobody has ever led it in the ${where}`;

/** For people. */
const statusText = (names: readonly NameStatus[]): string =>
  [leaderTable(names), ...waitingTables(names), ...faultTables(faultsOf(names))].join('\n\n');

export const leaderTable = (names: readonly NameStatus[]): string =>
  table(
    ['NAME', 'STATE', 'LEADER', 'HOST', 'PID', 'TOKEN', 'SINCE', 'LAST BEAT', 'TTL', 'WAITING'],
    names.map(leaderRow),
  );

/** None where nobody waits. */
export function waitingTables(names: readonly NameStatus[]): string[] {
  const waiting = names.flatMap((one) => one.waiting.map((instance) => ({ ...instance, one })));
  if (waiting.length === 0) return [];
  const rows = waiting.map(({ one, label, host, pid, version, since }) =>
    [one.name, label, host, `${pid}`, version, ago(since, one.readAt)].map(cell),
  );
  return [table(['WAITING FOR', 'INSTANCE', 'HOST', 'PID', 'VERSION', 'SINCE'], rows)];
}

/** What is wrong, and what mends it: below, because it is to be copied. */
function faultTables(faults: readonly NamedFault[]): string[] {
  if (faults.length === 0) return [];
  const wrong = faults.map(({ names, code, message }) => [names, code, message].map(cell));
  const mended = faults.flatMap(({ names, code, remedy }) =>
    remedy === undefined ? [] : [[names, code, remedy].map(cell)],
  );
  const tables = [table(['WRONG WITH', 'WHAT', 'MEANING'], wrong)];
  return mended.length === 0 ? tables : [...tables, table(['TO MEND', 'WHAT', 'RUN'], mended)];
}

export interface NamedFault extends Fault {
  /** What is of the whole server is said once. */
  readonly names: string;
}

export function faultsOf(statuses: readonly NameStatus[]): NamedFault[] {
  const found = new Map<string, { fault: Fault; names: string[] }>();
  for (const { name, faults } of statuses) {
    for (const fault of faults) {
      const key = JSON.stringify([fault.code, fault.message, fault.remedy]);
      const one = found.get(key) ?? { fault, names: [] };
      one.names.push(name);
      found.set(key, one);
    }
  }
  return [...found.values()].map(({ fault, names }) => ({ ...fault, names: listOf(names) }));
}

const mostNames = 3;

const listOf = (names: readonly string[]): string =>
  names.length <= mostNames ? names.join(', ') : `${names[0]} and ${names.length - 1} more`;

function leaderRow(status: NameStatus): string[] {
  const { name, readAt, isInUse, leader, waiting } = status;
  const unused = isInUse ? undefined : 'unused';
  const nobody = [name, unused ?? 'nobody', '-', '-', '-', '-', '-', '-', '-'];
  if (leader === undefined) return [...nobody, `${waiting.length}`].map(cell);
  const { state, label, host, pid, token, since, lastBeatAgeMs, ttlMs } = leader;
  const isEnded = state === 'ended';
  return [
    name,
    unused ?? (isEnded ? 'nobody' : state),
    isEnded ? `(was ${label})` : label,
    host ?? '?',
    `${pid ?? '?'}`,
    `${token}`,
    ago(isEnded ? (leader.endedAt ?? since) : since, readAt),
    `${formatDuration(lastBeatAgeMs)} ago`,
    formatDuration(ttlMs),
    `${waiting.length}`,
  ].map(cell);
}

const ago = (then: Date, now: Date): string =>
  `${formatDuration(Math.max(0, now.getTime() - then.getTime()))} ago`;
