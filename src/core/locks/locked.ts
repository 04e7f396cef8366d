import { callable, methods } from '../checks.ts';
import { LockdError } from '../errors.ts';
import { kindOf } from '../known.ts';
import type { LockManager } from './manager.ts';
import { type AcquireOptions, checkResource, settleRequest } from './options.ts';

/** What TypeScript's standard decorators are given, and give back: a method that answers in time. */
type Method<This, Args extends unknown[], Result> = (this: This, ...args: Args) => Promise<Result>;

/** The methods that begin with the arguments that the resource depends on. */
export type Locked<This extends object, Key extends unknown[]> = <
  Self extends This,
  Args extends [...Key, ...unknown[]],
  Result,
>(
  method: Method<Self, Args, Result>,
  context: ClassMethodDecoratorContext<Self>,
) => Method<Self, Args, Result>;

export interface LockedOptions<This> extends AcquireOptions {
  /**
   * Which manager, or how to find it for the object that the method is called on.
   * @default its `locks`
   */
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
 *
 * What does not fit throws `LOCKD_INVALID_OPTION` where the method is decorated. The method has to be
 * async, and rejects as `using` does.
 */
export function locked<This extends object, Key extends unknown[]>(
  resource: string | ((this: This, ...args: Key) => string),
  options: LockedOptions<This> = {},
): Locked<This, Key> {
  const { locks, ...acquiring } = options;
  settleRequest(typeof resource === 'function' ? 'later' : checkResource(resource), acquiring);
  return (method, context) => {
    callable('method', method);
    const around: typeof method = async function (...args) {
      const manager = managerOf(this, locks, context.name);
      // Of all arguments the resource takes those that it knows of: they begin with these.
      const name =
        typeof resource === 'function' ? resource.apply(this, args as unknown as Key) : resource;
      return manager.using(name, acquiring, () => method.apply(this, args));
    };
    // Frameworks go by these: it is the same method.
    return Object.defineProperties(around, {
      name: { value: method.name, configurable: true },
      length: { value: method.length, configurable: true },
    });
  };
}

function managerOf<This extends object>(
  self: This,
  locks: LockedOptions<This>['locks'],
  method: string | symbol,
): Pick<LockManager, 'using'> {
  const own = (self as { readonly locks?: LockManager } | undefined)?.locks;
  const found = typeof locks === 'function' ? locks(self) : (locks ?? own);
  if (found === undefined || found === null) {
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      `There is no lock manager for \`${String(method)}\`: \`locks\` is ${kindOf(found)}. Give its object a property \`locks\`, or \`locked\` the option \`locks\`.`,
    );
  }
  return methods<Pick<LockManager, 'using'>>('locks', found, ['using']);
}
