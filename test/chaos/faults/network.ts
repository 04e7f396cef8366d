import { setTimeout as pause } from 'node:timers/promises';
import { now } from '../../support/story.ts';
import { chosen, drawFor, drawWho, type Fault, pick } from '../fault.ts';

/** Packets to, from, or to and from one instance are swallowed; later all arrive that were under way. */
export const blackhole: Fault = {
  id: 'blackhole',
  weight: 4,
  draw: (luck, ttlMs) => ({
    ...drawWho(luck),
    ...drawFor(luck, ttlMs),
    directions: pick(luck, ['both', 'to-server', 'to-client']),
  }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const cause = leads ? 'silence' : 'standby only';
    const from = now();
    instance.proxy.blackhole(details['directions'] as 'both' | 'to-server' | 'to-client');
    await pause(Number(details['forMs']));
    instance.proxy.heal();
    return { cause, from, whom: instance.label };
  },
};

/** The same for everybody: nobody can lead until it is over. */
export const blackout: Fault = {
  id: 'blackout',
  weight: 2,
  draw: drawFor,
  async strike(stage, { forMs }) {
    for (const { proxy } of stage.instances) proxy.blackhole();
    await pause(Number(forMs));
    for (const { proxy } of stage.instances) proxy.heal();
    return { cause: 'outage', from: now(), whom: 'everybody' };
  },
};

/** Every packet takes this much longer. */
export const delay: Fault = {
  id: 'delay',
  weight: 3,
  draw: (luck, ttlMs) => ({
    ...drawWho(luck),
    ...drawFor(luck, ttlMs, 0.5, 2),
    byMs: Math.round(ttlMs * luck.between(0.02, 1.1)),
  }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const cause = leads ? 'silence' : 'standby only';
    const byMs = Number(details['byMs']);
    // Its last beat arrives this late, and so is waited for this much longer.
    const from = now() + byMs;
    instance.proxy.delay(byMs);
    await pause(Number(details['forMs']));
    instance.proxy.heal();
    return { cause, from, whom: instance.label };
  },
};

/** Both sides see a reset; or one, and the other keeps half a connection. New connections may be refused. */
export const cut: Fault = {
  id: 'cut',
  weight: 5,
  draw: (luck, ttlMs) => ({
    ...drawWho(luck),
    side: pick(luck, ['both', 'server', 'client']),
    isRefused: luck.chance(0.4),
    // The others go on: a worker that has not heard of it writes on, until the fence stops it.
    isOnlyLockd: luck.chance(0.4),
    ...drawFor(luck, ttlMs, 0.1, 1.5),
  }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const { side, isRefused, isOnlyLockd, forMs } = details;
    const isPrompt = side === 'both' && isRefused !== true;
    const from = now();
    if (isRefused === true) await instance.proxy.refuse();
    let struck = 0;
    for (const connection of instance.proxy.connections) {
      if (!connection.isOpen) continue;
      if (isOnlyLockd === true && !connection.applicationName?.startsWith('lockd:')) continue;
      struck += 1;
      if (side === 'both') connection.cut();
      else if (side === 'server') connection.resetServerSide();
      else connection.resetClientSide();
    }
    if (isRefused === true) {
      await pause(Number(forMs));
      await instance.proxy.accept();
    }
    if (struck === 0) return undefined;
    // Half a connection is found out at the end of the lease: by who holds it, or by the server.
    const cause = isPrompt ? 'lost session' : 'silence';
    return { cause: leads ? cause : 'standby only', from, whom: instance.label };
  },
};
