// Has a group below it, runs out of files, and says what it then believes of that group.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { groupGone, groupOf, isAlive, signalGroup } from '../../dist/guard/group.js';

// Its leader goes at once, so that somebody has to look for the others.
const leader = spawn('sh', ['-c', 'sleep 60 & exec sleep 0.01'], {
  detached: true,
  stdio: 'ignore',
});
const group = groupOf(leader.pid);
const self = groupOf(process.pid);
await new Promise((resolve) => leader.once('exit', resolve));

const files = [];
try {
  for (;;) files.push(openSync('/dev/null'));
} catch {
  process.stdout.write('out of files\n');
}
let isGone = false;
const gone = groupGone(group).then(() => {
  isGone = true;
});
await pause(200);
process.stdout.write(
  `alive: ${isAlive({ pid: process.pid, started: self.started })}, gone: ${isGone}\n`,
);
for (const file of files) closeSync(file);
signalGroup(group, 'SIGKILL');
await gone;
process.stdout.write(`then gone: ${isGone}\n`);
