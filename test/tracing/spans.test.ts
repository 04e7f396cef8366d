import { SpanStatusCode, trace } from '@opentelemetry/api';
import { describe, expect, test } from 'vitest';
import type { SingletonLockController } from '../../src/core/controller.ts';
import { LockMemory, memoryLockManager } from '../../src/core/locks/memory.ts';
import { FakeClock, MemoryServer, testController } from '../../src/testing/index.ts';
import { traceController, traceLocks } from '../../src/tracing/index.ts';
import { lockDatabase } from '../locks/database.ts';
import { holdElection } from '../support/election.ts';
import { until } from '../support/wait.ts';
import { recordSpans } from './spans.ts';

const stopped = (clock: FakeClock, ...all: SingletonLockController[]): Promise<unknown> =>
  clock.until(Promise.all(all.map((each) => each.stop())));

describe('a term', () => {
  test('is a span from its beginning to its end, with who led and why it ended', async () => {
    using recorded = recordSpans();
    const clock = new FakeClock();
    const server = new MemoryServer({ clock });
    const lock = testController({ server, name: 'led', label: 'web-1' });
    using _traced = await traceController(lock);
    await trace.getTracer('host').startActiveSpan('a request', async (request) => {
      await lock.start();
      await lock.whenActive();
      request.end();
    });
    const { token } = await lock.whenActive();
    expect(recorded.spans().map(({ name }) => name)).toEqual(['a request']);
    await stopped(clock, lock);
    const [, span] = recorded.spans();
    expect(span).toMatchObject({
      name: 'lockd.term',
      parentSpanContext: undefined,
      status: { code: SpanStatusCode.UNSET },
      ended: true,
    });
    expect(span?.attributes).toEqual({
      'lockd.name': 'led',
      'lockd.label': 'web-1',
      'lockd.instance': lock.instance,
      'lockd.token': String(token),
      'lockd.end_reason': 'stopped',
    });
  });

  test('that was lost has failed, and the next one is a span of its own', async () => {
    using recorded = recordSpans();
    const clock = new FakeClock();
    const server = new MemoryServer({ clock });
    const lock = testController({ server, name: 'led' });
    await lock.start();
    using _traced = await traceController(lock); // while it leads: from now on
    server.terminate(lock);
    await clock.until(new Promise((resolve) => lock.once('passive', resolve)));
    await clock.until(lock.whenActive());
    await stopped(clock, lock);
    expect(recorded.spans()).toMatchObject([
      { status: { code: SpanStatusCode.ERROR, message: 'session-lost' } },
      { status: { code: SpanStatusCode.UNSET }, attributes: { 'lockd.end_reason': 'stopped' } },
    ]);
  });

  test('tells how long nobody led before it', async () => {
    using recorded = recordSpans();
    await using election = await holdElection();
    const one = await election.lead('one');
    const two = await election.standBy('two');
    using _traced = await traceController(two.controller);
    await one.controller.stop();
    await two.story.next('active');
    await two.controller.stop();
    const [, { gap_ms } = { gap_ms: null }] = await election.terms();
    expect(recorded.spans()).toMatchObject([{ attributes: { 'lockd.gap_ms': Number(gap_ms) } }]);
  });

  test('that goes on is over for the trace when the trace is disposed of', async () => {
    using recorded = recordSpans();
    const clock = new FakeClock();
    const lock = testController({ server: new MemoryServer({ clock }), name: 'led' });
    const traced = await traceController(lock);
    await lock.start();
    traced[Symbol.dispose]();
    expect(recorded.spans()).toHaveLength(1);
    expect(lock.eventNames()).toEqual([]);
    await stopped(clock, lock);
    expect(recorded.spans()).toHaveLength(1);
  });
});

describe('a hold', () => {
  test('is a span below the one that asked for it, with how long was waited', async () => {
    using recorded = recordSpans();
    const clock = new FakeClock();
    const memory = new LockMemory({ clock });
    const [one, two] = [memoryLockManager({ clock, memory }), memoryLockManager({ clock, memory })];
    using _traced = await traceLocks(two);
    const first = await one.acquire('order:42');
    const asked = trace.getTracer('host').startActiveSpan('a request', async (request) => {
      const hold = await two.acquire('order:42', { owner: 'agent-7', mode: 'exclusive' });
      await hold.release();
      request.end();
      return { request, hold };
    });
    await until(async () => (await one.inspect('order:42')).waiters.length === 1);
    await clock.advance(250);
    await first.release();
    const { request, hold } = await asked;
    const [span] = recorded.spans();
    expect(span).toMatchObject({
      name: 'lockd.hold',
      parentSpanContext: { spanId: request.spanContext().spanId },
      status: { code: SpanStatusCode.UNSET },
    });
    expect(span?.attributes).toEqual({
      'lockd.resource': 'order:42',
      'lockd.owner': 'agent-7',
      'lockd.mode': 'exclusive',
      'lockd.token': String(hold.token),
      'lockd.wait_ms': 250,
      'lockd.end_reason': 'released',
    });
    await Promise.all([one.stop(), two.stop()]);
  });

  test('that another process let go is below its own request, too', async () => {
    using recorded = recordSpans();
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    using _traced = await traceLocks(two);
    const first = await one.acquire('order:42');
    const requests = ['a', 'b'].map((owner) =>
      trace.getTracer('host').startActiveSpan(owner, async (request) => {
        await two.using('order:42', { owner }, () => {});
        return [owner, request.spanContext().spanId];
      }),
    );
    await until(async () => (await one.inspect('order:42')).waiters.length === 2);
    await first.release();
    const asked = await Promise.all(requests);
    const held = recorded.spans().map(({ attributes, parentSpanContext }) => {
      return [attributes['lockd.owner'], parentSpanContext?.spanId];
    });
    expect(held.sort()).toEqual(asked.sort());
  });

  test('that was lost has failed with the code of its loss; one that was had before has no span', async () => {
    using recorded = recordSpans();
    const clock = new FakeClock();
    const locks = memoryLockManager({ clock });
    const before = await locks.acquire('x');
    using _traced = await traceLocks(locks);
    await before.release();
    const hold = await locks.acquire('y', { ttlMs: 100, mode: { permits: 3 } });
    await clock.advance(100);
    await hold.release();
    expect(recorded.spans()).toMatchObject([
      {
        attributes: { 'lockd.mode': '3 permits', 'lockd.end_reason': 'LOCKD_HOLD_EXPIRED' },
        status: { code: SpanStatusCode.ERROR, message: expect.stringMatching(/its time is up/) },
      },
    ]);
    await locks.stop();
  });

  test('that goes on is over for the trace when the trace is disposed of', async () => {
    using recorded = recordSpans();
    const clock = new FakeClock();
    const locks = memoryLockManager({ clock });
    const traced = await traceLocks(locks);
    const hold = await locks.acquire('x');
    traced[Symbol.dispose]();
    await hold.release();
    await locks.using('y', () => {});
    expect(recorded.spans()).toHaveLength(1);
    await locks.stop();
  });
});
