import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { migrate } from '../../src/index.ts';
import {
  createItems,
  judgeItems,
  openItemWorker,
  readHandover,
} from '../../src/postgres/demo-items.ts';
import { lockd } from '../support/cli.ts';
import { createDatabase, query, type TestDatabase } from '../support/database.ts';
import { temporaryFolder } from '../support/folder.ts';
import { markedProcesses } from '../support/marked.ts';
import { startCli } from '../support/processes.ts';
import { until } from '../support/wait.ts';

/** What was started in a test has its folder in its arguments or its environment. */
async function expectNothingLeft(folder: string): Promise<void> {
  const ours = async () => (await markedProcesses(folder)).filter(({ pid }) => pid !== process.pid);
  await until(async () => (await ours()).length === 0, {
    describe: 'nothing of the demo is left',
  });
  // Node keeps compiled code there; the demo has no part in it.
  const files = (await readdir(folder)).filter((name) => name !== 'node-compile-cache');
  expect(files).toEqual([]);
}

describe('the play', () => {
  test('four leaders go in four ways, the table finds nothing wrong, and nothing is left', async () => {
    await using folder = await temporaryFolder();
    const { code, stdout, stderr } = await lockd(['demo', '--json'], { TMPDIR: folder.path });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { acts, verdict, isClean } = JSON.parse(stdout);
    expect(isClean).toBe(true);
    expect(verdict).toMatchObject({ twice: 0, cutInHalf: 0, lost: 0, outOfTurn: 0 });
    expect(verdict.processed).toBeGreaterThan(80);
    expect(verdict.interrupted, 'crash and pause hit an item').toBeGreaterThanOrEqual(2);
    expect(acts).toMatchObject([
      { act: 'handover', leader: 'A', successor: 'B' },
      { act: 'crash', leader: 'B', successor: 'C' },
      { act: 'freeze', leader: 'C', successor: 'D' },
      { act: 'pause', leader: 'D', successor: 'E' },
    ]);
    const [handover, crash, freeze, pause] = acts;
    // A TTL is 3 s, and a signal may fall anywhere between two beats of 600 ms.
    for (const { activeMs } of [handover, crash]) expect(activeMs).toBeLessThan(2_000);
    for (const { activeMs } of [freeze, pause]) expect(activeMs).toBeGreaterThan(2_000);
    await expectNothingLeft(folder.path);
  }, 90_000);

  test('Ctrl-C in the middle leaves nothing behind', async () => {
    await using folder = await temporaryFolder();
    await using demo = startCli(['demo'], { env: { TMPDIR: folder.path, LOCKD_TTL: '3s' } });
    await demo.line(/A leads now/, 30_000);
    await demo.line(/SIGTERM to A/, 30_000);
    demo.signalGroup('SIGINT');
    expect(await demo.exited).toEqual({ code: 130, signal: null });
    expect(demo.stderr).toContain('lockd: the demo was stopped, and has put everything away');
    await expectNothingLeft(folder.path);
  }, 90_000);

  test('on a named database it works in a schema of its own, which is gone after a failure, too', async () => {
    await using folder = await temporaryFolder();
    await using database = await createDatabase();
    const env = { TMPDIR: folder.path, LOCKD_DATABASE_URL: database.url };
    await using demo = startCli(['demo'], { env });
    await demo.line(/waits for its turn/, 30_000);
    const [{ schema } = {}] = await query(
      database.url,
      `select nspname as schema from pg_namespace where nspname like 'lockd\\_demo\\_%'`,
    );
    await query(database.url, `drop table ${schema}.demo_mark cascade`);
    expect((await demo.closed).code).not.toBe(0);
    const left = await query(
      database.url,
      `select nspname from pg_namespace where nspname like 'lockd%'`,
    );
    expect(left).toEqual([]);
    await expectNothingLeft(folder.path);
  }, 90_000);
});

describe('the verdict', () => {
  interface Table extends AsyncDisposable {
    readonly options: { readonly connectionString: string };
    mark(
      ...marks: readonly (readonly [item: number, kind: string, token: number])[]
    ): Promise<void>;
  }

  async function openTable(): Promise<Table> {
    const database: TestDatabase = await createDatabase();
    const options = { connectionString: database.url };
    await migrate(options);
    await createItems(options, 10);
    return {
      options,
      async mark(...marks) {
        for (const mark of marks) {
          await query(
            database.url,
            'insert into lockd.demo_mark (item, kind, token) values ($1, $2, $3)',
            mark,
          );
        }
      },
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  }

  const done = (item: number, token: number) =>
    [
      [item, 'taken', token],
      [item, 'begun', token],
      [item, 'finished', token],
    ] as const;
  const clean = { twice: 0, cutInHalf: 0, lost: 0, outOfTurn: 0, interrupted: 0 };

  test('is clean where each item was done once, one leader after the other', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7), ...done(2, 7), ...done(3, 9));
    expect(await judgeItems(table.options)).toEqual({ ...clean, processed: 3 });
  });

  test('knows an item whose leader was ended in the middle, and that the next one did', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7), [2, 'taken', 7], ...done(2, 9));
    expect(await judgeItems(table.options)).toEqual({ ...clean, processed: 2, interrupted: 1 });
  });

  test('finds an item that was done twice', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7), ...done(2, 7), ...done(2, 9));
    expect(await judgeItems(table.options)).toMatchObject({ processed: 2, twice: 1 });
  });

  test('finds an item that was done twice by the same leader', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7), ...done(1, 7));
    expect(await judgeItems(table.options)).toMatchObject({ processed: 1, twice: 1 });
  });

  test('finds an item that was begun by one and finished by another', async () => {
    await using table = await openTable();
    await table.mark([1, 'begun', 7], [1, 'finished', 9]);
    expect(await judgeItems(table.options)).toMatchObject({ cutInHalf: 1 });
  });

  test('finds an item that was begun and left', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7), [2, 'begun', 7], ...done(2, 9));
    expect(await judgeItems(table.options)).toMatchObject({ processed: 2, cutInHalf: 1 });
  });

  test('finds items that were taken or passed over, and done by nobody', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7), [2, 'taken', 7], ...done(4, 9));
    expect(await judgeItems(table.options)).toMatchObject({ processed: 2, lost: 2 });
  });

  test('finds what a leader did after its successor had begun', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7), ...done(2, 9), ...done(3, 7), ...done(4, 9));
    expect(await judgeItems(table.options)).toMatchObject({ processed: 4, outOfTurn: 2 });
  });

  test('measures the gap from the last item of one leader to the first of the next', async () => {
    await using table = await openTable();
    await table.mark(...done(1, 7));
    await sleep(150); // what is measured is time
    await table.mark(...done(2, 9));
    const { gapMs } = await readHandover(table.options, 7n, 9n);
    expect(gapMs).toBeGreaterThanOrEqual(150);
    expect(await readHandover(table.options, 9n, 11n)).toEqual({ gapMs: undefined });
  });
});

test('an item that a worker is cut off in is begun by nobody, and a stale token begins none', async () => {
  await using database = await createDatabase();
  const options = { connectionString: database.url };
  await migrate(options);
  await createItems(options, 3);
  await query(database.url, `select lockd.enroll('demo')`);
  await query(database.url, 'update lockd.fence set token = 7');
  const kinds = async () =>
    (await query(database.url, 'select kind from lockd.demo_mark order by id')).map(
      ({ kind }) => kind,
    );

  await using worker = await openItemWorker(options);
  expect(await worker.take(7n)).toBe(1);
  await worker.process('demo', 7n, 1, async () => {});
  expect(await worker.take(7n)).toBe(2);
  const cut = worker.process('demo', 7n, 2, async () => {
    await query(
      database.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lockd:demo'`,
    );
  });
  await expect(cut).rejects.toThrow();
  expect(await kinds()).toEqual(['taken', 'begun', 'finished', 'taken']);

  await using next = await openItemWorker(options);
  expect(await next.take(6n), 'the same item once more').toBe(2);
  await expect(next.process('demo', 6n, 2, async () => {})).rejects.toMatchObject({
    code: 'LOCKD_STALE_TOKEN',
  });
  expect(await kinds()).toEqual(['taken', 'begun', 'finished', 'taken', 'taken']);
});
