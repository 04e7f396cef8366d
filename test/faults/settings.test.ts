import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Candidate } from '../../src/core/store.ts';
import { hostsOf } from '../../src/postgres/hosts.ts';
import { controlPins, pin, seatPins } from '../../src/postgres/pins.ts';
import { Session } from '../../src/postgres/session.ts';
import { query } from '../support/database.ts';
import { holdElection, terminate } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

/** What an administrator may impose, and what it would do to a session that lets it. */
const imposed = {
  statement_timeout: '500ms', // ends attempts
  transaction_timeout: '500ms', // ends the session (17 and later)
  lock_timeout: '20ms',
  idle_session_timeout: '500ms', // ends leaders
  idle_in_transaction_session_timeout: '1ms',
  synchronous_commit: 'off', // a crash takes a takeover back
  client_min_messages: 'error', // a warning beside a beat is not heard
  default_transaction_deferrable: 'on',
  search_path: 'elsewhere',
  default_transaction_isolation: 'repeatable read', // a lease from before the wait
  default_transaction_read_only: 'on', // no beats; the last one, or the others could not be set
} as const;

/** Attempts and the gaps between beats are longer than what is imposed. */
const sizes = { ttlMs: 9_000, firstWaitMs: 1_200 };

for (const [scope, isolation] of [
  ['role', 'repeatable read'],
  ['database', 'serializable'],
] as const) {
  test(`what a ${scope} imposes, ${isolation} included, changes nothing about an election`, async () => {
    await using election = await holdElection(sizes);
    await using role = await asRole(election.url);
    const target = scope === 'role' ? `role ${role.name}` : `database ${election.database}`;
    await impose(election.url, target, { ...imposed, default_transaction_isolation: isolation });
    const options = { connectionString: role.url };
    const old = await election.lead('old', options);
    const next = await election.standBy('next', options);
    await next.story.next('attempt');
    await election.beats(1);
    const leftAt = now();
    await old.controller.resign();
    const handed = await next.story.next('active');
    expect(handed.at - leftAt).toBeLessThan(3_000);

    await old.story.next('observed');
    await terminate(election.url, (await election.bothBackends('next')).seat);
    const lost = await next.story.next('passive');
    await until(() => [old, next].some(({ controller }) => controller.isActive()));
    expect(now() - lost.at).toBeLessThan(3_000);
    for (const { story } of [old, next]) {
      const warnings = story.of('warning').map(({ message }) => message);
      expect(warnings.filter((it) => !it?.includes('terminat'))).toEqual([]);
    }
    const ends = (await election.terms()).map(({ ended_by: by }) => by);
    expect(ends).toEqual(['release', 'confession', null]);
  });
}

for (const [which, pins] of [
  ['seat', seatPins],
  ['control', controlPins],
] as const) {
  test(`the ${which} session has everything pinned that it relies on`, async () => {
    await using election = await holdElection();
    await using role = await asRole(election.url);
    await impose(election.url, `role ${role.name}`, imposed);
    const session = await Session.open({
      hosts: hostsOf({ connectionString: role.url }),
      applicationName: 'lockd:pins',
      timeoutMs: 5_000,
    });
    try {
      const before = await settingsOf(session);
      expect(before).toMatchObject({ client_min_messages: 'error', search_path: 'elsewhere' });
      await pin(session, pins(candidate));
      expect(await settingsOf(session)).toEqual({
        ...(before['transaction_timeout'] === undefined ? {} : { transaction_timeout: '0' }),
        statement_timeout: '0',
        lock_timeout: '0',
        idle_session_timeout: which === 'seat' ? '1s' : '0',
        idle_in_transaction_session_timeout: '6s',
        synchronous_commit: 'on',
        client_min_messages: 'warning',
        default_transaction_deferrable: 'off',
        search_path: 'pg_catalog, pg_temp',
        default_transaction_isolation: 'read committed',
        default_transaction_read_only: 'off',
        tcp_keepalives_idle: '3',
        tcp_keepalives_interval: '1',
        tcp_keepalives_count: '3',
        tcp_user_timeout: '6000',
      });
    } finally {
      await session.close();
    }
  });
}

const candidate: Candidate = {
  name: 'led',
  instance: '00000000-0000-4000-8000-000000000000',
  label: 'pins',
  metadata: {},
  ttlMs: 6_000,
  heartbeatMs: 1_000,
  passiveIdleMs: 1_000,
  rank: [0, 0],
  isEligible: true,
  appVersion: undefined,
};

async function settingsOf(session: Session): Promise<Record<string, string>> {
  const { rows } = await session.bounded(
    `select json_object_agg(name, current_setting(name)) as all from pg_settings
     where name like 'tcp_%' or name = any($1)`,
    [Object.keys(imposed)],
  );
  return rows[0].all;
}

async function impose(url: string, target: string, all: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(all)) {
    const [known] = await query(url, 'select from pg_settings where name = $1', [name]);
    if (known !== undefined) await query(url, `alter ${target} set ${name} = '${value}'`);
  }
}

/** A role for one test: roles belong to the whole server. */
async function asRole(url: string): Promise<{ name: string; url: string } & AsyncDisposable> {
  const name = `role_${randomBytes(6).toString('hex')}`;
  await query(url, `create role ${name} login superuser password 'secret'`);
  const asIt = new URL(url);
  asIt.username = name;
  asIt.password = 'secret';
  const server = new URL(url);
  server.pathname = '/postgres';
  return {
    name,
    url: asIt.href,
    async [Symbol.asyncDispose]() {
      await query(server.href, `drop role ${name}`);
    },
  };
}
