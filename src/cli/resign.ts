import { defaults } from '../core/options.ts';
import { type Resignation, resignLeader } from '../postgres/resign.ts';
import { visitDatabase } from './database.ts';
import { formatDuration } from './duration.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { cell, print, printJson } from './output.ts';

export interface ResignOptions extends CommonOptions {
  readonly isWaiting: boolean;
  /** Default: the drain timeout and the leader's TTL, after which it has gone either way. */
  readonly timeoutMs: number | undefined;
}

/** `lockd resign` */
export function resign(name: string, options: ResignOptions): Promise<number> {
  const { drainTimeoutMs = defaults.drainTimeoutMs } = options;
  const timeoutMs = (ttlMs: number): number => options.timeoutMs ?? drainTimeoutMs + ttlMs;
  return visitDatabase(options, async ({ options: database }) => {
    const resignation = await resignLeader(database, name, options.isWaiting ? { timeoutMs } : {});
    if (options.isJson) printJson({ name, ...resignation });
    else print(resignationText(name, resignation));
    return exitCodes[resignation.outcome];
  });
}

const exitCodes: Readonly<Record<Resignation['outcome'], number>> = {
  nobody: ExitCode.nobody,
  asked: ExitCode.ok,
  resigned: ExitCode.ok,
  'timed-out': ExitCode.unknown,
};

function resignationText(name: string, resignation: Resignation): string {
  const led = cell(name);
  const { outcome } = resignation;
  if (outcome === 'nobody') {
    const { leader } = resignation.status ?? {};
    if (leader === undefined) return `nobody leads ${led}: nobody ever has`;
    const age = formatDuration(leader.lastBeatAgeMs);
    return leader.state === 'silent'
      ? `nobody leads ${led}: ${cell(leader.label)} has been silent for ${age}`
      : `nobody leads ${led}`;
  }
  const asked = `${cell(resignation.asked.label)} (token ${resignation.asked.token})`;
  const deaf = resignation.isHeard ? '' : '; its control session is lost, so it may not have heard';
  if (outcome === 'asked') return `asked ${asked} to resign from ${led}${deaf}`;
  const took = formatDuration(resignation.tookMs);
  if (outcome === 'timed-out') return `${asked} has not let go of ${led} after ${took}${deaf}`;
  return `${asked} resigned from ${led} in ${took}; ${successionText(resignation.status?.leader, resignation.status?.isLed)}`;
}

const successionText = (
  leader: { label: string; token: bigint } | undefined,
  isLed = false,
): string =>
  leader !== undefined && isLed
    ? `${cell(leader.label)} leads now (token ${leader.token})`
    : 'nobody leads now';
