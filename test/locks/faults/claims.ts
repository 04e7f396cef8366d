import type { Line, Worker } from './worker.ts';

export type Claim = Required<Pick<Line, 'resource' | 'from' | 'until' | 'token'>>;

/** What processes have said that they had, and from when until when they said so of themselves. */
export const claimsOf = (workers: readonly Worker[]): Claim[] =>
  workers.flatMap((worker) => worker.of('had') as Claim[]);

/** Claims that began before the last one had ended, or under a token that was not greater. */
export function overlaps(claims: readonly Claim[]): string[] {
  const found: string[] = [];
  const last = new Map<string, Claim>();
  for (const claim of [...claims].sort((one, other) => one.from - other.from)) {
    const before = last.get(claim.resource);
    if (before !== undefined) {
      if (claim.from < before.until)
        found.push(`${claim.resource} was had twice: ${JSON.stringify([before, claim])}`);
      if (BigInt(claim.token) <= BigInt(before.token))
        found.push(`${claim.resource}: ${before.token}, then ${claim.token}`);
    }
    last.set(claim.resource, claim);
  }
  return found;
}
