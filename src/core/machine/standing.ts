/** What the machine's state says about itself, for people and programs that look. It decides nothing. */
import type { Instant } from '../clock.ts';
import type { Lease } from './lease.ts';
import type { State } from './protocol.ts';

/** A leader whose beats are seen, and until when (monotonic) it is believed to lead without another. */
export interface Seen {
  readonly token: bigint;
  readonly instance: string | undefined;
  readonly label: string | undefined;
  readonly until: number;
}

/** What a lease row, learned of at `at`, says of who leads. */
export const seenIn = (lease: Lease, at: number): Seen | undefined =>
  lease.isEnded || lease.token === 0n
    ? undefined
    : {
        token: lease.token,
        instance: lease.instance,
        label: lease.label,
        until: at + lease.ttlMs,
      };

/** The lease that is held, while it is: also while work is finishing. */
export function tenureOf(
  { phase }: State,
  now: Instant,
): { readonly token: bigint; readonly lastBeatAgeMs: number | undefined } | undefined {
  if (phase.is !== 'active' && phase.is !== 'draining' && phase.is !== 'releasing') {
    return undefined;
  }
  const { token, trusted } = phase;
  const isLost = phase.is === 'draining' && !phase.isSeated;
  const ageMs = Math.max(now.mono - trusted.mono, now.boot - trusted.boot);
  return { token, lastBeatAgeMs: isLost ? undefined : ageMs };
}

/** It has a session to campaign or to lead with. */
export function isConnected({ phase }: State): boolean {
  switch (phase.is) {
    case 'stopped':
    case 'cooling':
    case 'connecting':
      return false;
    case 'draining':
      return phase.isSeated;
    default:
      return true;
  }
}

/** Somebody else who leads, while its beats are seen. */
export const knownLeader = ({ seen }: State, now: Instant): Seen | undefined =>
  seen !== undefined && now.mono < seen.until ? seen : undefined;
