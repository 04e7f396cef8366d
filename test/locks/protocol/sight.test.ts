import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { useDatabase } from '../../postgres/backends.ts';
import { Holder } from './processes.ts';

const lockd = useDatabase();

/** A silent process whose beat is seen on `here`, and on the clocks of that machine. */
async function stage() {
  const { backend, process, token } = await Holder.begin(lockd);
  await backend.query('update lockd.lease set ttl_ms = 60000 where lock_id = $1', [process]);
  const here: string = randomUUID();
  const sees = async (mono: number, boot: number, machine = here, beat = 0) =>
    (
      await backend.one('select lockd.sight($1, $2, $3, $4, $5, $6) as seen', [
        process,
        token,
        beat,
        machine,
        mono,
        boot,
      ])
    )['seen'];
  const set = (change: string) =>
    backend.query(`update lockd.silence set ${change} where process = $1`, [process]);
  const later = () => set(`seen_at = seen_at - interval '61 s'`);
  const notes = () =>
    backend.query('select mono_ms from lockd.silence where process = $1', [process]);
  return { backend, process, sees, set, later, notes };
}

test('a beat that has stood for the TTL is over when all three clocks say so, and not before', async () => {
  const { sees, later, notes } = await stage();
  expect(await sees(1_000, 5_000)).toBe(false);
  expect(await sees(61_000, 65_000)).toBe(false); // the server's clock has not moved on
  await later();
  expect(await sees(60_999, 65_000)).toBe(false);
  expect(await sees(61_000, 64_999)).toBe(false);
  expect(await sees(61_000, 65_000)).toBe(true);
  expect(await notes()).toEqual([{ mono_ms: 1_000 }]);
});

test('what was seen on another machine, or in another run of the server, proves nothing', async () => {
  const { sees, set, later } = await stage();
  await sees(1_000, 5_000);
  await later();
  expect(await sees(61_000, 65_000, 'another')).toBe(false);
  expect(await sees(61_000, 65_000)).toBe(true);
  await set(`server_began = server_began - interval '1 s'`);
  expect(await sees(61_000, 65_000)).toBe(false);
  expect(await sees(61_001, 65_001)).toBe(false); // noted anew
});

test('another beat begins anew, and one that is not the latest is not noted', async () => {
  const { backend, process, sees, later, notes } = await stage();
  await sees(1_000, 5_000);
  await later();
  await backend.query('update lockd.lease set beat = beat + 1 where lock_id = $1', [process]);
  expect(await sees(61_000, 65_000)).toBe(false);
  expect(await notes()).toEqual([{ mono_ms: 1_000 }]);
  expect(await sees(61_000, 65_000, undefined, 1)).toBe(false);
  await later();
  expect(await sees(121_000, 125_000, undefined, 1)).toBe(true);
});

test.each([
  ['monotonic', 999, 5_001],
  ['since boot', 1_001, 4_999],
])('a clock that went back begins anew: %s', async (_, mono, boot) => {
  const { sees, later } = await stage();
  await sees(1_000, 5_000);
  await later();
  expect(await sees(mono, boot)).toBe(false);
  await later();
  expect(await sees(mono + 59_999, boot + 60_000)).toBe(false);
  expect(await sees(mono + 60_000, boot + 60_000)).toBe(true);
});

test('the server clock that went back begins anew, too', async () => {
  const { sees, set, later } = await stage();
  await sees(1_000, 5_000);
  await set(`seen_at = clock_timestamp() + interval '1 h'`);
  expect(await sees(2_000, 6_000)).toBe(false);
  await later();
  expect(await sees(61_999, 66_000)).toBe(false);
  expect(await sees(62_000, 66_000)).toBe(true);
});

test('notes go with the lease, and with the row of the process', async () => {
  const { backend, process, sees, notes, set } = await stage();
  await sees(1_000, 5_000);
  await set(`seen_at = seen_at - interval '3 days'`);
  await backend.query('select lockd.forget_processes()');
  expect(await notes()).toEqual([]);
  await sees(1_000, 5_000);
  await backend.query(
    'select lockd.expire(lock_id, token, beat) from lockd.lease where lock_id = $1',
    [process],
  );
  expect(await notes()).toEqual([]);
});
