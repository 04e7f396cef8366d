import { LockdError } from '../errors.ts';
import type { Member } from './memory.ts';
import type { LockStore } from './store.ts';

/** What a manager asks of a memory. No process beside this one can fall silent, or be forgotten. */
export function memoryStore({ process, table }: Member): LockStore {
  let isClosed = false;
  const open = (): typeof table => {
    if (isClosed) throw new LockdError('LOCKD_STOPPED', 'The lock manager was stopped.');
    return table;
  };
  return {
    take: async (under, wanted) => wanted.map((each) => open().take({ process, under }, each)),
    drop: async (holds) => holds.map(({ resource, request }) => open().leave(resource, request)),
    ask: async (under, wanted, mayQueue) => open().ask({ process, under }, wanted, mayQueue),
    leave: async (resource, request) => open().leave(resource, request),
    describe: async (resource, request, details) => open().describe(resource, request, details),
    beats: async () => [],
    expire: async () => false,
    queues: async (resources) => open().queues(resources),
    askBack: async (resource, requests, by, reason) =>
      open().askBack(resource, requests, by, reason),
    takeBack: async (resource, requests, by, reason) =>
      open().takeBack(resource, requests, by, reason),
    close: async () => {
      isClosed = true;
    },
  };
}
