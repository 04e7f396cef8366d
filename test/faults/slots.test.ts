import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { grantScript } from '../../src/postgres/grants.ts';
import { query } from '../support/database.ts';
import { type Election, holdElection, terminate } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const ttlMs = 1_500;
const instances = 5;

test('where those who only listen have taken every connection there is, they make room for a seat', async () => {
  await using election = await holdElection({ ttlMs });
  await using role = await ordinaryRole(election);
  const all = Array.from({ length: instances }, (_, index) =>
    election.enter(`host-${index}`, { connectionString: role.url }),
  );
  await Promise.all(all.map(({ controller }) => controller.start()));
  for (const { label } of all) await election.bothBackends(label);
  await query(election.url, `alter role ${role.name} connection limit ${instances}`);
  const seats = [...(await election.seatHolders()), ...(await election.waiters())];
  const pids = seats.map(({ pid }) => pid);
  await terminate(election.url, ...pids);
  // Whoever was ended last may have led for a moment.
  const left = 'select from pg_stat_activity where pid = any($1)';
  await until(async () => (await query(election.url, left, [pids])).length === 0);
  await until(() => all.every(({ controller }) => !controller.isActive()));
  const lostAt = now();
  await until(() => all.some(({ controller }) => controller.isActive()), { timeoutMs: 20_000 });
  expect(now() - lostAt).toBeLessThan(ttlMs + 5_000);
  await Promise.all(all.map(({ controller }) => controller.stop()));
}, 60_000);

/** A limit does not bind a superuser. */
async function ordinaryRole({
  url,
}: Election): Promise<AsyncDisposable & { readonly name: string; readonly url: string }> {
  const name = `role_${randomBytes(6).toString('hex')}`;
  await query(url, `create role ${name} login password 'secret'; ${grantScript(name)}`);
  const address = new URL(url);
  address.username = name;
  address.password = 'secret';
  return {
    name,
    url: address.href,
    async [Symbol.asyncDispose]() {
      await query(url, `drop owned by ${name}; drop role ${name}`);
    },
  };
}
