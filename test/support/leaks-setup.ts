import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { descendants } from '../../src/embedded/processes.ts';
import { expectNoChildren, expectNoLeaks, restingResources } from './leaks.ts';

/**
 * In every test file: each test must leave this process with no more handles, timers and process
 * listeners than it found; all of them together, surely, and one by one where they do not run at
 * the same time. What a file cleans up in its own hooks is forgiven: those run before.
 */
let beforeFile: Readonly<Record<string, number>> = {};
let childrenBefore: readonly number[] = [];
let beforeTest: Readonly<Record<string, number>> = {};

beforeAll(async () => {
  beforeFile = await restingResources('surely');
  childrenBefore = await descendants(process.pid);
});
afterAll(async () => {
  await expectNoLeaks(beforeFile);
  await expectNoChildren(childrenBefore);
});

beforeEach(async ({ task }) => {
  if (task.concurrent !== true) beforeTest = await restingResources('briefly');
});
afterEach(async ({ task }) => {
  if (task.concurrent !== true) await expectNoLeaks(beforeTest);
});
