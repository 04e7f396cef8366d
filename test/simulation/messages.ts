import type { LockdError } from '../../src/core/errors.ts';
import type { Bid, Candidate, Notice } from '../../src/core/store.ts';

/** What a session is for. A witness testifies and does not listen; work is the host's own. */
export type Purpose = 'seat' | 'control' | 'witness' | 'probe' | 'work';

export type Request =
  | { readonly ask: 'connect'; readonly purpose: Purpose; readonly who: Candidate }
  | {
      readonly ask: 'attempt';
      readonly waitMs: number;
      readonly idleMs: number;
      readonly yieldedMs: number;
    }
  | { readonly ask: 'read' }
  | { readonly ask: 'takeover'; readonly bid: Bid; readonly who: Candidate }
  | { readonly ask: 'beat'; readonly token: bigint }
  | { readonly ask: 'release'; readonly token: bigint; readonly reason: string }
  | { readonly ask: 'terminate-blockers' }
  | {
      readonly ask: 'testify';
      readonly token: bigint;
      readonly by: 'confession' | 'testimony';
      readonly reason: string;
    }
  | { readonly ask: 'fence'; readonly token: bigint }
  | { readonly ask: 'commit' }
  | { readonly ask: 'goodbye' };

export type Message =
  | { readonly is: 'answer'; readonly value: unknown }
  | { readonly is: 'refusal'; readonly error: LockdError }
  | { readonly is: 'notice'; readonly notice: Notice };
