import { rename } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import {
  type Authority,
  type Certificate,
  createAuthority,
  opensslMissing,
} from '../support/certificates.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection, terminate } from '../support/election.ts';
import { reload, writeServerFile } from '../support/reload.ts';
import { until } from '../support/wait.ts';

const missing = await opensslMissing();
if (missing !== undefined) console.log(`Tests with TLS are skipped: ${missing}`);

/** What the tests connect to. */
const address = '127.0.0.1';

describe.skipIf(missing !== undefined)('with TLS', { timeout: 60_000 }, () => {
  test.each([
    ['named in the address', 'path'],
    ['given to the driver', 'text'],
  ] as const)(
    'a server whose authority is %s is led, and every session is encrypted',
    async (_how, form) => {
      await using authority = await createAuthority();
      await using cluster = await tlsCluster(await authority.issue(address));
      await using election = await holdElection({}, cluster.url());
      const options =
        form === 'path'
          ? verified(election, authority)
          : { connection: { ssl: { ca: authority.certificate } } };
      const old = await election.lead('old', options);
      const next = await election.standBy('next', options);
      expect(await sessions(election)).toEqual(Array(4).fill({ is_encrypted: true }));
      await old.controller.resign();
      await next.story.next('active');
      expect(unencrypted(cluster)).toEqual([]);
    },
  );

  const wrong: [
    what: string,
    certificate: (authority: Authority) => Promise<Certificate | undefined>,
    remedy: RegExp,
  ][] = [
    [
      'is signed by an unknown authority',
      async () => {
        await using other = await createAuthority();
        return await other.issue(address);
      },
      /sslrootcert/,
    ],
    ['has expired', (authority) => authority.issue(address, -1), /[Rr]enew/],
    [
      'was issued for another name',
      (authority) => authority.issue('elsewhere.example'),
      /127\.0\.0\.1.*name/,
    ],
    ['is missing: TLS is switched off', async () => undefined, /ssl = on/],
  ];

  test.each(wrong)(
    'a server whose certificate %s is refused, not spoken to in the clear, and led once that is put right',
    async (_what, certificate, remedy) => {
      await using authority = await createAuthority();
      await using cluster = await tlsCluster(await certificate(authority));
      await using election = await holdElection({}, cluster.url());
      const contender = election.enter('refused', verified(election, authority));
      await contender.controller.start();
      await expectRefused(contender, remedy, 3);
      expect(await sessions(election)).toEqual([]);
      expect(cluster.log()).not.toContain(sessionMark);

      await install(cluster, await authority.issue(address));
      await contender.story.next('active');
      expect(await sessions(election)).toEqual(Array(2).fill({ is_encrypted: true }));
      expect(unencrypted(cluster)).toEqual([]);
    },
  );

  test('a certificate that goes bad under a leader costs it nothing until it has to connect anew', async () => {
    await using authority = await createAuthority();
    await using cluster = await tlsCluster(await authority.issue(address));
    await using election = await holdElection({}, cluster.url());
    const leader = await election.lead('leader', verified(election, authority));
    await install(cluster, await authority.issue(address, -1));
    await election.beats(3);
    expect(leader.story.of('passive')).toEqual([]);

    const { seat, control } = await election.bothBackends('leader');
    await terminate(election.url, seat, control);
    expect(await leader.story.next('passive')).toMatchObject({ reason: 'session-lost' });
    await expectRefused(leader, /[Rr]enew/, 2);
    expect(await sessions(election)).toEqual([]);

    await install(cluster, await authority.issue(address));
    const [first, second] = [leader.story.of('active')[0], await leader.story.next('active')];
    expect(second.token).toBeGreaterThan(first?.token as bigint);
    expect(unencrypted(cluster)).toEqual([]);
  });

  test('an authority’s file that is away for a moment is waited for', async () => {
    await using authority = await createAuthority();
    await using cluster = await tlsCluster(await authority.issue(address));
    await using election = await holdElection({}, cluster.url());
    const leader = await election.lead('leader', verified(election, authority));
    await rename(authority.path, `${authority.path}.new`);
    await terminate(election.url, (await election.bothBackends('leader')).seat);
    await leader.story.next('passive');
    await expectRefused(leader, /ca\.crt/, 2);
    await rename(`${authority.path}.new`, authority.path);
    await leader.story.next('active');
    expect(unencrypted(cluster)).toEqual([]);
  });

  test('without verification any certificate will do, and every session is encrypted', async () => {
    await using other = await createAuthority();
    await using cluster = await tlsCluster(await other.issue('elsewhere.example', -1));
    await using election = await holdElection({}, cluster.url());
    const options = { connectionString: `${election.url}?sslmode=no-verify` };
    const old = await election.lead('old', options);
    const next = await election.standBy('next', options);
    expect(await sessions(election)).toEqual(Array(4).fill({ is_encrypted: true }));
    await old.controller.resign();
    await next.story.next('active');
    expect(unencrypted(cluster)).toEqual([]);
  });
});

/** It would take a client in the clear, too: what keeps it from happening is the client. */
async function tlsCluster(certificate: Certificate | undefined): Promise<Cluster> {
  const cluster = await startTestCluster({ settings: { log_connections: 'on' } });
  if (certificate !== undefined) await install(cluster, certificate);
  return cluster;
}

async function install(cluster: Cluster, { certificate, key }: Certificate): Promise<void> {
  await writeServerFile(cluster, 'server.crt', certificate);
  await writeServerFile(cluster, 'server.key', key);
  await query(cluster.url(), 'alter system set ssl = on');
  await reload(cluster);
}

const verified = (election: Election, { path }: Authority) => ({
  connectionString: `${election.url}?sslmode=verify-full&sslrootcert=${encodeURIComponent(path)}`,
});

async function expectRefused(
  { controller, story }: Contender,
  remedy: RegExp,
  times: number,
): Promise<void> {
  const before = story.logged('could not campaign').length;
  await until(() => story.logged('could not campaign').length >= before + times);
  expect(controller.state).toBe('passive');
  expect(story.logged('could not campaign').at(-1)?.['reason']).toMatch(remedy);
  expect(story.of('warning').at(-1)?.message).toMatch(remedy);
}

/** lockd's, as the server sees them now. */
const sessions = (election: Election) =>
  until(async () => {
    const seen = await query(
      election.url,
      `select s.ssl as is_encrypted from pg_stat_activity a join pg_stat_ssl s on s.pid = a.pid
       where a.application_name like 'lockd:%'`,
    );
    // The control session comes about beside the campaign, and not before it.
    return seen.length % 2 === 0 ? seen : undefined;
  });

/** Those of contenders. The tests' own, and their migrations, are in the clear. */
const sessionMark = 'application_name=lockd:led:';

/** The sessions that the server ever let in without TLS. */
const unencrypted = (cluster: Cluster): string[] =>
  cluster
    .log()
    .split('\n')
    .filter((line) => line.includes(sessionMark) && !line.includes('SSL enabled'));
