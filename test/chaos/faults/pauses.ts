import { setTimeout as pause } from 'node:timers/promises';
import { now } from '../../support/story.ts';
import {
  type Cause,
  chosen,
  type Details,
  drawFor,
  drawWho,
  type Fault,
  pick,
  type Struck,
  type Victim,
} from '../fault.ts';
import type { Ground } from '../ground.ts';
import type { Instance, Role } from '../instance.ts';
import { roleOf } from './ends.ts';

/** SIGSTOP to one process, SIGCONT later. */
export const freeze: Fault = {
  id: 'freeze',
  weight: 5,
  draw: (luck, ttlMs) => ({
    ...drawWho(luck),
    ...drawFor(luck, ttlMs),
    role: Math.floor(luck.next() * 6),
  }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const role = roleOf(victim.instance, Number(details['role']));
    return frozen(stage, victim, role, () => pause(Number(details['forMs'])));
  },
};

/** The event loop of a host that embeds the library; a supervisor has none to block, it is frozen. */
export const block: Fault = {
  id: 'block',
  weight: 3,
  draw: (luck, ttlMs) => ({ ...drawWho(luck), ...drawFor(luck, ttlMs) }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    return held(stage, victim, details, () => pause(Number(details['forMs'])));
  },
};

/** Frozen or blocked, and its sessions are ended meanwhile: so the server gives its seat away at once. */
export const heldWithoutSession: Fault = {
  id: 'held-without-session',
  weight: 4,
  draw: (luck, ttlMs) => ({
    ...drawWho(luck),
    ...drawFor(luck, ttlMs, 0.4),
    by: pick(luck, ['terminate', 'reset', 'restart', 'crash', 'backend']),
    isBlocked: luck.chance(0.6),
  }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance } = victim;
    const forMs = Number(details['forMs']);
    let ending: Ending = { hasStruck: false };
    const meanwhile = async () => {
      const thawAt = now() + forMs;
      await pause(forMs / 10);
      ending = await endSessions(stage, instance, `${details['by']}`);
      await pause(Math.max(0, thawAt - now()));
    };
    const role = instance.kind === 'run' ? 'supervisor' : 'host';
    const struck =
      details['isBlocked'] === true
        ? await held(stage, victim, details, meanwhile)
        : await frozen(stage, victim, role, meanwhile);
    if (struck === undefined || !ending.hasStruck) return undefined;
    if (victim.leads || ending.backAt === undefined) return struck;
    return { ...struck, cause: 'restart of the server', from: ending.backAt };
  },
};

interface Ending {
  readonly hasStruck: boolean;
  /** When the server was back, if everybody's sessions have ended. */
  readonly backAt?: number;
}

async function endSessions(stage: Ground, instance: Instance, by: string): Promise<Ending> {
  switch (by) {
    case 'terminate':
      return { hasStruck: (await stage.terminate(await stage.backends(instance))) > 0 };
    case 'reset': {
      const hasStruck = instance.proxy.connections.some(({ isOpen }) => isOpen);
      instance.proxy.resetServerSide();
      return { hasStruck };
    }
    case 'backend': {
      const hasStruck = await stage.killBackend(instance);
      await stage.servers.answers();
      return { hasStruck, backAt: now() };
    }
    default:
      await stage.servers.stop(by === 'crash' ? 'crash' : 'immediate');
      await stage.servers.start();
      return { hasStruck: true, backAt: now() };
  }
}

async function held(
  stage: Ground,
  victim: Victim,
  details: Details,
  meanwhile: () => Promise<void>,
): Promise<Struck | undefined> {
  const { instance, leads } = victim;
  if (instance.kind === 'run') return frozen(stage, victim, 'supervisor', meanwhile);
  const cause = leads ? 'silence' : 'standby only';
  const from = now();
  instance.block(Number(details['forMs']));
  await meanwhile();
  return { cause, from, whom: `${instance.label}, blocked` };
}

/** Never both processes of a `lockd run`: that is a container paused as a whole, which is not promised. */
async function frozen(
  stage: Ground,
  { instance, leads }: Victim,
  role: Role,
  meanwhile: () => Promise<void>,
): Promise<Struck | undefined> {
  const pid = await stage.pid(instance, role);
  if (pid === undefined) return undefined;
  const from = now();
  stage.freeze(pid);
  await meanwhile();
  stage.thaw(pid);
  return {
    cause: leads ? causeOf(role) : 'standby only',
    from,
    whom: `${instance.label}'s ${role}`,
  };
}

function causeOf(role: Role): Cause {
  if (role === 'command') return 'frozen command';
  return role === 'witness' ? 'standby only' : 'silence';
}
