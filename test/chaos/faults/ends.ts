import { handOff } from '../../../src/postgres/handoff.ts';
import { signal } from '../../support/run.ts';
import { now } from '../../support/story.ts';
import { until } from '../../support/wait.ts';
import { type Cause, chosen, drawWho, type Fault, pick } from '../fault.ts';
import type { Instance, Role } from '../instance.ts';

/** SIGTERM, as a deploy sends it. */
export const stop: Fault = {
  id: 'stop',
  weight: 3,
  draw: drawWho,
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const cause: Cause = leads ? 'clean stop' : 'standby only';
    const from = now();
    instance.ask();
    await ended(instance);
    return { cause, from, whom: instance.label };
  },
};

/** Leadership is handed to one of those that wait; whoever it is, the others let it go first. */
export const handOver: Fault = {
  id: 'hand-over',
  weight: 3,
  draw: () => ({}),
  async strike(stage) {
    const { leader, name } = stage;
    if (leader === undefined || name === undefined) return undefined;
    const from = now();
    const request = { isWaiting: true, timeoutMs: 10_000 };
    const database = { connectionString: stage.servers.url };
    const { outcome } = await handOff(database, name, request);
    if (outcome === 'nobody' || outcome === 'no-candidate') return undefined;
    return { cause: 'clean stop', from, whom: leader.label };
  },
};

/** SIGKILL to one process: of `lockd run` guard, supervisor or command, of a host itself or its witness. */
export const kill: Fault = {
  id: 'kill',
  weight: 5,
  draw: (luck) => ({ ...drawWho(luck), role: Math.floor(luck.next() * 6) }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const role = roleOf(instance, Number(details['role']));
    const pid = await stage.pid(instance, role);
    if (pid === undefined) return undefined;
    const cause = leads ? await causeOf(instance, role) : 'standby only';
    const from = now();
    signal(pid, 'SIGKILL');
    // A host outlives its witness, and `lockd run` a command of a term that is over.
    const isEnd = role !== 'witness' && role !== 'command';
    if (isEnd) await ended(instance);
    return { cause, from, whom: `${instance.label}'s ${role}` };
  },
};

/** All processes of an instance at one stroke, as when its machine goes: nobody can testify. */
export const killMachine: Fault = {
  id: 'kill-machine',
  weight: 2,
  draw: drawWho,
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const cause: Cause = leads ? 'silence' : 'standby only';
    const from = now();
    await instance.killAll();
    await ended(instance);
    return { cause, from, whom: instance.label };
  },
};

/** Everybody at once, and all started again at once. */
export const lockStep: Fault = {
  id: 'lock-step',
  weight: 2,
  draw: (luck) => ({ how: pick(luck, ['stop', 'kill', 'kill-machine']) }),
  async strike(stage, { how }) {
    for (const instance of stage.instances) {
      if (how === 'stop') instance.ask();
      if (how === 'kill') instance.process.signal('SIGKILL');
      if (how === 'kill-machine') await instance.killAll();
    }
    await Promise.all(stage.instances.map(ended));
    const from = now();
    for (const instance of stage.instances) instance.start();
    return { cause: 'all restarted', from, whom: 'everybody' };
  },
};

/** A command is a leader's only; a standby has nothing of the kind. */
export function roleOf(instance: Instance, number: number): Role {
  const roles: readonly Role[] =
    instance.kind === 'run' ? [...instance.roles, 'command'] : instance.roles;
  return roles[number % roles.length] as Role;
}

async function causeOf(instance: Instance, role: Role): Promise<Cause> {
  if (role === 'command') return 'clean stop'; // `lockd run` ends as its command does
  if (role === 'witness') return 'standby only';
  if (instance.kind === 'run') return 'crash beside a guard';
  // An earlier round may have taken its witness: it gets no other one.
  const witness = instance.isGuarded ? await instance.pid('witness') : undefined;
  return witness === undefined ? 'silence' : 'crash beside a guard';
}

const ended = (instance: Instance): Promise<boolean> =>
  until(() => !instance.isRunning, {
    timeoutMs: 30_000,
    describe: () => `it has ended. ${instance.tail()}`,
  });
