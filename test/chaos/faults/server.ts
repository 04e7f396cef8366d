import { setTimeout as pause } from 'node:timers/promises';
import { now } from '../../support/story.ts';
import { chosen, drawFor, drawWho, type Fault, pick } from '../fault.ts';

/** The server is stopped, or crashes, and is started again. */
export const restart: Fault = {
  id: 'restart',
  weight: 4,
  draw: (luck) => ({
    mode: pick(luck, ['fast', 'immediate', 'crash'] as const),
    downMs: pick(luck, [0, 0, 400, 2_500]),
  }),
  async strike(stage, { mode, downMs }) {
    await stage.servers.stop(mode as 'fast' | 'immediate' | 'crash');
    await pause(Number(downMs));
    await stage.servers.start();
    return { cause: 'restart of the server', from: now(), whom: 'the server' };
  },
};

/** SIGKILL to the leader's backend: the server ends all its sessions and recovers. */
export const killBackend: Fault = {
  id: 'kill-backend',
  weight: 2,
  draw: () => ({}),
  async strike(stage) {
    const { leader } = stage;
    if (leader === undefined || !(await stage.killBackend(leader))) return undefined;
    await stage.servers.answers();
    return { cause: 'restart of the server', from: now(), whom: 'the server' };
  },
};

/** The whole server stands still, as on a machine that swaps; then it goes on as if nothing had been. */
export const freezeServer: Fault = {
  id: 'freeze-server',
  weight: 2,
  draw: drawFor,
  async strike(stage, { forMs }) {
    const pids = await stage.servers.pids();
    for (const pid of pids) stage.freeze(pid);
    await pause(Number(forMs));
    for (const pid of pids) stage.thaw(pid);
    return { cause: 'outage', from: now(), whom: 'the server' };
  },
};

/** One backend stands still, in the middle of whatever it does, and keeps its locks. */
export const freezeBackend: Fault = {
  id: 'freeze-backend',
  weight: 3,
  draw: (luck, ttlMs) => ({
    ...drawWho(luck),
    ...drawFor(luck, ttlMs),
    isSeat: luck.chance(0.7),
  }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const pids = await stage.backends(instance);
    const pid = details['isSeat'] === true ? pids[0] : pids.at(-1);
    if (pid === undefined) return undefined;
    stage.freeze(pid);
    await pause(Number(details['forMs']));
    stage.thaw(pid);
    // A standby's may be the one that the seat was granted to meanwhile.
    const whom = `a backend of ${instance.label}${leads ? '' : ', which stands by'}`;
    return { cause: 'outage', from: now(), whom };
  },
};

/**
 * The primary is stopped for good and its replica promoted. Without synchronous replication the
 * replica may be behind: the server may lose what was written last, a takeover as well.
 */
export const promote: Fault = {
  id: 'promote',
  weight: 2,
  draw: (luck) => ({
    isSynchronous: luck.chance(0.5),
    behindMs: pick(luck, [0, 150, 600]),
    hasHandover: luck.chance(0.5),
  }),
  prepare: async (stage, { isSynchronous }) => {
    await stage.servers.makeReplica(isSynchronous === true);
    await stage.settle();
  },
  async strike(stage, { isSynchronous, behindMs, hasHandover }) {
    const leftAt = now();
    // One that is synchronous is never behind: nothing could be written any more.
    if (isSynchronous !== true) await stage.servers.leaveReplicaBehind();
    if (hasHandover === true) stage.leader?.ask();
    await pause(Number(behindMs));
    const { stoppedAt } = await stage.servers.promote();
    stage.redirect();
    // What was sent a moment before the link was cut may not have arrived either.
    if (isSynchronous !== true) stage.forgiveLosses(leftAt - 200, stoppedAt + 50);
    return { cause: 'promotion', from: now(), whom: 'the server' };
  },
};
