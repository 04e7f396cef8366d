import type { Fault } from '../fault.ts';
import { handOver, kill, killMachine, lockStep, stop } from './ends.ts';
import { blackhole, blackout, cut, delay } from './network.ts';
import { block, freeze, heldWithoutSession } from './pauses.ts';
import { freezeBackend, freezeServer, killBackend, promote, restart } from './server.ts';
import { noConnections, terminate } from './sessions.ts';

export const faults: readonly Fault[] = [
  stop,
  handOver,
  kill,
  killMachine,
  lockStep,
  freeze,
  block,
  heldWithoutSession,
  terminate,
  noConnections,
  restart,
  killBackend,
  freezeServer,
  freezeBackend,
  promote,
  blackhole,
  blackout,
  delay,
  cut,
];

/**
 * Those that can take the seat from a leader that does not notice. Whoever takes a free seat for
 * proof does not survive them for long.
 */
export const telling: readonly Fault[] = [heldWithoutSession, cut];
