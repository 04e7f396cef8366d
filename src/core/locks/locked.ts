import { callable } from '../checks.ts';
import type { LockManager } from './manager.ts';
import type { AcquireOptions } from './options.ts';

/** A method as TypeScript's standard decorators have it. */
type Method<This, Args extends unknown[], Result> = (
  this: This,
  ...args: Args
) => Promise<Result> | Result;

export interface LockedOptions<This> extends AcquireOptions {
  /** Which manager. Default: the `locks` of the object that the method is called on. */
  readonly locks?: LockManager | ((self: This) => LockManager) | undefined;
}

/**
 * A decorator: the method runs while it holds `resource`, which may depend on what it is called with.
 *
 *     class Orders {
 *       constructor(readonly locks: LockManager) {}
 *
 *       @locked((id: string) => `order:${id}`, { waitMs: 5_000 })
 *       async ship(id: string) { … }
 *     }
 */
export function locked<This extends object, Args extends unknown[], Result>(
  resource: string | ((...args: Args) => string),
  options: LockedOptions<This> = {},
): (
  method: Method<This, Args, Result>,
  context: ClassMethodDecoratorContext<This>,
) => (this: This, ...args: Args) => Promise<Result> {
  const { locks, ...acquiring } = options;
  return (method) => {
    callable('method', method);
    return async function (this: This, ...args: Args): Promise<Result> {
      const manager = typeof locks === 'function' ? locks(this) : (locks ?? managerOf(this));
      const name = typeof resource === 'function' ? resource(...args) : resource;
      return manager.using(name, acquiring, () => method.apply(this, args));
    };
  };
}

const managerOf = (self: object): LockManager => (self as { locks: LockManager }).locks;
