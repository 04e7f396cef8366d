import type { Aggregator } from 'prom-client';
import type { SingletonLockController } from '../core/controller.ts';
import type { Standing } from '../core/surface.ts';

export interface Observed {
  readonly controller: SingletonLockController;
  /** The drain of its last term was warned of. */
  hasOverrun: boolean;
}

interface Described {
  readonly name: string;
  readonly help: string;
  /** What one series is made of that several processes of a `node:cluster` have. */
  readonly aggregator: Aggregator;
  /** Undefined where there is nothing to tell. */
  readonly read: (observed: Observed) => number | undefined;
}

/** What is asked of a controller when the metrics are read. */
export const gauges: readonly Described[] = [
  {
    name: 'lockd_is_leader',
    help: '1 while the gate of this instance is open, else 0.',
    aggregator: 'sum',
    read: from(({ state }) => Number(state === 'active')),
  },
  {
    name: 'lockd_leader_known',
    help: '1 while this instance leads or sees the beats of the one that does, else 0.',
    aggregator: 'max',
    read: from(({ leader }) => Number(leader !== undefined)),
  },
  {
    name: 'lockd_token',
    help: 'Fencing token of the term of this instance; no series while it has none.',
    aggregator: 'max',
    // Milliseconds since 1970, or more by one a term: exact in a double for 280 000 years.
    read: from(({ token }) => (token === undefined ? undefined : Number(token))),
  },
  {
    name: 'lockd_lease_remaining_seconds',
    help: 'How long the gate stays open without another beat; 0 while it is closed.',
    aggregator: 'max',
    read: from(({ validForMs }) => validForMs / 1_000),
  },
  {
    name: 'lockd_ttl_seconds',
    help: 'The TTL this instance leads with.',
    aggregator: 'max',
    read: from(({ ttlMs }) => ttlMs / 1_000),
  },
  {
    name: 'lockd_connected',
    help: '1 while it has a session to campaign or lead with, else 0; no series while it is stopped.',
    aggregator: 'min',
    read: from(({ state, isConnected }) => (state === 'stopped' ? undefined : Number(isConnected))),
  },
  {
    name: 'lockd_failures',
    help: 'Attempts to connect or to take over that have failed in a row.',
    aggregator: 'max',
    read: from(({ failures }) => failures),
  },
  {
    name: 'lockd_drain_overdue',
    help: '1 while work of an ended term goes on after the drain timeout, else 0.',
    aggregator: 'max',
    read: ({ controller, hasOverrun }) => Number(hasOverrun && controller.state === 'draining'),
  },
];

function from(
  read: (standing: Standing) => number | undefined,
): (observed: Observed) => number | undefined {
  return ({ controller }) => read(controller.standing());
}
