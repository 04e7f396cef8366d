/** The witness: started by a controller with `guard: true`, never by hand. Its parent is the host. */
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../core/clock.ts';
import { ControlLink } from '../core/control.ts';
import { silentLogger } from '../core/log.ts';
import { postgresStore } from '../postgres/store.ts';
import { isAlive } from './group.ts';
import type { ToWitness } from './witness.ts';

type Begin = Extract<ToWitness, { is: 'begin' }>;

/** It outlives the host, whatever the terminal or the service manager sends to both. */
for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGTSTP'] as const) {
  process.on(signal, () => {});
}

let begun: { begin: Begin; link: ControlLink } | undefined;
let term: { token: bigint; until: number } | undefined;

process.on('message', (message: ToWitness) => {
  switch (message.is) {
    case 'begin':
      begun = { begin: message, link: begin(message) };
      break;
    case 'vouch':
      term = { token: BigInt(message.token), until: message.until };
      break;
    case 'bye':
      term = undefined;
      // Later, because Node fails over a channel that is closed while it hands on what had piled up.
      setImmediate(() => process.disconnect());
      break;
  }
});

// End of file, which is no proof: a dying process closes its files before it is gone.
process.once('disconnect', async () => {
  if (begun === undefined) return;
  const { begin, link } = begun;
  for (let waitMs = 1; term !== undefined && systemClock.mono() < term.until; waitMs *= 1.2) {
    if (!isAlive(begin.host)) {
      await link.testify(term.token, 'testimony', 'its process died', term.until);
      break;
    }
    await pause(Math.min(waitMs, 50));
  }
  await link.stop();
});

function begin(message: Begin): ControlLink {
  const link = new ControlLink({
    ...message,
    store: postgresStore(message.database, { isWitness: true }),
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
  });
  link.start(() => {});
  return link;
}
