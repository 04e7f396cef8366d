import { hostname, userInfo } from 'node:os';
import type { Forced, Holding } from '../index.ts';
import { releaseLock } from '../postgres/read-locks.ts';
import { visitDatabase } from './database.ts';
import { formatDuration } from './duration.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { cell, print, printJson } from './output.ts';

export interface UnlockOptions extends CommonOptions {
  readonly by: string | undefined;
  readonly reason: string;
  readonly graceMs: number | undefined;
}

/** `lockd unlock` */
export function unlock(resource: string, options: UnlockOptions): Promise<number> {
  const { by = whoAsks(), reason, graceMs } = options;
  return visitDatabase(options, async ({ options: database }) => {
    const forced = await releaseLock(database, resource, { by, reason, graceMs });
    const { released, taken } = forced;
    const isNobody = released.length + taken.length === 0;
    if (options.isJson) printJson({ resource, by, reason, released, taken });
    else print(isNobody ? `nobody holds ${cell(resource)}` : forcedText(resource, forced));
    return isNobody ? ExitCode.nobody : ExitCode.ok;
  });
}

/** One line for each of those who were asked. */
const forcedText = (resource: string, { released, taken }: Forced): string =>
  [
    ...released.map((hold) => `asked ${whose(hold)} to let go of ${cell(resource)}: it has`),
    ...taken.map(
      (hold) =>
        `asked ${whose(hold)} to let go of ${cell(resource)}: it has not, and it was taken away`,
    ),
  ].join('\n');

function whose({ owner, label, token, forMs }: Holding): string {
  const process = label === undefined ? '' : ` of ${cell(label)}`;
  return `${cell(owner)}${process} (token ${token}, held for ${formatDuration(forMs)})`;
}

function whoAsks(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return hostname(); // a user that this machine does not know: a container's, say
  }
}
