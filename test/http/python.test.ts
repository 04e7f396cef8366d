import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type Contender, holdElection } from '../support/election.ts';
import { temporaryFolder } from '../support/folder.ts';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { served } from './asking.ts';

const isThere =
  process.platform === 'linux' &&
  spawnSync('python3', ['--version'], { timeout: 10_000 }).status === 0;
if (!isThere) console.log('The worker in Python is not tried: there is no python3 here.');

/** The sample of the guide, as it stands there. */
async function worker(): Promise<string> {
  const page = await readFile(new URL('../../docs/sidecar.md', import.meta.url), 'utf8');
  return /```python\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
}

test.skipIf(!isThere)(
  'a worker in Python works where its sidecar leads, and nowhere else',
  async () => {
    await using election = await holdElection({ ttlMs: 60_000 });
    await using folder = await temporaryFolder();
    const program = `${folder.path}/worker.py`;
    await writeFile(program, await worker());
    const first = await election.lead('first');
    const second = await election.standBy('second');
    await using one = await served(first, { promiseMs: 1_000 });
    await using other = await served(second, { promiseMs: 1_000 });
    const beside = ({ url }: { url: string }) =>
      new TestProcess('python3', [program], { env: { SIDECAR: new URL(url).host } });
    await using mine = beside(one);
    await using theirs = beside(other);
    const under = ({ controller }: Contender) => `working under ${controller.term?.token}`;
    const [early, isFirst] = [under(first), new RegExp(under(first))];
    await mine.line(isFirst);
    await mine.line(isFirst);
    expect(theirs.stdout).toEqual([]);
    await first.controller.resign();
    const done = mine.stdout.length;
    await theirs.line(/working under/);
    expect(mine.stdout.length).toBe(done); // the seat was kept until it had stopped
    await until(() => theirs.stdout.length > 2);
    expect(new Set(theirs.stdout)).toEqual(new Set([under(second)]));
    expect(new Set(mine.stdout)).toEqual(new Set([early]));
    await one.close(); // no answer at all is none
  },
);
