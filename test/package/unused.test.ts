import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { finished } from './packed.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('no file, export or dependency is unused', async () => {
  const args = ['node_modules/knip/bin/knip.js', '--no-progress', '--treat-config-hints-as-errors'];
  const { code, stdout, stderr } = await finished(process.execPath, args, root);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
});
