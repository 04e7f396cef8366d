/**
 * The functions of migrations/0002_protocol.sql, as the simulated server runs them. Each `await` is
 * a place where others come in between; what stands without one happens at one instant.
 */
import { LockdError } from '../../src/core/errors.ts';
import type { Lease } from '../../src/core/machine/lease.ts';
import type { AttemptAnswer, Bid, BidAnswer, Candidate } from '../../src/core/store.ts';
import type { Backend } from './backend.ts';
import type { LeaseRow } from './database.ts';
import { waitFor } from './locks.ts';
import type { Request } from './messages.ts';
import type { Server } from './server.ts';

/** `select … from lockd.seat`: the row beside the identity of the server. */
export function leaseOf(server: Server): Lease {
  const { beatAt, ...lease } = server.database.tables.lease;
  const beatAgeMs = beatAt === undefined ? undefined : Math.round(server.wall.now() - beatAt);
  return { ...lease, beatAgeMs, server: server.database.history };
}

export async function attempt(
  server: Server,
  backend: Backend,
  { waitMs, idleMs, yieldedMs }: Extract<Request, { ask: 'attempt' }>,
): Promise<AttemptAnswer> {
  const { seat, wall } = server;
  if (seat.isHeldBy(backend)) {
    throw new LockdError('LOCKD_OCCUPIED', 'This backend already holds the seat.');
  }
  backend.idleMs = idleMs;
  const wait = waitFor(seat, backend, 'exclusive', { wall, waitMs, leaves: backend.leaves });
  const outcome = await backend.wait(wait);
  const isGranted = outcome === 'granted' || seat.isHeldBy(backend);
  await backend.pause();
  if (isGranted && yieldedMs < 1_000 && isOutranked(server, backend)) {
    seat.free(backend);
    await backend.wait(new Promise<void>((resolve) => void wall.setTimer(20, resolve)));
    return { isGranted: false, isYielded: true, lease: leaseOf(server) };
  }
  const lease = leaseOf(server);
  server.observer.attempted(backend, isGranted);
  return { isGranted, lease };
}

/** Somebody who is present goes first, but for the last leader. */
const isOutranked = (server: Server, { who: { rank } }: Backend): boolean =>
  [...server.backends].some(
    ({ purpose, who }) =>
      purpose === 'control' &&
      who.instance !== server.database.tables.lease.instance &&
      (who.rank[1] ?? 0) > (rank[1] ?? 0),
  );

export async function beat(server: Server, backend: Backend, mine: bigint): Promise<boolean> {
  await lockRow(server, backend);
  const { lease } = server.database.tables;
  if (lease.token !== mine || lease.isEnded || !server.seat.isHeldBy(backend)) {
    server.row.free(backend);
    return false;
  }
  await write(server, backend, 'durable', { beat: lease.beat + 1, beatAt: server.wall.now() });
  return true;
}

export async function takeover(
  server: Server,
  backend: Backend,
  bid: Bid,
  who: Candidate,
): Promise<BidAnswer> {
  const { seat, gate, row, wall, database } = server;
  if (!seat.isHeldBy(backend)) {
    throw new LockdError('LOCKD_UNCERTAIN', 'The seat is not held.', { isRetryable: true });
  }
  const bound = { wall, waitMs: bid.waitMs, leaves: backend.leaves };
  const undo = (): void => {
    row.free(backend);
    gate.free(backend);
  };
  const blocked = (): BidAnswer => {
    // The savepoint is rolled back first, and with it what was granted too late.
    undo();
    return { outcome: 'blocked', blockers: gate.holders.map(({ pid }) => pid) };
  };
  const gateAnswer = await backend.wait(waitFor(gate, backend, 'exclusive', bound));
  if (gateAnswer !== 'granted') return blocked();
  const rowAnswer = await backend.wait(waitFor(row, backend, 'exclusive', bound));
  if (rowAnswer !== 'granted') return blocked();
  const { lease: before, fence } = database.tables;
  if (before.token !== bid.token || before.beat !== bid.beat || before.isEnded !== bid.isEnded) {
    undo();
    return { outcome: 'changed' };
  }
  const clock = BigInt(Math.floor(wall.now()));
  const token = greatest(fence + 1n, before.token + 1n, bid.highestToken + 1n, clock);
  const lease: LeaseRow = {
    token,
    beat: 0,
    ttlMs: who.ttlMs,
    heartbeatMs: who.heartbeatMs,
    beatAt: wall.now(),
    instance: who.instance,
    label: who.label,
    isEnded: false,
    recorded: database.history,
  };
  await backend.commit({ lease, fence: token }, 'durable');
  undo();
  backend.idleMs = who.ttlMs;
  server.observer.taken(backend, token, before, who.instance);
  server.tell('taken', token, undefined);
  return { outcome: 'taken', token };
}

/** One statement of a transaction that the caller began; false when there is nothing to mark. */
async function markEnded(
  server: Server,
  backend: Backend,
  whose: bigint,
  by: 'release' | 'confession' | 'testimony',
): Promise<boolean> {
  await lockRow(server, backend);
  const { lease } = server.database.tables;
  if (lease.token !== whose || lease.isEnded) {
    server.row.free(backend);
    return false;
  }
  const kind = by === 'confession' ? 'durable' : 'asynchronous';
  await write(server, backend, kind, { isEnded: true });
  server.observer.marked(lease.token, by);
  return true;
}

export async function testify(
  server: Server,
  backend: Backend,
  whose: bigint,
  by: 'confession' | 'testimony',
  why: string,
): Promise<boolean> {
  if (await markEnded(server, backend, whose, by)) server.tell('ended', whose, why);
  const { lease } = server.database.tables;
  return lease.token !== whose || lease.isEnded;
}

export async function release(
  server: Server,
  backend: Backend,
  whose: bigint,
  why: string,
): Promise<boolean> {
  const isMarked = await markEnded(server, backend, whose, 'release');
  await backend.pause();
  const wasHeld = server.seat.free(backend);
  server.observer.unlocked(whose);
  await backend.pause();
  server.tell('released', whose, why);
  if (wasHeld) return isMarked;
  throw new LockdError('LOCKD_UNCERTAIN', 'The server warned: it did not own the lock.');
}

/** In the user's own transaction: the gate, then the row. Held until it ends. */
export async function fence(server: Server, backend: Backend, mine: bigint): Promise<void> {
  const { gate, wall } = server;
  // No lock_timeout of ours: the transaction is the user's.
  const bound = { wall, waitMs: 86_400_000, leaves: backend.leaves };
  await backend.wait(waitFor(gate, backend, 'shared', bound));
  if (server.database.tables.fence !== mine) {
    gate.free(backend);
    throw new LockdError('LOCKD_STALE_TOKEN', `token ${mine} is stale`);
  }
  backend.fencedUnder = mine;
}

export async function commitFenced(server: Server, backend: Backend): Promise<void> {
  const { fencedUnder } = backend;
  backend.fencedUnder = undefined;
  await backend.pause();
  if (fencedUnder !== undefined) server.observer.fencedCommit(fencedUnder);
  server.gate.free(backend);
}

async function lockRow({ row, wall }: Server, backend: Backend): Promise<void> {
  const bound = { wall, waitMs: 86_400_000, leaves: backend.leaves };
  await backend.wait(waitFor(row, backend, 'exclusive', bound));
}

async function write(
  { database, row }: Server,
  backend: Backend,
  kind: 'durable' | 'asynchronous',
  change: Partial<LeaseRow>,
): Promise<void> {
  const { lease, fence: fenced } = database.tables;
  await backend.commit({ lease: { ...lease, ...change }, fence: fenced }, kind);
  row.free(backend);
}

const greatest = (...values: bigint[]): bigint =>
  values.reduce((most, next) => (next > most ? next : most));
