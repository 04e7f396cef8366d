/** What fast-check draws and shrinks: who takes part, in which weather, and what goes wrong when. */
import fc from 'fast-check';
import { hosts } from './cast.ts';
import { type Cue, finales } from './finale.ts';
import type { HostPlan } from './host.ts';
import type { Moment } from './invariants.ts';
import type { Direction, Scope, Weather } from './network.ts';

/** Durations in thousandths of the TTL, so that a schedule reads alike for each of them. */
type Parts = number;

/** Who it happens to: whoever leads then, whoever the awaited moment was about, or one by number. */
export type Target = 'leader' | 'it' | number;

export type What =
  | { readonly is: 'freeze' | 'block' | 'suspend'; readonly for: Parts }
  | { readonly is: 'kill'; readonly whom: 'process' | 'machine' | 'guard'; readonly for: Parts }
  | {
      readonly is: 'cut';
      readonly scope: Scope;
      readonly direction: Direction;
      readonly for: Parts;
    }
  /** An asymmetric route that flaps: first one way, then the other. */
  | {
      readonly is: 'flap';
      readonly scope: Scope;
      readonly first: 'up' | 'down';
      readonly for: Parts;
      readonly next: Parts;
    }
  | {
      readonly is: 'reset';
      readonly scope: Scope;
      readonly tells: 'both' | 'client' | 'server' | 'nobody';
    }
  | { readonly is: 'terminate' | 'freeze-backend'; readonly scope: Scope; readonly for: Parts }
  | { readonly is: 'restart' | 'shutdown' | 'stall' | 'uncertain'; readonly for: Parts }
  /** Silent, its machine lost power: nobody is told that the connections are gone. */
  | { readonly is: 'crash'; readonly for: Parts; readonly isSilent: boolean }
  | { readonly is: 'promote'; readonly lag: Parts; readonly for: Parts; readonly isSilent: boolean }
  /** Older rows come back under another system identifier or lock class: a dump, put back. */
  | {
      readonly is: 'restore';
      readonly into: 'other-cluster' | 'other-tables';
      readonly lag: Parts;
      readonly for: Parts;
      readonly isSilent: boolean;
    }
  | { readonly is: 'step-clock'; readonly by: Parts }
  | { readonly is: 'stop' | 'resign'; readonly isForced: boolean; readonly for: Parts }
  | { readonly is: 'stubborn'; readonly for: Parts }
  /** Anybody may notify: told again and again, and not true. */
  | {
      readonly is: 'rumour';
      readonly kind: 'resign' | 'ended' | 'released';
      readonly for: Parts;
    };

export interface Fault {
  /** When it is armed, from the start. */
  readonly at: Parts;
  /** It strikes at the next such moment, or at once. */
  readonly on: Moment | 'now';
  /** How many ms after it. */
  readonly delayMs: number;
  readonly who: Target;
  readonly what: What;
}

export interface Schedule {
  readonly luck: number;
  readonly hosts: readonly HostPlan[];
  readonly weather: Weather;
  readonly flushMs: number;
  readonly faults: readonly Fault[];
  readonly finale: readonly Cue[];
}

/** How long faults strike, in thousandths of the longest TTL. */
export const stormParts = 4_000;

const parts = (most: number): fc.Arbitrary<Parts> => fc.integer({ min: 5, max: most });

/** Around the sizes that matter: within a lease, about one, more than one. */
const silence: fc.Arbitrary<Parts> = fc.oneof(parts(300), parts(1_000), parts(2_500));

const scope = fc.constantFrom<Scope>('seat', 'seat', 'control', 'all');

const isOften = fc.constantFrom(true, false, false);

const calamities: fc.Arbitrary<What> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ is: fc.constant('freeze'), for: silence }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('block'), for: silence }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('suspend'), for: silence }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('kill'),
      whom: fc.constantFrom('process', 'process', 'machine', 'guard'),
      for: silence,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('cut'),
      scope,
      direction: fc.constantFrom('both', 'up', 'down'),
      for: silence,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('reset'),
      scope,
      tells: fc.constantFrom('both', 'client', 'server', 'nobody'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('terminate'), scope, for: silence }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('freeze-backend'), scope, for: silence }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constantFrom('restart', 'shutdown', 'stall', 'uncertain'),
      for: parts(400),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ is: fc.constant('crash'), for: parts(200), isSilent: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('flap'),
      scope,
      first: fc.constantFrom('up', 'down', 'down'),
      for: parts(900),
      next: silence,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('promote'),
      lag: parts(1_500),
      for: parts(300),
      isSilent: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('restore'),
      into: fc.constantFrom('other-cluster', 'other-tables'),
      lag: parts(1_500),
      for: parts(300),
      isSilent: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant('step-clock'),
      by: fc.oneof(fc.integer({ min: -1_000, max: -10 }), parts(20_000)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constantFrom('stop', 'resign'),
      isForced: isOften,
      for: parts(500),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('stubborn'), for: parts(2_500) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('rumour'),
      kind: fc.constantFrom('resign', 'ended', 'ended', 'released'),
      for: parts(3_000),
    }),
  },
) as fc.Arbitrary<What>;

const moments: readonly Moment[] = [
  'attempt',
  'granted',
  'takeover',
  'taken',
  'beat',
  'release',
  'marked',
  'unlocked',
  'active',
  'passive',
  'fence',
];

const fault: fc.Arbitrary<Fault> = fc.record({
  at: fc.integer({ min: 100, max: stormParts }),
  on: fc.oneof(fc.constant('now' as const), fc.constantFrom(...moments)),
  delayMs: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: 20 }),
    fc.integer({ max: 2_000, min: 0 }),
  ),
  who: fc.oneof(
    fc.constant('leader' as const),
    fc.constant('it' as const),
    fc.integer({ min: 0, max: 3 }),
  ),
  what: calamities,
});

const drawn: fc.Arbitrary<Schedule> = fc.record({
  luck: fc.noShrink(fc.integer()),
  hosts,
  weather: fc.record({
    latencyMs: fc.constantFrom(0.5, 1, 20),
    spikeChance: fc.constantFrom(0, 0, 0.02, 0.1),
    spikeMs: fc.constantFrom(50, 3_000, 12_000),
  }),
  flushMs: fc.constantFrom(1, 1, 20),
  faults: fc.array(fault, { minLength: 0, maxLength: 9, size: 'max' }),
  finale: finales,
});

/** Where writes are lost, the promises ask for more, as README.md says. */
export const schedules: fc.Arbitrary<Schedule> = drawn.map((schedule) => {
  const isLossy = schedule.faults.some(({ what }) => ['promote', 'restore'].includes(what.is));
  if (!isLossy && !schedule.finale.some(({ is }) => is === 'snapshot restore')) return schedule;
  // One that loses a takeover wants everybody to use one TTL,
  const ttlMs = Math.max(...schedule.hosts.map((host) => host.ttlMs));
  const hosts = schedule.hosts.map((host) => ({ ...host, ttlMs }));
  if (!isLossy) return { ...schedule, hosts };
  // and tokens that grow want clocks that agree to within a TTL: all steps back together are less.
  const faults = schedule.faults.map((fault) =>
    fault.what.is === 'step-clock'
      ? { ...fault, what: { ...fault.what, by: Math.max(fault.what.by, -90) } }
      : fault,
  );
  return { ...schedule, hosts, faults };
});
