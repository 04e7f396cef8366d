import { expect, test } from 'vitest';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { openWorkshop } from '../support/workshop.ts';

const ttlMs = 2_000;
const patient = ['--grace', '60s'];

test.concurrent('sessions ended by an administrator: the command is ended, and runs again, sooner than a lease', async () => {
  await using shop = await openWorkshop(20_000);
  const run = shop.run('only');
  const old = await run.leads();
  const endedAt = now();
  await query(
    shop.url,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'lockd:%' and datname = current_database()`,
  );
  const next = await run.leads();
  expect(next.at - endedAt).toBeLessThan(8_000);
  expect(BigInt(next.token)).toBeGreaterThan(BigInt(old.token));
  expect(shop.claims({ token: old.token, kind: 'SIGTERM' })).toHaveLength(1);
  // By its confession, or by its own next term where that was quicker.
  expect((await shop.terms())[0]?.ended_by).toMatch(/confession|takeover/);
});

test.concurrent('a network that swallows everything: the command is ended before the lease, another runs, this one stands by', async () => {
  await using shop = await openWorkshop(ttlMs);
  await using proxy = await startProxy(shop.url);
  const first = shop.run('first', {}, { url: proxy.url() });
  await first.leads();
  const second = shop.run('second');
  await second.standsBy();
  proxy.blackhole();
  const leaseEnd = await shop.leaseEnd();
  const next = await second.leads();
  expect(shop.lastClaim({ label: 'first' })).toBeLessThan(leaseEnd);
  expect(next.at).toBeLessThan(leaseEnd + 10_000);
  proxy.heal();
  await first.process.line(/observed a leader/, 15_000);
  second.process.signal('SIGTERM');
  await first.leads();
  expect(first.logged('killed the command')).toBe(false);
});

test.concurrent('cut off, with a command that ignores TERM: it is killed before the lease ends, and lockd lives on', async () => {
  await using shop = await openWorkshop(ttlMs);
  await using proxy = await startProxy(shop.url);
  const below = { finishMs: 'never' } as const;
  const first = shop.run(
    'first',
    { finishMs: 'never', below },
    { url: proxy.url(), flags: patient },
  );
  const old = await first.leads();
  await shop.claimed({ who: 'grandchild' });
  proxy.blackhole();
  const leaseEnd = await shop.leaseEnd();
  await first.process.line(/became passive/);
  await first.process.line(/drained/);
  expect(shop.lastClaim()).toBeLessThan(leaseEnd);
  // Its own doing: the guard, which would do it a moment later, has no need to.
  expect(first.process.stderr.join()).toMatch(/"process":"supervisor"[^}]*killed the command/);
  proxy.heal();
  const next = await first.leads();
  expect(BigInt(next.token)).toBeGreaterThan(BigInt(old.token));
});

test.concurrent('both sessions ended by the server while the leader hears nothing: the successor waits', async () => {
  await using shop = await openWorkshop(ttlMs);
  await using proxy = await startProxy(shop.url);
  const first = shop.run('first', { finishMs: 'never' }, { url: proxy.url(), flags: patient });
  await first.leads();
  const second = shop.run('second');
  await second.standsBy();
  proxy.blackhole();
  proxy.resetServerSide();
  const leaseEnd = await shop.leaseEnd();
  await second.process.line(/won the seat, waits for the old lease/);
  const next = await second.leads();
  expect(shop.lastClaim({ label: 'first' })).toBeLessThan(leaseEnd);
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
});

test.concurrent.each(['fast', 'immediate'] as const)(
  'a server that stops (%s): the command is ended in time, and runs again when the server is back',
  async (mode) => {
    await using cluster = await startTestCluster();
    await using shop = await openWorkshop(ttlMs, cluster.url());
    const run = shop.run('only', { finishMs: 200 });
    const old = await run.leads();
    const leaseEnd = await shop.leaseEnd();
    await cluster.stop(mode);
    await shop.claimed({ token: old.token, kind: 'SIGTERM' });
    await run.process.line(/drained/);
    expect(shop.lastClaim()).toBeLessThan(leaseEnd + ttlMs / 5 + 100); // a beat may have come since
    await cluster.start();
    const next = await run.leads();
    expect(BigInt(next.token)).toBeGreaterThan(BigInt(old.token));
  },
);
