import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import {
  askGroup,
  type Group,
  groupGone,
  groupOf,
  isAlive,
  lookAt,
  signalGroup,
  startedOf,
} from '../../src/guard/group.ts';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const hasPython = process.platform === 'linux' && spawnSync('python3', ['--version']).status === 0;

const stateOf = (pid: number): string | undefined =>
  /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1];

test('a zombie answers a signal, and counts as gone', async () => {
  // A shell would reap it; what the shell has become does not.
  await using parent = shell('sleep 0.01 & echo $!; exec sleep 60');
  const group = groupOf(parent.pid);
  const zombie = Number(await parent.line(/^\d+$/));
  const started = startedOf(zombie) as string;
  await until(() => !isAlive({ pid: zombie, started }), { describe: 'it is dead' });
  expect(process.kill(zombie, 0)).toBe(true);
  expect(membersOf(group)).toMatchObject([{ pid: parent.pid }]);
});

test('a group of nothing but a zombie is gone', async () => {
  const orphaned = "exec 3<&0; setsid sh -c 'echo $$; read -r word' <&3 & exec sleep 60";
  await using parent = shell(orphaned);
  const group = groupOf(Number(await parent.line(/^\d+$/)));
  expect(membersOf(group)).toMatchObject([{ pid: group.id, started: group.started }]);
  parent.write('end\n');
  await groupGone(group);
  expect(process.kill(-group.id, 0)).toBe(true);
});

test('a group is there for as long as the last of its members, whoever led it', async () => {
  await using leader = shell('sleep 60 & echo $!');
  const group = groupOf(leader.pid);
  const last = Number(await leader.line(/^\d+$/));
  await leader.exited;
  const gone = groupGone(group).then(() => 'gone');
  expect(membersOf(group)).toMatchObject([{ pid: last, group: leader.pid }]);
  expect(await Promise.race([gone, pause(200, 'there')])).toBe('there');
  process.kill(last, 'SIGKILL');
  expect(await gone).toBe('gone');
});

test('a group that hands itself on from one process to the next is there, and hears a signal', async () => {
  // None of them lives for more than a moment: who looks at one after the other misses them all.
  const relay = 'sh -c "$relay" & exit 0';
  await using first = shell(`export relay='${relay}'; read -r word; exec sh -c "$relay"`);
  const group = groupOf(first.pid);
  first.write('begin\n');
  // Its leader is ours to reap, the others are not: theirs is another fate than its.
  const gone = groupGone(group, first.exited).then(() => 'gone');
  expect(await Promise.race([gone, pause(300, 'there')])).toBe('there');
  signalGroup(group, 'SIGKILL');
  expect(await gone).toBe('gone');
});

const headless = [
  'import ctypes, threading, time',
  'threading.Thread(target=time.sleep, args=(60,)).start()',
  'print("headless", flush=True)',
  'ctypes.CDLL(None).pthread_exit(None)',
].join('\n');

test.skipIf(!hasPython)(
  'a process whose main thread has left lives on in its other threads',
  async () => {
    await using left = new TestProcess('python3', ['-c', headless]);
    const group = groupOf(left.pid);
    await left.line(/headless/);
    await until(() => stateOf(left.pid) === 'Z', { describe: 'the kernel calls it a zombie' });
    expect(membersOf(group)).toMatchObject([{ pid: left.pid }]);
    const gone = groupGone(group).then(() => 'gone');
    expect(await Promise.race([gone, pause(200, 'there')])).toBe('there');
    signalGroup(group, 'SIGKILL');
    expect(await gone).toBe('gone');
  },
);

test('whoever cannot look takes nobody for dead', async () => {
  await using blind = new TestProcess('sh', [
    '-c',
    'ulimit -n 40; exec "$0" "$@"',
    process.execPath,
    fileURLToPath(new URL('../support/blind.js', import.meta.url)),
  ]);
  await blind.line(/^out of files$/);
  await blind.line(/^alive: true, gone: false$/);
  await blind.line(/^then gone: true$/);
});

test('a process, or a group, of the same number that was started at another time is another one', async () => {
  await using other = shell('exec sleep 60');
  const group = groupOf(other.pid);
  expect(isAlive({ pid: other.pid, started: startedOf(other.pid) as string })).toBe(true);
  expect(isAlive({ pid: other.pid, started: 'before' })).toBe(false);
  const former = { ...group, started: 'before' };
  expect(membersOf(former)).toEqual([]);
  await groupGone(former);
  signalGroup(former, 'SIGKILL');
  expect(membersOf(group)).toHaveLength(1);
});

test('a group that was stopped hears what it is asked', async () => {
  const trap = 'trap "echo heard; exit 0" TERM; echo ready; while :; do sleep 0.02; done';
  await using stopped = shell(trap);
  await stopped.line(/ready/);
  stopped.signalGroup('SIGSTOP');
  askGroup(groupOf(stopped.pid), 'SIGTERM');
  await stopped.line(/heard/);
});

test('to signal a group that is gone is no error', async () => {
  await using short = shell('read -r word');
  const group = groupOf(short.pid);
  short.write('end\n');
  await short.exited;
  expect(() => signalGroup(group, 'SIGTERM')).not.toThrow();
  expect(membersOf(group)).toEqual([]);
  await groupGone(group);
});

const membersOf = (group: Group) => lookAt(group).living;

const shell = (script: string): TestProcess => new TestProcess('sh', ['-c', script]);
