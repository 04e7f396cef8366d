import { expect, test } from 'vitest';
import { grantScript } from '../../src/postgres/grants.ts';
import { query } from '../support/database.ts';
import { holdElection } from '../support/election.ts';

/** A server that cannot take a beat, as it says so itself. */
test.each([
  ['53100', 'disk full'],
  ['53200', 'out of memory'],
  ['53400', 'configuration limit exceeded'],
])(
  'a beat that the server refuses with %s (%s) ends the term; it leads again once beats are taken',
  async (code) => {
    await using election = await holdElection({ ttlMs: 3_000 });
    const { story } = await election.lead('only');
    await query(
      election.url,
      `create function refuse() returns trigger language plpgsql as
       $$ begin raise exception using errcode = '${code}', message = 'no room'; end $$;
     create trigger refuse before update on lockd.lease execute function refuse()`,
    );
    await story.next('passive');
    expect((await story.next('warning')).message).toContain('no room');
    await query(election.url, 'drop trigger refuse on lockd.lease');
    await story.next('active');
  },
);

test('a right that is taken from the role while it leads ends the term, and is told with the remedy', async () => {
  await using election = await holdElection({ ttlMs: 3_000 });
  const role = `role_${election.database}`;
  await query(election.url, `create role ${role} login password 'secret'; ${grantScript(role)}`);
  const address = new URL(election.url);
  address.username = role;
  address.password = 'secret';
  try {
    const { controller, story } = await election.lead('only', { connectionString: address.href });
    await query(election.url, `revoke update on lockd.lease from ${role}`);
    await story.next('passive');
    expect(await story.next('warning')).toMatchObject({
      code: 'LOCKD_PRIVILEGE',
      message: expect.stringContaining('lockd migrate --print-grants'),
    });
    await query(election.url, grantScript(role));
    await story.next('active');
    await controller.stop();
  } finally {
    await query(election.url, `drop owned by ${role}; drop role ${role}`);
  }
});

test('a schema that is dropped while it is led ends the term, and is told with the remedy', async () => {
  await using election = await holdElection({ ttlMs: 3_000 });
  const { controller, story } = await election.lead('only');
  await query(election.url, 'alter schema lockd rename to elsewhere');
  await story.next('passive');
  expect(await story.next('warning')).toMatchObject({
    code: 'LOCKD_SCHEMA_MISSING',
    message: expect.stringContaining('lockd migrate'),
  });
  await query(election.url, 'alter schema elsewhere rename to lockd');
  await story.next('active');
  await controller.stop();
});
