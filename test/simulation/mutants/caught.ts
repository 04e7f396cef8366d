import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { coreMutants } from './core.ts';
import { holdMutants } from './holds.ts';
import { serverMutants } from './server.ts';

const mutants = { core: coreMutants, server: serverMutants, holds: holdMutants };

/** In a process of its own: what a broken core lets escape must not disturb the test runner. */
export function expectAllCaught(of: keyof typeof mutants): void {
  test(`each of ${mutants[of].length} mistakes in the ${of} is noticed on CI's schedules`, async () => {
    const program = fileURLToPath(new URL('../mutants.js', import.meta.url));
    // Rejects, with the table in its message, when the program ends with another code than 0.
    const { stdout } = await promisify(execFile)(process.execPath, [program, '--of', of]);
    console.log(stdout);
    const caught = stdout.trimEnd().split('\n').slice(0, -1);
    expect(caught).toHaveLength(mutants[of].length);
    expect(stdout).not.toMatch(/NOBODY|MEANT/);
  }, 600_000);
}
