import fc from 'fast-check';
import pg from 'pg';
import { expect, test } from 'vitest';
import { noticeOf } from '../../src/postgres/control.ts';
import { query } from '../support/database.ts';
import { holdElection } from '../support/election.ts';

const kinds = ['taken', 'released', 'ended', 'resign', 'unknown'];

/** From what lockd itself sends to what nobody sends. */
const payload = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.json(),
  fc
    .record(
      {
        kind: fc.oneof(fc.constantFrom(...kinds), fc.jsonValue()),
        token: fc.oneof(
          fc.bigInt({ min: -10n, max: 10n ** 20n }).map(String),
          fc.constantFrom('', '0', '1', '2', '9223372036854775807', '9999999999999999999', '1e3'),
          fc.jsonValue(),
        ),
        reason: fc.oneof(fc.string({ maxLength: 7_000 }), fc.jsonValue()),
      },
      { requiredKeys: [] },
    )
    .map((notice) => JSON.stringify(notice)),
);

test('any payload is a notice, if of an unknown kind', () => {
  fc.assert(
    fc.property(payload, (text) => {
      const { kind, token, reason } = noticeOf(text);
      expect(kinds).toContain(kind);
      expect(token === undefined || token >= 0n).toBe(true);
      expect(['string', 'undefined']).toContain(typeof reason);
    }),
    { numRuns: 5_000 },
  );
});

test('whatever is notified, the leader leads on and nobody else begins; then all works as before', async () => {
  await using election = await holdElection({ ttlMs: 30_000, heartbeatMs: 500 });
  const leader = await election.lead('leader');
  const next = await election.standBy('next');
  await election.bothBackends('leader');
  await election.bothBackends('next');
  const [row] = await query<{ channel: string }>(
    election.url,
    'select lockd.channel(id) as channel from lockd.lock where name = $1',
    [election.name],
  );
  await using stranger = await connected(election.url);
  const asked = (text: string): boolean => noticeOf(text).kind === 'resign';
  // PostgreSQL refuses a NUL, and 8,000 bytes.
  const isSent = (text: string): boolean => !text.includes('\0') && Buffer.byteLength(text) < 8_000;
  const texts = fc.sample(
    payload.filter((text) => !asked(text) && isSent(text)),
    1_000,
  );
  for (const text of texts) {
    await stranger.client.query('select pg_notify($1, $2)', [row?.channel, text]);
  }
  await election.beats(2);
  expect(leader.story.of('active')).toHaveLength(1);
  expect(leader.story.of('passive')).toEqual([]);
  expect(next.story.of('active')).toEqual([]);
  await leader.controller.resign();
  await next.story.next('active');
});

async function connected(url: string): Promise<AsyncDisposable & { client: pg.Client }> {
  const client = new pg.Client(url);
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}
