/** How long an answer takes, and whether the clocks agree. */
import type { Session } from '../session.ts';
import { type Check, note, ok, type Told, warning } from './finding.ts';
import type { Visit } from './visit.ts';

const rounds = 10;

const roundTrip: Check = {
  name: 'round-trip',
  async look(visit) {
    const session = await visit.session();
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      times.push(await timed(() => session.bounded('select 1')));
    }
    return judged('Answers', times, visit);
  },
};

/** What a beat may take is a part of the time between two: three in a row may be lost, and no more. */
export function judged(what: string, times: readonly number[], visit: Visit): Told {
  const { heartbeatMs } = visit.patient.candidate;
  const sorted = times.toSorted((one, other) => one - other);
  const median = sorted[Math.floor(sorted.length / 2)] as number;
  const slowest = sorted.at(-1) as number;
  const message = `${what} take ${shown(median)} ms, the slowest of ${times.length} took ${shown(slowest)} ms; a beat is due every ${heartbeatMs} ms.`;
  if (slowest <= heartbeatMs / 4) return ok(message);
  const ttl = Math.ceil((slowest * 4 * 5) / 1_000);
  return warning(
    message,
    `Run the instances nearer to the server, or raise their TTL: --ttl ${ttl}s or more.`,
  );
}

const shown = (ms: number): string => (ms < 10 ? ms.toFixed(1) : ms.toFixed(0));

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Beyond this people who read two logs side by side are led astray. */
const noticedMs = 1_000;

const clock: Check = {
  name: 'clock',
  async look(visit) {
    const looks = await visit.undone(async (session) => [
      await compared(session),
      await compared(session),
      await compared(session),
    ]);
    const [best] = looks.sort((one, other) => one.uncertainMs - other.uncertainMs);
    const { aheadMs, uncertainMs } = best as Comparison;
    const way = aheadMs < 0 ? 'behind' : 'ahead of';
    const message = `The server’s clock is ${Math.abs(aheadMs).toFixed(0)} ms ${way} ours, give or take ${Math.ceil(uncertainMs)} ms.`;
    if (Math.abs(aheadMs) - uncertainMs <= noticedMs) return ok(message);
    return note(
      message,
      'Keep both by NTP (`chronyc tracking`). Leases are counted by the server’s clock alone, but times in logs will not match.',
    );
  },
};

interface Comparison {
  readonly aheadMs: number;
  readonly uncertainMs: number;
}

/** The server reads its clock somewhere between the question and the answer. */
async function compared(session: Session): Promise<Comparison> {
  const askedAt = Date.now();
  const startedAt = performance.now();
  const { rows } = await session.bounded(
    'select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms',
  );
  const uncertainMs = (performance.now() - startedAt) / 2;
  return { aheadMs: rows[0].now_ms - (askedAt + uncertainMs), uncertainMs };
}

export const timeChecks: readonly Check[] = [roundTrip, clock];
