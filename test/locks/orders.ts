import type { locked } from '../../src/core/locks/locked.ts';
import type { LockManager } from '../../src/core/locks/manager.ts';

/** Nothing is imported that is left when it runs: the test compiles this as a user of TypeScript does. */
export function classes(lock: typeof locked, named: LockManager) {
  class Orders {
    readonly tenant = 'acme';
    readonly locks: LockManager;
    readonly seen: unknown[] = [];

    constructor(locks: LockManager) {
      this.locks = locks;
    }

    @lock('orders')
    async count(): Promise<number> {
      return this.seen.length;
    }

    /** The resource depends on the first argument only. */
    @lock((id: string) => `order:${id}`, { waitMs: 0, reason: 'shipping' })
    async ship(id: string, go: Promise<void>): Promise<string> {
      this.seen.push(await this.locks.holderOf(`order:${id}`));
      await go;
      return `${this.tenant} has shipped ${id}`;
    }

    @lock(function (this: Orders, id: number) {
      return `${this.tenant}:${id}`;
    })
    async bill(id: number): Promise<unknown> {
      return (await this.locks.holderOf(`acme:${id}`))?.resource;
    }

    @lock('orders')
    async fail(): Promise<never> {
      throw new Error('out of stock');
    }

    @lock('outer')
    async outer(): Promise<boolean> {
      return this.inner();
    }

    @lock('inner')
    async inner(): Promise<boolean> {
      const { locks } = this;
      const [outer, inner] = [await locks.holderOf('outer'), await locks.holderOf('inner')];
      return outer !== undefined && inner?.owner === `${outer.owner}/1`;
    }
  }

  class Job {
    readonly own: LockManager;
    readonly locks = undefined;

    constructor(own: LockManager) {
      this.own = own;
    }

    @lock('job')
    async run(): Promise<void> {}

    @lock('job', { locks: named })
    async named(): Promise<boolean[]> {
      return [await named.isLocked('job'), await this.own.isLocked('job')];
    }

    @lock('job', { locks: (self: Job) => self.own })
    async found(): Promise<boolean[]> {
      return [await named.isLocked('job'), await this.own.isLocked('job')];
    }

    @lock('jobs', { locks: named })
    static async all(): Promise<boolean> {
      return named.isLocked('jobs');
    }
  }

  return { Orders, Job };
}
