import type { Inspection, Mode } from '../index.ts';
import { readLocks } from '../postgres/read-locks.ts';
import { visitDatabase } from './database.ts';
import { formatDuration } from './duration.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { cell, print, printJson, table } from './output.ts';

export interface LocksOptions extends CommonOptions {
  readonly stalerThanMs: number | undefined;
}

/** `lockd locks`: 0 if anything is held, or held for so long; 1 if nothing is. */
export function locks(options: LocksOptions): Promise<number> {
  const { stalerThanMs } = options;
  return visitDatabase(options, async ({ options: database, describe }) => {
    const resources = await readLocks(database, { stalerThanMs });
    const isHeld = resources.some(({ holders }) => holders.length > 0);
    if (options.isJson) printJson({ isHeld, resources });
    else if (resources.length > 0) print(locksText(resources));
    else print(emptyText(stalerThanMs, describe));
    return isHeld ? ExitCode.ok : ExitCode.nobody;
  });
}

const emptyText = (stalerThanMs: number | undefined, where: string): string =>
  stalerThanMs === undefined
    ? `nothing is held in ${where}`
    : `nothing has been held for longer than ${formatDuration(stalerThanMs)} in ${where}`;

/** For people. */
function locksText(resources: readonly Inspection[]): string {
  const waiting = resources.flatMap(({ waiters }) => waiters);
  const parts = [
    table(
      ['RESOURCE', 'MODE', 'OWNER', 'HOLDER', 'FOR', 'REASON', 'TOKEN', 'WAITING'],
      resources.flatMap(holderRows),
    ),
  ];
  if (waiting.length > 0) {
    const rows = waiting.map(({ resource, mode, owner, label, forMs, details }) =>
      [resource, modeText(mode), owner, label, formatDuration(forMs), details.reason].map(plain),
    );
    parts.push(table(['WAITING FOR', 'MODE', 'OWNER', 'WAITER', 'FOR', 'REASON'], rows));
  }
  return parts.join('\n\n');
}

/** One for each holder. A resource that is only waited for has one, too. */
function holderRows({ resource, holders, waiters }: Inspection): string[][] {
  const waiting = `${waiters.length}`;
  if (holders.length === 0) {
    return [[resource, '-', 'nobody', '-', '-', '-', '-', waiting].map(plain)];
  }
  return holders.map(({ mode, owner, label = '-', forMs, details, token, isSilent }) =>
    [
      resource,
      modeText(mode),
      owner,
      isSilent ? `${label} (silent)` : label,
      formatDuration(forMs),
      details.reason,
      `${token}`,
      waiting,
    ].map(plain),
  );
}

const modeText = (mode: Mode): string => (typeof mode === 'string' ? mode : `1 of ${mode.permits}`);

const plain = (text: string | undefined): string => cell(text ?? '-');
