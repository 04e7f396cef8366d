/** What fast-check draws and shrinks: which processes take part, and what goes wrong when. */
import fc from 'fast-check';

export interface ProcessPlan {
  readonly ttlMs: number;
  /** How fast its clocks run. */
  readonly rate: number;
  /** How many of its workers take holds at the same time. */
  readonly lanes: number;
}

export type What =
  | { readonly is: 'freeze' | 'block' | 'cut' | 'lose-answers' | 'slow'; readonly forMs: number }
  | { readonly is: 'kill'; readonly isMachine: boolean; readonly forMs: number }
  | { readonly is: 'terminate'; readonly kind: 'seat' | 'control' | 'work' | undefined }
  /** Blocked, and without its sessions, or its server without what was held. */
  | { readonly is: 'strand'; readonly by: 'terminate' | 'crash'; readonly forMs: number }
  | { readonly is: 'restart' | 'crash' | 'cancel' | 'force' | 'lose-news' }
  | { readonly is: 'down'; readonly forMs: number };

export interface Fault {
  readonly at: number;
  /** Which process, by number; what strikes the server strikes all. */
  readonly who: number;
  readonly what: What;
}

export interface Schedule {
  readonly luck: number;
  readonly processes: readonly ProcessPlan[];
  readonly faults: readonly Fault[];
}

export const stormMs = 4_000;

const forMs = fc.oneof(fc.integer({ min: 5, max: 400 }), fc.integer({ min: 400, max: 3_000 }));

const process: fc.Arbitrary<ProcessPlan> = fc.record({
  ttlMs: fc.constantFrom(1_000, 1_500, 2_000),
  rate: fc.constantFrom(1, 0.999, 1.001),
  lanes: fc.integer({ min: 2, max: 3 }),
});

const what: fc.Arbitrary<What> = fc.oneof(
  fc.record({ is: fc.constantFrom('freeze' as const, 'block' as const), forMs }),
  fc.record({
    is: fc.constant('strand' as const),
    by: fc.constantFrom('terminate' as const, 'crash' as const),
    forMs: fc.integer({ min: 400, max: 3_500 }),
  }),
  fc.record({
    is: fc.constantFrom('cut' as const, 'lose-answers' as const, 'slow' as const),
    forMs,
  }),
  fc.record({ is: fc.constant('kill' as const), isMachine: fc.boolean(), forMs }),
  fc.record({
    is: fc.constant('terminate' as const),
    kind: fc.constantFrom('seat' as const, 'control' as const, 'work' as const, undefined),
  }),
  fc.record({
    is: fc.constantFrom(
      'restart' as const,
      'crash' as const,
      'cancel' as const,
      'force' as const,
      'lose-news' as const,
    ),
  }),
  fc.record({ is: fc.constantFrom('crash' as const, 'cancel' as const) }),
  fc.record({ is: fc.constant('down' as const), forMs }),
);

export const schedules: fc.Arbitrary<Schedule> = fc.record({
  luck: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  processes: fc.array(process, { minLength: 2, maxLength: 3 }),
  faults: fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: stormMs }),
      who: fc.integer({ min: 0, max: 2 }),
      what,
    }),
    { maxLength: 7 },
  ),
});
