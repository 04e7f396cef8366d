/**
 * The witness: started by a controller with `guard: true`, never by hand. Its parent is the host.
 *
 * Node forgets what nobody has heard yet when the other end goes away, and that it has gone. So all
 * is listened to before the rest is loaded: a host may die that young.
 */
import type { ToWitness } from './witness.ts';

/** It outlives the host, whatever the terminal or the service manager sends to both. */
for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGTSTP'] as const) {
  process.on(signal, () => {});
}

const early: ToWitness[] = [];
let hear = (message: ToWitness): void => void early.push(message);
process.on('message', (message: ToWitness) => hear(message));
// End of file, which is no proof: a dying process closes its files before it is gone.
const orphaned = new Promise<unknown>((resolve) => process.once('disconnect', resolve));

const { WitnessProcess } = await import('./witness-process.ts');
const witness = new WitnessProcess();
hear = (message) => witness.hear(message);
for (const message of early) hear(message);
await orphaned;
await witness.succeed();
