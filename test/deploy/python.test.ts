import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { descendants } from '../../src/embedded/processes.ts';
import { migrate } from '../../src/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startCli, TestProcess } from '../support/processes.ts';
import { signal } from '../support/run.ts';
import { until } from '../support/wait.ts';
import { Spool } from './spool.ts';

const hasPython = spawnSync('python3', ['--version']).status === 0;
const script = (name: string): string =>
  fileURLToPath(new URL(`../../docs/deploy/${name}`, import.meta.url));
const secret = 'a-token-of-this-test';

async function migrated(): Promise<TestDatabase> {
  const database = await createDatabase();
  await migrate({ connectionString: database.url });
  return database;
}

test
  .skipIf(!hasPython)
  .concurrent('the check sees two workers that nothing keeps apart', async () => {
    await using spool = new Spool(5);
    const words = [script('worker_under_run.py'), spool.folder];
    const start = (token: string) =>
      new TestProcess('python3', words, { env: { LOCKD_NAME: 'none', LOCKD_TOKEN: token } });
    await using one = start('1');
    await using two = start('2');
    await Promise.all([one, two].map((each) => Promise.race([each.exited, spool.reaches(5)])));
    expect(spool.wrong().join('\n')).toMatch(/was begun while another one was being done/);
  });

test
  .skipIf(!hasPython)
  .concurrent(
    'a Python worker under `lockd run` finishes what it has begun when TERM goes to every process, and the next one goes on',
    async () => {
      await using database = await migrated();
      await using spool = new Spool(16);
      const start = (label: string) =>
        startCli(
          [
            'run',
            'billing',
            '--label',
            label,
            '--',
            'python3',
            script('worker_under_run.py'),
            spool.folder,
          ],
          { env: { DATABASE_URL: database.url } },
        );
      await using old = start('old');
      await old.line(/started the command/);
      await using next = start('next');
      await next.line(/observed a leader/);
      const before = await spool.reaches(4);

      // Some platforms signal all that runs in a container, and not the first process alone.
      for (const pid of [...(await descendants(old.pid)), old.pid]) signal(pid, 'SIGTERM');
      expect(await old.exited).toEqual({ code: 0, signal: null });
      await spool.ends();
      next.signal('SIGTERM');
      expect(await next.exited).toEqual({ code: 0, signal: null });

      expect(spool.wrong()).toEqual([]);
      const tokens = [...new Set(spool.done.map(({ token }) => token))];
      expect(tokens).toHaveLength(2);
      expect(tokens[0]).toBe(before);
    },
  );

test
  .skipIf(!hasPython)
  .concurrent(
    'a Python worker that asks its sidecar never works beside another one: through a freeze of the sidecar, and a handover',
    async () => {
      await using database = await migrated();
      await using spool = new Spool();
      const serve = (label: string): TestProcess =>
        startCli(
          [
            'serve',
            'billing',
            '--listen',
            '127.0.0.1:0',
            '--label',
            label,
            '--ttl',
            '2s',
            '--promise',
            '1s',
          ],
          { env: { DATABASE_URL: database.url, LOCKD_AUTH_TOKEN: secret } },
        );
      const work = async (sidecar: TestProcess): Promise<TestProcess> => {
        const url = /http:[^"\s]+/.exec(await sidecar.line(/serving/))?.[0];
        return new TestProcess('python3', [script('worker_polling.py'), spool.folder], {
          env: { SIDECAR_URL: url, LOCKD_AUTH_TOKEN: secret },
        });
      };
      await using one = serve('one');
      await using workerOfOne = await work(one);
      await one.line(/became active/);
      await using two = serve('two');
      await using workerOfTwo = await work(two);
      await two.line(/observed a leader/);
      spool.add(16);
      const first = await spool.reaches(3);

      one.signal('SIGSTOP');
      const isTaken = () => spool.done.find(({ token }) => token > first);
      const taken = await until(isTaken, { describe: 'the other worker goes on' });
      expect(taken.pid).toBe(workerOfTwo.pid);
      one.signal('SIGCONT');
      await one.line(/observed a leader/);
      await spool.ends();
      spool.add(8);
      await spool.reaches(18);

      two.signal('SIGTERM');
      expect(await two.exited).toEqual({ code: 0, signal: null });
      await spool.ends();
      expect(spool.done.at(-1)?.pid).toBe(workerOfOne.pid);
      expect(spool.wrong()).toEqual([]);

      // Nobody to ask is nobody who leads: it keeps asking, and ends when it is told to.
      await workerOfTwo.line(/Connection refused/);
      for (const worker of [workerOfOne, workerOfTwo]) {
        worker.signal('SIGTERM');
        expect(await worker.exited).toEqual({ code: 0, signal: null });
      }
    },
  );
