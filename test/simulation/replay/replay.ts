import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { Tally } from '../tally.ts';
import { difference } from './compare.ts';
import { RealSide } from './real.ts';
import { SimulatedSide } from './simulated.ts';
import { traces } from './trace.ts';

export interface Replayed {
  readonly tally: Tally;
  /** The first difference of the shortest trace that has one, or of the first where none is shrunk. */
  readonly difference: string | undefined;
}

/** Plays traces on the simulated server and on the real one. */
export async function replay(
  url: string,
  { runs, seed, isShrunk }: { runs: number; seed: number; isShrunk: boolean },
): Promise<Replayed> {
  const tally = new Tally();
  const property = fc.asyncProperty(traces, async (trace) => {
    const simulated = await new SimulatedSide().open();
    const real = new RealSide(url, `name ${randomUUID()}`);
    try {
      await real.open();
      const found = await difference(trace, simulated, real, tally);
      if (found !== undefined) throw new Error(found);
    } finally {
      real.close();
    }
  });
  const details = await fc.check(property, {
    numRuns: runs,
    seed,
    endOnFailure: !isShrunk,
  });
  const { errorInstance } = details;
  return { tally, difference: details.failed ? String(errorInstance) : undefined };
}
