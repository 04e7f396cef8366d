import fc from 'fast-check';
import type { Lease } from '../../../src/core/machine/lease.ts';
import type { Bid, Notice } from '../../../src/core/store.ts';

/** Sessions that campaign come first, then those of fenced transactions. */
export const campaigners = 3;
export const writers = 2;

/** Whoever was granted the seat last. */
export const holder = -1;

type Token = 'current' | 'previous';

/** One call of a trace. Whom and what it means exactly depends on what happened before. */
export type Step = { readonly session: number } & (
  | { readonly do: 'attempt'; readonly isPatient: boolean }
  | { readonly do: 'read' | 'commit' | 'kill' }
  | {
      readonly do: 'takeover';
      readonly bid: 'right' | 'old token' | 'old beat' | 'other end' | 'high';
    }
  | {
      readonly do: 'beat' | 'release' | 'confession' | 'testimony' | 'fence';
      readonly token: Token;
    }
);

/** A call with its values, as one side is asked it. */
export type Call =
  | { readonly do: 'attempt'; readonly waitMs: number }
  | { readonly do: 'read' | 'commit' }
  | { readonly do: 'takeover'; readonly bid: Bid }
  | {
      readonly do: 'beat' | 'release' | 'confession' | 'testimony' | 'fence';
      readonly token: bigint;
    };

/** A server as a trace sees it: the simulated one or a real one. */
export interface Side {
  ask(session: number, call: Call): Promise<unknown>;
  /** The session ends without a word, and is made anew. */
  kill(session: number): Promise<void>;
  /** Everything that can happen has happened; `waiting` calls stand in a queue. */
  settle(waiting: number): Promise<void>;
  lease(): Promise<Lease>;
  /** Which session a backend is. */
  sessionOf(pid: number): number;
  readonly notices: readonly Notice[];
}

const patienceMs = 600_000;
const impatienceMs = 20;

export function callOf(step: Step, lease: Lease, previous: bigint): Call | undefined {
  switch (step.do) {
    case 'attempt':
      return { do: 'attempt', waitMs: step.isPatient ? patienceMs : impatienceMs };
    case 'takeover':
      return { do: 'takeover', bid: bidOf(step.bid, lease, previous) };
    case 'read':
    case 'commit':
      return { do: step.do };
    case 'kill':
      return undefined;
    default:
      return { do: step.do, token: step.token === 'current' ? lease.token : previous };
  }
}

function bidOf(kind: string, lease: Lease, previous: bigint): Bid {
  const { token, beat, isEnded } = lease;
  const right: Bid = { token, beat, isEnded, highestToken: token, waitMs: patienceMs };
  if (kind === 'old token') return { ...right, token: previous };
  if (kind === 'old beat') return { ...right, beat: beat - 1 };
  if (kind === 'other end') return { ...right, isEnded: !isEnded };
  if (kind === 'high') return { ...right, highestToken: token + 1_000_000_000_000n };
  return { ...right, waitMs: impatienceMs };
}

const token = fc.constantFrom<Token>('current', 'current', 'previous');
const campaigner = fc.integer({ min: 0, max: campaigners - 1 });
const writer = fc.integer({ min: campaigners, max: campaigners + writers - 1 });
const mostlyHolder = fc.oneof({ weight: 4, arbitrary: fc.constant(holder) }, campaigner);
const anybody = fc.integer({ min: 0, max: campaigners + writers - 1 });

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      session: campaigner,
      do: fc.constant('attempt'),
      isPatient: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      session: mostlyHolder,
      do: fc.constant('takeover'),
      bid: fc.constantFrom('right', 'right', 'right', 'old token', 'old beat', 'other end', 'high'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      session: mostlyHolder,
      do: fc.constantFrom('beat', 'beat', 'release'),
      token,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      session: campaigner,
      do: fc.constantFrom('confession', 'testimony'),
      token,
    }),
  },
  { weight: 1, arbitrary: fc.record({ session: campaigner, do: fc.constant('read') }) },
  { weight: 1, arbitrary: fc.record({ session: anybody, do: fc.constant('kill') }) },
  { weight: 3, arbitrary: fc.record({ session: writer, do: fc.constant('fence'), token }) },
  { weight: 3, arbitrary: fc.record({ session: writer, do: fc.constant('commit') }) },
) as fc.Arbitrary<Step>;

export const traces: fc.Arbitrary<Step[]> = fc.array(step, {
  minLength: 10,
  maxLength: 40,
  size: 'max',
});
