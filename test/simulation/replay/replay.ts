import fc from 'fast-check';
import { Tally } from '../tally.ts';
import { difference } from './compare.ts';
import { RealSide } from './real.ts';
import { SimulatedSide } from './simulated.ts';
import { traces } from './trace.ts';

export interface Replayed {
  readonly tally: Tally;
  /** The first difference of the shortest trace that has one. */
  readonly difference: string | undefined;
}

let names = 0;

/** Plays traces on the simulated server and on the real one. */
export async function replay(url: string, runs: number, seed: number): Promise<Replayed> {
  const tally = new Tally();
  const property = fc.asyncProperty(traces, async (trace) => {
    names += 1;
    const simulated = await new SimulatedSide().open();
    const real = new RealSide(url, `name ${names}`);
    try {
      await real.open();
      const found = await difference(trace, simulated, real, tally);
      if (found !== undefined) throw new Error(found);
    } finally {
      real.close();
    }
  });
  const details = await fc.check(property, { numRuns: runs, seed });
  const { errorInstance } = details;
  return { tally, difference: details.failed ? String(errorInstance) : undefined };
}
