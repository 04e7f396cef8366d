import { expect, test } from 'vitest';
import { lockd } from '../support/cli.ts';
import { query } from '../support/database.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

/** Nothing here may need its end. */
const ttlMs = 60_000;

test.concurrent('the second one starts its command when the last process of the first one is gone', async () => {
  await using shop = await openWorkshop(ttlMs);
  const first = shop.lock('first', { endsMs: 3_000, below: { finishMs: 400 } });
  const old = await first.leads();
  await shop.claimed({ who: 'grandchild' });
  const second = shop.lock('second');
  const next = await second.leads();
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first', who: 'grandchild' }));
  expect(BigInt(next.token)).toBeGreaterThan(BigInt(old.token));
  expect(await first.exit()).toBe(0);
  expect(await shop.standing()).toEqual({ holders: ['second'], waiters: [] });
});

test.concurrent('a grant is heard of at once, and not at a look', async () => {
  await using shop = await openWorkshop(ttlMs);
  const first = shop.lock('first', {}, { command: ['sh', '-c', 'read -r word'] });
  await until(async () => (await shop.standing()).holders.length === 1);
  const second = shop.lock('second');
  await shop.inLine('second');
  // What a look at the lines reads is not there, and so it sees nothing.
  await query(shop.url, 'alter view lockd.holding rename to hidden');
  first.process.closeStdin();
  await second.leads();
  await query(shop.url, 'alter view lockd.hidden rename to holding');
});

test.concurrent('the command is told the resource, the token, the owner and the place', async () => {
  await using shop = await openWorkshop(ttlMs);
  const command = [
    'sh',
    '-c',
    `echo "$LOCKD_RESOURCE|$LOCKD_TOKEN|$LOCKD_OWNER|$LOCKD_SLOT|\${LOCKD_NAME-none}"; read -r word`,
  ];
  const settings = { command, flags: ['--owner', 'me', '--permits', '2'] };
  const run = shop.lock('only', {}, { ...settings, env: { LOCKD_NAME: 'outer' } });
  const line = await run.process.line(/^held\|/);
  const [row] = await query(shop.url, 'select token, owner, slot from lockd.holding');
  expect(line).toBe(`held|${row?.['token']}|me|1|none`);
  run.process.closeStdin();
  expect(await run.exit()).toBe(1); // read saw no line
});

test.concurrent('stdin, stdout and stderr are those of the command, and nothing else is said', async () => {
  await using shop = await openWorkshop(ttlMs);
  const run = shop.lock('only', {}, { command: ['sh', '-c', 'cat; echo more >&2'] });
  run.process.write('one\ntwo\n');
  run.process.closeStdin();
  expect(await run.exit()).toBe(0);
  await run.process.closed;
  expect(run.process.stdout).toEqual(['one', 'two']);
  expect(run.process.stderr).toEqual(['more']);
});

test.concurrent('it exits as its command does', async () => {
  await using shop = await openWorkshop(ttlMs);
  const cases: [readonly string[], number][] = [
    [['true'], 0],
    [['sh', '-c', 'exit 7'], 7],
    [['sh', '-c', 'kill -KILL $$'], 128 + 9],
    [['no-such-command'], 127],
    [[shop.folder], 126],
  ];
  for (const [command, code] of cases) {
    expect(await shop.lock('one', {}, { command }).exit(), command.join(' ')).toBe(code);
  }
  expect(await shop.standing()).toEqual({ holders: [], waiters: [] });
});

test.concurrent.each([
  { flags: ['-n'], code: 1 },
  { flags: ['--wait', '0'], code: 1 },
  { flags: ['-w', '300ms', '-E', '9'], code: 9 },
])(
  'what is not free in time is said in one line, and by the exit code: $flags',
  async ({ flags, code }) => {
    await using shop = await openWorkshop(ttlMs);
    const holder = shop.lock('first', {}, { flags: ['--owner', 'ann', '--reason', 'paints it'] });
    await holder.leads();
    const other = shop.lock('second', {}, { flags });
    expect(await other.exit()).toBe(code);
    await other.process.closed;
    expect(other.process.stderr).toEqual([
      expect.stringMatching(
        /^lockd: "held" (is|was) not free.*: held by "ann" of first since \d{4}-.*Z \(paints it\)\. .*`--wait`\.$/,
      ),
    ]);
    expect(shop.claims({ label: 'second' })).toEqual([]);
    expect(await shop.standing()).toEqual({ holders: ['first'], waiters: [] });
  },
);

test.concurrent('a nested lock of the same resource is refused: it would wait for itself', async () => {
  await using shop = await openWorkshop(ttlMs);
  const { resource } = shop;
  const lock = [process.execPath, 'bin/lockd.js', 'lock', resource, '--', 'true'];
  const run = shop.lock('outer', {}, { command: lock });
  expect(await run.exit()).toBe(64);
  await run.process.closed;
  expect(run.process.stderr.join('\n')).toMatch(/already holds "held".*name another `LOCKD_OWNER`/);
});

test.concurrent('of two that wait for what the other one holds, in commands of commands, one gives way', async () => {
  await using shop = await openWorkshop(ttlMs);
  const wanting = (other: string) => {
    const nested = `"$0" bin/lockd.js lock ${other} --label inner -- true`;
    return ['sh', '-c', `read -r word; exec ${nested}`, process.execPath];
  };
  const one = shop.lock('one', {}, { resource: 'x', command: wanting('y') });
  const two = shop.lock('two', {}, { resource: 'y', command: wanting('x') });
  await holders(shop, 'one', 'two');
  for (const { process } of [one, two]) process.closeStdin();
  expect([await one.exit(20_000), await two.exit(20_000)].sort()).toEqual([0, 1]);
  const said = [...one.process.stderr, ...two.process.stderr].join('\n');
  expect(said).toMatch(/lockd: "sh#\w+" cannot have "[xy]": .* waits for .*, kept by/);
});

test.concurrent.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s while it waits ends it, and leaves nothing in line', async (kind, code) => {
  await using shop = await openWorkshop(ttlMs);
  await shop.lock('first').leads();
  const second = shop.lock('second');
  await shop.inLine('second');
  second.process.signal(kind);
  expect(await second.exit()).toBe(code);
  expect(await shop.standing()).toEqual({ holders: ['first'], waiters: [] });
  const [row] = await query(shop.url, 'select count(*)::int as count from lockd.waiter');
  expect(row).toEqual({ count: 0 });
  expect(shop.claims({ label: 'second' })).toEqual([]);
  await second.process.closed;
  expect(second.process.stderr).toEqual([]);
});

test.concurrent('INT goes to the command, whose exit code counts; HUP is its own business', async () => {
  await using shop = await openWorkshop(ttlMs);
  const run = shop.lock('only', { exitCode: 4, finishMs: 300 });
  await run.leads();
  run.process.signal('SIGHUP');
  await shop.claimed({ kind: 'SIGHUP' });
  run.process.signal('SIGINT');
  const told = await shop.claimed({ kind: 'SIGINT' });
  expect(await run.exit()).toBe(4);
  expect(shop.lastClaim() - told.at).toBeGreaterThan(200);
  expect(shop.claims({ kind: 'SIGTERM' })).toEqual([]);
  expect(await shop.standing()).toEqual({ holders: [], waiters: [] });
});

test.concurrent('readers beside readers; the writer has it alone, and the next reader waits for him', async () => {
  await using shop = await openWorkshop(ttlMs);
  const shared = { flags: ['--shared'], command: ['sh', '-c', 'read -r word'] };
  const one = shop.lock('one', {}, shared);
  const two = shop.lock('two', {}, shared);
  await holders(shop, 'one', 'two');
  const writer = shop.lock('writer', { endsMs: 600 });
  await shop.inLine('writer');
  shop.lock('late', {}, shared);
  await shop.inLine('late');
  for (const { process } of [one, two]) process.closeStdin();
  await writer.leads();
  expect(await shop.standing()).toEqual({ holders: ['writer'], waiters: ['late'] });
  await holders(shop, 'late');
  expect(await writer.exit()).toBe(0);
});

test.concurrent('no more than n have a place, and another n is refused with both', async () => {
  await using shop = await openWorkshop(ttlMs);
  const place = { flags: ['--permits', '2'], command: ['sh', '-c', 'read -r word'] };
  const one = shop.lock('one', {}, place);
  shop.lock('two', {}, place);
  await holders(shop, 'one', 'two');
  const three = shop.lock('three', {}, place);
  await shop.inLine('three');
  const odd = shop.lock('odd', {}, { ...place, flags: ['--permits', '3'] });
  expect(await odd.exit()).toBe(64);
  await odd.process.closed;
  expect(odd.process.stderr.join('\n')).toMatch(/asked for with 3 permits .* used with 2 permits/);
  one.process.closeStdin();
  await holders(shop, 'two', 'three');
  expect(three.process.hasExited).toBe(false);
});

test.concurrent('when its time is up the command is ended, and the resource is free once it is gone', async () => {
  await using shop = await openWorkshop(ttlMs);
  const flags = ['--ttl', '4s', '--grace', '500ms'];
  const first = shop.lock('first', { finishMs: 'never' }, { flags });
  const begun = await first.leads();
  const second = shop.lock('second');
  const told = await shop.claimed({ label: 'first', kind: 'SIGTERM' });
  expect(told.at - begun.at).toBeGreaterThan(1_000);
  const next = await second.leads();
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
  expect(shop.lastClaim({ label: 'first' }) - told.at).toBeGreaterThan(300);
  expect(await first.exit()).toBe(75);
  expect(first.logged('LOCKD_HOLD_EXPIRED')).toBe(true);
});

test.concurrent('unlock asks first: the command ends, and who waits has the resource', async () => {
  await using shop = await openWorkshop(ttlMs);
  const first = shop.lock('first', { exitCode: 3 }, { flags: ['--owner', 'ann'] });
  await first.leads();
  const second = shop.lock('second');
  await shop.inLine('second');
  const { code, stdout } = await unlock(shop, '--reason', 'it hangs', '--grace', '20s');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^asked ann of first \(token \d+, held for .*\) to let go of held: it has$/,
  );
  await second.leads();
  expect(await first.exit()).toBe(75);
  expect(first.logged('was asked back by')).toBe(true);
  expect(first.logged('it hangs')).toBe(true);
});

test.concurrent('unlock takes it from a command that does not go, and then that command is killed', async () => {
  await using shop = await openWorkshop(ttlMs);
  const flags = ['--grace', '60s', '--owner', 'ann'];
  const first = shop.lock('first', { finishMs: 'never', below: { finishMs: 'never' } }, { flags });
  await first.leads();
  await shop.claimed({ who: 'grandchild' });
  const { code, stdout } = await unlock(shop, '--reason', 'it hangs', '--grace', '300ms');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^asked ann of first .*: it has not, and it was taken away$/);
  expect(shop.claims({ kind: 'SIGTERM', who: 'command' })).toHaveLength(1);
  expect(await first.exit(10_000)).toBe(75);
  expect(await unlock(shop, '--reason', 'again')).toMatchObject({
    code: 1,
    stdout: 'nobody holds held',
  });
});

const unlock = (shop: Workshop, ...args: string[]) =>
  lockd(['unlock', shop.resource, ...args], { DATABASE_URL: shop.url });

async function holders(shop: Workshop, ...labels: string[]): Promise<void> {
  const have = async () => [...(await shop.standing()).holders].sort().join();
  await until(async () => (await have()) === [...labels].sort().join(), {
    timeoutMs: 20_000,
    describe: `the holders are ${labels.join(', ')}`,
  });
}
