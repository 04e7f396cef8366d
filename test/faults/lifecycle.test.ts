import { expect, test } from 'vitest';
import { Luck } from '../simulation/luck.ts';
import { query } from '../support/database.ts';
import { holdElection, terminate } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const stopped = { code: 'LOCKD_STOPPED' };

test('start() twice is one start: one watcher, one seat session, one control session', async () => {
  await using election = await holdElection();
  const { controller, story } = election.enter('only');
  const first = controller.start();
  expect(controller.start()).toBe(first);
  await first;
  await controller.start();
  await story.next('active');
  await controller.start();
  const sessions = await query(
    election.url,
    `select count(*)::int as count from pg_stat_activity where application_name like 'lockd:%'
     and datname = current_database()`,
  );
  expect(sessions).toEqual([{ count: 2 }]);
});

test('stop() twice is one stop, and stopping what never started is nothing', async () => {
  await using election = await holdElection();
  const { controller, story } = election.enter('only');
  await controller.stop();
  await controller.start();
  await Promise.all([controller.stop(), controller.stop()]);
  await controller.stop();
  expect(story.of('stopped')).toHaveLength(1);
  expect(controller.state).toBe('stopped');
});

test('a controller that was stopped can be started again, and start() waits for the stop', async () => {
  await using election = await holdElection();
  const { controller, story } = await election.lead('only');
  const stop = controller.stop();
  const start = controller.start();
  await stop;
  await start;
  await until(() => controller.isActive());
  expect(story.all.map(({ what }) => what).filter((what) => what !== 'attempt')).toEqual([
    'active',
    'passive',
    'stopped',
    'active',
  ]);
});

// Each of these is answered by one of the statements with which a session is made, or comes later.
const steps: readonly [step: string, said: string][] = [
  ['connecting', 'SELECT'],
  ['the first check', 'server_version_num'],
  ['the check of the schema', 'to_regclass'],
  ['the pinning of settings', 'set_config'],
  ['the enrolment', 'enroll'],
  ['the registration', 'register'],
  ['the listening', 'listen'],
  ['the first attempt', 'attempt('],
  ['the takeover', 'takeover('],
];

for (const [step, said] of steps) {
  test(`stop() during ${step} settles soon, and leaves no session and no lock`, async () => {
    await using election = await holdElection({ ttlMs: 3_000 });
    await using proxy = await startProxy(election.url);
    const { controller, story } = election.enter('only', { connectionString: proxy.url() });
    const request = proxy.hold('to-server', (chunk) =>
      step === 'connecting' ? true : chunk.includes(said),
    );
    const started = controller.start();
    await request.arrived;
    const stopping = controller.stop();
    // Its first attempt may have been answered: the control session comes about at the same time.
    const told = started.catch((error) => expect(error).toMatchObject(stopped));
    const askedAt = now();
    if (step === 'the takeover') request.release(); // only its answer knows what there is to release
    await stopping;
    expect(now() - askedAt).toBeLessThan(2_000);
    await told;
    request.release();
    expect(story.of('passive')).toHaveLength(story.of('active').length);
    expect(controller.state).toBe('stopped');
  });
}

test('stop() while migrating settles, and start() is told', async () => {
  await using election = await holdElection();
  await using proxy = await startProxy(election.url);
  const { controller } = election.enter('only', { connectionString: proxy.url(), migrate: true });
  const request = proxy.hold('to-server', (chunk) => chunk.includes('pg_advisory_xact_lock'));
  const started = controller.start();
  const refused = expect(started).rejects.toMatchObject(stopped);
  await request.arrived;
  await controller.stop();
  request.release();
  await refused;
});

test('stop() while the server is away settles soon', async () => {
  await using election = await holdElection();
  await using proxy = await startProxy(election.url);
  const { controller, story } = await election.lead('only', { connectionString: proxy.url() });
  await proxy.refuse();
  proxy.cut();
  await story.next('warning');
  const askedAt = now();
  await controller.stop();
  expect(now() - askedAt).toBeLessThan(2_000);
});

for (const seed of [1, 2, 3]) {
  test(`storm ${seed} of starts, stops and lost sessions leaves one leader and no orphan`, async () => {
    await using election = await holdElection({ firstWaitMs: 20, maxWaitMs: 100 });
    const contenders = ['a', 'b', 'c'].map((label) => election.enter(label));
    const luck = new Luck(seed, 'storm');
    const pending: Promise<unknown>[] = [];
    for (let round = 0; round < 50; round += 1) {
      const { controller, label } = contenders[
        Math.floor(luck.next() * 3)
      ] as (typeof contenders)[0];
      const dice = luck.next();
      if (dice < 0.5)
        pending.push(controller.start().catch((error) => expect(error).toMatchObject(stopped)));
      else if (dice < 0.9) pending.push(controller.stop());
      else {
        const { seat } = await election.backends(label);
        if (seat !== null) await terminate(election.url, seat);
      }
      if (luck.chance(0.5)) await election.lease(); // a moment, for things to come about
    }
    await Promise.all(pending);
    await Promise.all(contenders.map(({ controller }) => controller.start()));
    await until(() => contenders.some(({ controller }) => controller.isActive()));
    expect(await election.seatHolders()).toHaveLength(1);
    for (const { story } of contenders) {
      const terms = story.all.filter(({ what }) => what === 'active' || what === 'passive');
      terms.forEach(({ what }, index) => {
        expect(what).toBe(index % 2 === 0 ? 'active' : 'passive');
      });
    }
  }, 60_000);
}
