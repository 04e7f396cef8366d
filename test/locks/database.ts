import { LockManager, migrate, type ResourceLockOptions } from '../../src/index.ts';
import { createDatabase } from '../support/database.ts';

export interface LockDatabase extends AsyncDisposable {
  readonly url: string;
  /** Each stands for a process: it has a lease and sessions of its own. */
  manager(options?: ResourceLockOptions): LockManager;
}

/** A database of its own, and managers on it that end with it. */
export async function lockDatabase(): Promise<LockDatabase> {
  const database = await createDatabase();
  await migrate({ connectionString: database.url });
  const managers: LockManager[] = [];
  return {
    url: database.url,
    manager(options = {}) {
      const manager = new LockManager({
        connectionString: database.url,
        drainTimeoutMs: 100,
        ...options,
      });
      managers.push(manager);
      return manager;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(managers.map((manager) => manager.stop({ force: true })));
      await database[Symbol.asyncDispose]();
    },
  };
}
