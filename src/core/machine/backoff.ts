import type { Lease } from './lease.ts';
import type { Rules } from './rules.ts';

/** How far past the moment a beat is due a standby looks for it: late enough that it is there. */
export const beatSlackMs = (heartbeatMs: number): number =>
  Math.min(100, Math.max(20, heartbeatMs / 10));

/**
 * How long the next attempt stands in the server's queue. Waits grow from `firstWaitMs` to
 * `maxWaitMs`; they are cut into equal parts so that one of them ends just after the leader's next
 * beat is due, and so a standby has seen every beat without asking more often.
 */
export function attemptWaitMs(
  attempt: number,
  lease: Lease | undefined,
  rules: Rules,
  random: number,
): number {
  const grownMs = Math.min(
    rules.maxWaitMs,
    rules.firstWaitMs * rules.waitFactor ** Math.min(attempt - 1, 50),
  );
  const slackMs = beatSlackMs(lease?.heartbeatMs ?? 0) * (0.75 + random / 4);
  const dueInMs =
    lease?.beatAgeMs === undefined || lease.isEnded
      ? 0
      : lease.heartbeatMs + slackMs - lease.beatAgeMs;
  const jitteredMs = grownMs * (0.75 + random / 4);
  if (dueInMs <= 0) return Math.ceil(jitteredMs);
  const parts = Math.max(1, Math.ceil((dueInMs - slackMs) / grownMs));
  return Math.max(1, Math.ceil(dueInMs / parts));
}

/** Full jitter: after a restart everybody reconnects at once, and must not do so together. */
export const reconnectWaitMs = (failures: number, maxMs: number, random: number): number =>
  random * Math.min(maxMs, 50 * 2 ** Math.min(failures - 1, 20));
