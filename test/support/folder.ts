import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

export interface TestFolder extends AsyncDisposable {
  readonly path: string;
}

/** A folder that is TMPDIR, too, while it lasts: so a test sees what is left of temporary files. */
export async function temporaryFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'lockd-test-'));
  // Where tests run as root, the servers they start do not.
  await chmod(path, 0o755);
  vi.stubEnv('TMPDIR', path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      vi.unstubAllEnvs();
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
