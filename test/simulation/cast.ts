import fc from 'fast-check';
import type { HostPlan } from './host.ts';

const ttl = fc.constantFrom(10_000, 10_000, 10_000, 20_000);

/** Two or three show most of it, and four take twice as long as two. */
const several = <Value>(one: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.array(one, { minLength: 2, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(one, { minLength: 2, maxLength: 4 }) },
  );

/** Who takes part. */
export const hosts: fc.Arbitrary<HostPlan[]> = fc
  .tuple(fc.boolean(), ttl)
  .chain(([isAlike, common]) =>
    several(
      fc.record({
        ttlMs: isAlike ? fc.constant(common) : fc.constantFrom(5_000, 10_000, 20_000),
        // Healthy clocks differ by far less than the margin of 1 %.
        rate: fc.constantFrom(1, 0.996, 1.004),
        isGuarded: fc.boolean(),
        blockers: fc.constantFrom('report', 'terminate'),
        drainTimeoutMs: fc.constantFrom(25_000, 3_000),
        answerTimeoutMs: fc.constantFrom(5_000, 2_000),
      }),
    ),
  ) as fc.Arbitrary<HostPlan[]>;
