/**
 * Freeze and partition: a leader that falls silent is replaced when its lease has run out. What
 * matters besides the time is that it never claims to lead beside its successor: not while it is cut
 * off, and not when it thaws.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.js';
import { startLibrary } from './contender.js';
import { ms, summary, table } from './figures.js';
import { startProxy } from './proxy.js';

/** All rounds at once: each is some ten seconds of waiting. */
export async function silence(database, { rounds, ttlMs, isWanted, progress }) {
  const kinds = [
    { is: 'freeze', play: freeze },
    { is: 'partition', play: partition },
  ].filter(({ is }) => isWanted(is));
  if (kinds.length === 0) return undefined;
  progress(`${kinds.map(({ is }) => is).join(' and ')}: ${rounds} each at once, TTL ${ttlMs} ms`);
  const numbers = Array.from({ length: rounds }, (_, index) => index);
  return Promise.all(
    kinds.map(async ({ is, play }) => {
      const played = await Promise.all(
        numbers.map((number) => play(database, `${is}-${number}`, ttlMs)),
      );
      return {
        is,
        ttlMs,
        successor: summary(played.map(({ successorMs }) => successorMs)),
        afterTtl: summary(played.map(({ afterTtlMs }) => afterTtlMs)),
        unclaimed: summary(played.map(({ unclaimedMs }) => unclaimedMs)),
        claims: played.reduce((sum, { claims }) => sum + claims, 0),
      };
    }),
  );
}

async function freeze(database, name, ttlMs) {
  const pair = await startPair(database, name, ttlMs, database.url);
  const at = now();
  pair.leader.signal('SIGSTOP');
  const leadingAt = await pair.standby.leading();
  await pause(500 + Math.random() * 500);
  pair.leader.signal('SIGCONT');
  await pair.leader.next('passive');
  return conclude(database, name, pair, ttlMs, { at, leadingAt });
}

async function partition(database, name, ttlMs) {
  const proxy = await startProxy(database.url);
  const pair = await startPair(database, name, ttlMs, proxy.url);
  const at = now();
  proxy.cut();
  const leadingAt = await pair.standby.leading();
  await pause(1_000);
  const concluded = await conclude(database, name, pair, ttlMs, { at, leadingAt });
  proxy.close();
  return concluded;
}

async function startPair(database, name, ttlMs, leaderUrl) {
  const options = { name, ttlMs, isSampling: true };
  const leader = startLibrary({ ...options, connectionString: leaderUrl, label: 'leader' });
  await leader.leading();
  const standby = startLibrary({ ...options, connectionString: database.url, label: 'standby' });
  await standby.next('ready');
  await pause(500 + Math.random() * (ttlMs / 5));
  return { leader, standby };
}

async function conclude(database, name, { leader, standby }, ttlMs, { at, leadingAt }) {
  const [claims, lastClaimAt] = await leader.ask(`claims ${leadingAt}`);
  // What the lease's own clock says: from the last beat of the old leader to the new term.
  const [{ gap_ms }] = await database.rows(
    `select gap_ms from lockd.term t join lockd.lock l on l.id = t.lock_id
     where l.name = $1 order by token desc limit 1`,
    [name],
  );
  await Promise.all([leader.end(), standby.end()]);
  return {
    successorMs: leadingAt - at,
    afterTtlMs: Number(gap_ms) - ttlMs,
    unclaimedMs: leadingAt - lastClaimAt,
    claims,
  };
}

export const silenceText = (measured) =>
  table(
    [
      'event → ACTIVE, ms',
      'n',
      'TTL',
      'min',
      'median',
      'max',
      'after the TTL',
      'nobody claims',
      'stale claims',
    ],
    measured.map(({ is, ttlMs, successor, afterTtl, unclaimed, claims }) => [
      `${is}: library`,
      successor.n,
      ttlMs,
      ms(successor.min),
      ms(successor.median),
      ms(successor.max),
      `+${ms(afterTtl.median)}`,
      ms(unclaimed.median),
      claims,
    ]),
  );
