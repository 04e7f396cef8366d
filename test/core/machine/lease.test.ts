import { describe, expect, test } from 'vitest';
import { type Heir, inherit, type Lease } from '../../../src/core/machine/lease.ts';
import { ended, foreign, vacant } from './driver.ts';

const heir: Heir = {
  instance: 'me',
  ttlMs: 10_000,
  takeover: 'safe',
  grantedAt: 50_000,
  sighting: undefined,
  highestToken: 5n,
};
const saw = { token: foreign.token, beat: foreign.beat, at: 49_000 };

const own: Lease = { ...foreign, instance: 'me' };

/** As recorded by a leader, on a server that has become another one since. */
const elsewhere = (lease: Lease, changes: Partial<Lease['server']>): Lease => ({
  ...lease,
  server: { ...lease.server, ...changes },
});

describe('the winner of the seat', () => {
  test('of a name nobody ever led starts at once', () => {
    expect(inherit(vacant, { ...heir, highestToken: 0n })).toEqual({
      startAt: 0,
      ground: 'vacant',
    });
  });

  test('starts at once when the old term is marked ended', () => {
    expect(inherit(ended, heir)).toEqual({ startAt: 0, ground: 'ended' });
  });

  test('starts at once when the old term was its own: it campaigns only after its drain', () => {
    expect(inherit(own, heir)).toEqual({ startAt: 0, ground: 'own' });
  });

  test('starts at once when it was told to take a free seat for proof', () => {
    const answer = inherit(foreign, { ...heir, takeover: 'fast' });
    expect(answer).toEqual({ startAt: 0, ground: 'trusted-seat' });
  });

  test('starts at once when nobody else ever campaigned for the name, whatever the history of the server', () => {
    for (const lease of [
      vacant,
      own,
      { ...vacant, server: { ...vacant.server, timeline: '00000007' } },
    ]) {
      expect(inherit(lease, { ...heir, takeover: 'sole' })).toEqual({ startAt: 0, ground: 'sole' });
    }
  });

  test('that saw the last beat waits one TTL from when it saw it', () => {
    const answer = inherit(foreign, { ...heir, sighting: saw });
    expect(answer).toEqual({ startAt: 49_000 + foreign.ttlMs, ground: 'observed' });
  });

  test.each([
    ['saw nothing', undefined],
    ['saw an earlier beat', { ...saw, beat: saw.beat - 1 }],
    ['saw another term', { ...saw, token: saw.token - 1n }],
  ])('that %s waits one TTL from the grant', (_, sighting) => {
    const answer = inherit(foreign, { ...heir, sighting });
    expect(answer).toEqual({ startAt: 50_000 + foreign.ttlMs, ground: 'unobserved' });
  });

  test.each([1_000, 10_000, 60_000])("waits the row's TTL (%i ms), not its own", (ttlMs) => {
    expect(inherit({ ...foreign, ttlMs }, heir).startAt).toBe(50_000 + ttlMs);
    expect(inherit({ ...foreign, ttlMs }, { ...heir, sighting: saw }).startAt).toBe(49_000 + ttlMs);
  });
});

describe('a row that may be older than the truth', () => {
  const doubts: [string, (lease: Lease) => Lease, Partial<Heir>][] = [
    ['was promoted since', (lease) => elsewhere(lease, { timeline: '00000002' }), {}],
    ['was restored elsewhere', (lease) => elsewhere(lease, { systemIdentifier: '8' }), {}],
    ['was re-created', (lease) => elsewhere(lease, { lockClass: 16_999 }), {}],
    ['is behind a token seen before', (lease) => lease, { highestToken: 6n }],
    [
      'is behind a beat seen before',
      (lease) => lease,
      { sighting: { ...saw, beat: saw.beat + 1, at: 1 } },
    ],
  ];

  const rows: [string, Lease][] = [
    ['of a running term', foreign],
    ['marked ended', ended],
    ['of its own', own],
  ];

  for (const [doubt, change, known] of doubts) {
    test.each(rows)(`because it ${doubt}, %s: a whole TTL from the grant`, (_, lease) => {
      const answer = inherit(change(lease), { ...heir, takeover: 'fast', ...known });
      expect(answer).toEqual({ startAt: 50_000 + heir.ttlMs, ground: 'doubtful' });
    });
  }

  test('is waited for by the larger of the two TTLs', () => {
    const long = { ...ended, ttlMs: 30_000 };
    expect(inherit(elsewhere(long, { timeline: '00000002' }), heir).startAt).toBe(80_000);
  });

  test('is one with token 0 on a later timeline: the first takeover may be what was lost', () => {
    const fresh = { ...heir, highestToken: 0n };
    const promoted = elsewhere(vacant, { timeline: '0000000A' });
    expect(inherit(promoted, fresh)).toEqual({ startAt: 60_000, ground: 'doubtful' });
  });

  test('is not one that an older observer saw less of', () => {
    const answer = inherit(ended, { ...heir, highestToken: 4n, sighting: { ...saw, beat: 1 } });
    expect(answer.ground).toBe('ended');
  });
});
