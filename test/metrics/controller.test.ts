import { type OpenMetricsContentType, Registry, register } from 'prom-client';
import { describe, expect, test } from 'vitest';
import type { SingletonLockController } from '../../src/core/controller.ts';
import { observeController } from '../../src/metrics/index.ts';
import { FakeClock, MemoryServer, testController } from '../../src/testing/index.ts';
import { deferred } from '../support/wait.ts';
import { scraped } from './scraped.ts';

const ttlMs = 5_000;

/** Two instances of one name, each with a registry as its process would have. */
function pair() {
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const instance = (name = 'led') => {
    const controller = testController({ server, name, ttlMs });
    const registry = new Registry();
    const observed = observeController(controller, { registry });
    const read = () => scraped(registry);
    return { controller, registry, observed, read };
  };
  return { clock, server, instance };
}

const stopAll = (clock: FakeClock, ...all: SingletonLockController[]): Promise<unknown> =>
  clock.until(Promise.all(all.map((each) => each.stop())));

describe('what a scrape says', () => {
  test('of a leader and a standby it is what each knows of itself', async () => {
    const { clock, instance } = pair();
    const [one, two] = [instance(), instance()];
    await one.controller.start();
    await clock.until(two.controller.start());
    const { token } = await one.controller.whenActive();
    const led = await one.read();
    expect(led).toMatchObject({
      'lockd_is_leader{name="led"}': 1,
      'lockd_leader_known{name="led"}': 1,
      'lockd_token{name="led"}': Number(token),
      'lockd_ttl_seconds{name="led"}': 5,
      'lockd_connected{name="led"}': 1,
      'lockd_failures{name="led"}': 0,
      'lockd_drain_overdue{name="led"}': 0,
      'lockd_transitions_total{name="led",to="active",reason="elected"}': 1,
      'lockd_leaderless_seconds_count{name="led"}': 0,
    });
    expect(led['lockd_lease_remaining_seconds{name="led"}']).toBe(
      one.controller.standing().validForMs / 1_000,
    );
    const standby = await two.read();
    expect(standby).toMatchObject({
      'lockd_is_leader{name="led"}': 0,
      'lockd_leader_known{name="led"}': 1,
      'lockd_lease_remaining_seconds{name="led"}': 0,
      'lockd_connected{name="led"}': 1,
      'lockd_transitions_total{name="led",to="active",reason="elected"}': 0,
    });
    expect(standby).not.toHaveProperty('lockd_token{name="led"}');
    expect(standby['lockd_watcher_attempts_total{name="led"}']).toBeGreaterThan(0);
    await stopAll(clock, one.controller, two.controller);
  });

  test('the lease runs down between two scrapes, and no event has to tell of it', async () => {
    const { clock, server, instance } = pair();
    const { controller, read } = instance();
    await controller.start();
    const lease = 'lockd_lease_remaining_seconds{name="led"}';
    server.cutOff(controller);
    const before = await read();
    await clock.advance(1_000);
    const after = await read();
    expect((before[lease] as number) - (after[lease] as number)).toBeCloseTo(1);
    await clock.advance(ttlMs);
    expect(await read()).toMatchObject({
      [lease]: 0,
      'lockd_is_leader{name="led"}': 0,
      'lockd_transitions_total{name="led",to="passive",reason="deadline-passed"}': 1,
    });
    server.mend(controller);
    await stopAll(clock, controller);
  });

  test('a stopped controller is no leader, and nobody waits for its connection', async () => {
    const { clock, instance } = pair();
    const { controller, read } = instance();
    await controller.start();
    await stopAll(clock, controller);
    const after = await read();
    expect(after['lockd_is_leader{name="led"}']).toBe(0);
    expect(after).not.toHaveProperty('lockd_connected{name="led"}');
    expect(after['lockd_transitions_total{name="led",to="passive",reason="stopped"}']).toBe(1);
  });
});

describe('what is counted', () => {
  test('every beat with its round trip, kept or lost', async () => {
    const { clock, server, instance } = pair();
    const { controller, read } = instance();
    let kept = 0;
    let lost = 0;
    let tookMs = 0;
    controller.on('beat', ({ isKept, roundTripMs }) => {
      if (isKept) kept += 1;
      else lost += 1;
      tookMs += roundTripMs;
    });
    await controller.start();
    await clock.advance(ttlMs * 3);
    expect(kept).toBeGreaterThan(5);
    server.cutOff(controller);
    await clock.advance(ttlMs * 2);
    expect(lost).toBeGreaterThan(0);
    const counted = await read();
    expect(counted).toMatchObject({
      'lockd_renewals_total{name="led",result="kept"}': kept,
      'lockd_renewals_total{name="led",result="lost"}': lost,
      'lockd_renewal_duration_seconds_count{name="led"}': kept + lost,
    });
    expect(counted['lockd_renewal_duration_seconds_sum{name="led"}']).toBeCloseTo(tookMs / 1_000);
    server.mend(controller);
    await stopAll(clock, controller);
  });

  test('a drain that overruns is overdue until it ends, and its length is told', async () => {
    const { clock, instance } = pair();
    const { controller, read } = instance();
    await controller.start();
    const work = deferred();
    void controller.track(work.promise);
    const stopped = controller.stop();
    await clock.advance(24_000);
    expect((await read())['lockd_drain_overdue{name="led"}']).toBe(0);
    await clock.advance(2_000);
    expect(await read()).toMatchObject({
      'lockd_drain_overdue{name="led"}': 1,
      'lockd_warnings_total{name="led",code="LOCKD_DRAIN_OVERRUN"}': 1,
    });
    work.resolve();
    await clock.until(stopped);
    expect(await read()).toMatchObject({
      'lockd_drain_overdue{name="led"}': 0,
      'lockd_drain_duration_seconds_count{name="led"}': 1,
      'lockd_drain_duration_seconds_bucket{le="25",name="led"}': 0,
      'lockd_drain_duration_seconds_bucket{le="60",name="led"}': 1,
    });
    await clock.until(controller.start());
    await clock.until(controller.whenActive());
    const next = deferred();
    void controller.track(next.promise);
    const again = controller.stop();
    expect(controller.state).toBe('draining');
    expect((await read())['lockd_drain_overdue{name="led"}']).toBe(0);
    next.resolve();
    await clock.until(again);
  });

  test('passive notices, sent and suppressed', async () => {
    const { instance } = pair();
    const { controller, read } = instance();
    expect([1, 2, 3].map(() => controller.passiveNotice('chat'))).toEqual([true, false, false]);
    expect(await read()).toMatchObject({
      'lockd_passive_notices_total{name="led",result="sent"}': 1,
      'lockd_passive_notices_total{name="led",result="suppressed"}': 2,
    });
  });
});

describe('on one registry', () => {
  test('each controller has series of its own name', async () => {
    const { clock, server } = pair();
    const registry = new Registry();
    const names = ['billing', 'sync "7"\n'.trim()];
    const all = names.map((name) => testController({ server, name, ttlMs }));
    const observed = all.map((controller) => observeController(controller, { registry }));
    await all[0]?.start();
    expect(await scraped(registry)).toMatchObject({
      'lockd_is_leader{name="billing"}': 1,
      'lockd_is_leader{name="sync \\"7\\""}': 0,
    });
    const ofBilling = async () =>
      Object.keys(await scraped(registry)).filter((key) => key.includes('billing'));
    server.cutOff(all[0] as SingletonLockController);
    await clock.advance(60_000); // it warns of that, in a series that nobody has listed
    expect((await ofBilling()).join()).toMatch(/lockd_warnings_total\{name="billing",code="LOCKD_/);
    server.mend(all[0] as SingletonLockController);
    observed[0]?.[Symbol.dispose]();
    expect(await ofBilling()).toEqual([]);
    expect(await scraped(registry)).toHaveProperty('lockd_is_leader{name="sync \\"7\\""}');
    observed[1]?.[Symbol.dispose]();
    await stopAll(clock, ...all);
  });

  test('a second controller of a name is refused, the same one too, until the first is disposed of', () => {
    const { server } = pair();
    const registry = new Registry();
    const [one, two] = [0, 1].map(() => testController({ server, name: 'led' }));
    const observed = observeController(one as SingletonLockController, { registry });
    for (const again of [one, two]) {
      expect(() => observeController(again as SingletonLockController, { registry })).toThrow(
        expect.objectContaining({ code: 'LOCKD_INVALID_OPTION' }),
      );
    }
    observed[Symbol.dispose]();
    using _again = observeController(two as SingletonLockController, { registry });
    observed[Symbol.dispose](); // a second time it takes nothing away that is not its own
    expect(registry.getSingleMetric('lockd_is_leader')).toBeDefined();
  });

  test('disposed of, it leaves the registry and the controller as they were', async () => {
    const { instance } = pair();
    const { controller, registry, observed } = instance();
    expect(controller.eventNames()).not.toEqual([]);
    observed[Symbol.dispose]();
    expect(registry.getMetricsAsArray()).toEqual([]);
    expect(controller.eventNames()).toEqual([]);
  });

  test('that another copy has filled nothing is registered, and the message says what to do', () => {
    const { server } = pair();
    const registry = new Registry();
    using _observed = observeController(testController({ server, name: 'a' }), { registry });
    const other = new Registry();
    other.registerMetric(registry.getSingleMetric('lockd_failures') as never);
    expect(() =>
      observeController(testController({ server, name: 'b' }), { registry: other }),
    ).toThrow(/have no metric lockd_failures yet.*a registry of its own/);
    expect(other.getMetricsAsArray()).toHaveLength(1);
  });

  test('that the host has cleared the metrics come back with the next controller', async () => {
    const { server } = pair();
    const registry = new Registry();
    using _one = observeController(testController({ server, name: 'a' }), { registry });
    registry.clear();
    using _two = observeController(testController({ server, name: 'b' }), { registry });
    expect(await scraped(registry)).toHaveProperty('lockd_is_leader{name="b"}');
  });

  test('that speaks OpenMetrics nothing is left, either', async () => {
    const { server } = pair();
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const observed = observeController(testController({ server, name: 'a' }), { registry });
    const text = await registry.metrics();
    expect(text).toMatch(/^lockd_renewals_total\{name="a",result="kept"\} 0$/m);
    expect(text).toMatch(/^# TYPE lockd_renewals counter$/m);
    const second = observeController(testController({ server, name: 'b' }), { registry });
    const names = (await registry.metrics()).match(/^# TYPE \S+/gm) ?? [];
    expect(new Set(names).size).toBe(names.length);
    observed[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });
});

test('where no registry is given it is the global one of prom-client', async () => {
  const { server } = pair();
  using _observed = observeController(testController({ server, name: 'led' }));
  expect(await scraped(register)).toHaveProperty('lockd_is_leader{name="led"}');
});

test('an option that there is not is refused', () => {
  const { server } = pair();
  const controller = testController({ server, name: 'led' });
  expect(() => observeController(controller, { register } as never)).toThrow(
    /no option `register` here. Did you mean `registry`/,
  );
});
