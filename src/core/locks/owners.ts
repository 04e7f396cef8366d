import { AsyncLocalStorage } from 'node:async_hooks';

/** Whose routine is running: what it asks for within is asked for by the same owner. */
const around = new AsyncLocalStorage<string>();

export const ownerHere = (): string | undefined => around.getStore();

export const asOwner = <Result>(owner: string, routine: () => Result): Result =>
  around.run(owner, routine);
