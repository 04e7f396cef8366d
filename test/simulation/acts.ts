import type { Host, Life } from './host.ts';
import type { Network } from './network.ts';
import type { Server } from './server.ts';

/** What goes wrong, or is done on purpose, once everything is in order. */
export const acts = [
  'stop',
  'stop beside frozen standbys',
  'resign',
  'crash',
  'crash of everybody',
  'power cut',
  'freeze',
  'partition',
  'terminated session',
  'server restart',
  'server shutdown',
  'promotion',
  'snapshot restore',
] as const;

export type Act = (typeof acts)[number];

export interface Scene {
  readonly leader: Life;
  readonly hosts: readonly Host[];
  readonly network: Network;
  readonly server: Server;
}

export interface Struck {
  /** How long nobody may lead; from when the work of the old leader has gone, if that drains it. */
  readonly boundMs: number;
  readonly isDrained: boolean;
  /** Makes good what it did. */
  heal(): void;
}

/** Messages, disks and a 20 ms look at a pipe: whoever is told something acts on it within this. */
const promptMs = 400;
/** The longest pause before a new connection, once there is a server again. */
const reconnectMs = 1_000;
const downMs = 700;
/** Where nobody tells of an end, an heir reads the row now and then. */
const rereadMs = (hosts: readonly Host[]): number =>
  Math.min(1_000, Math.max(...hosts.map(({ plan }) => plan.ttlMs)) / 15);

/** A lease on the slowest clock. */
const leaseMs = (ttlMs: number, hosts: readonly Host[]): number =>
  ttlMs / Math.min(...hosts.map(({ plan }) => plan.rate));

/** Who may be waited for is not known: the longest lease counts, and from the grant. */
const doubtMs = (hosts: readonly Host[]): number =>
  leaseMs(Math.max(...hosts.map(({ plan }) => plan.ttlMs)), hosts);

/** A beat is seen a little after it is due; then it is as old for its successor as for its leader. */
const silenceMs = ({ leader, hosts }: Scene): number =>
  leaseMs(leader.host.plan.ttlMs, hosts) + promptMs;

const deathMs = (scene: Scene): number =>
  scene.leader.witness?.process.isAlive === true ? promptMs : silenceMs(scene);

export function strike(act: Act, scene: Scene): Struck {
  const { leader, hosts, network, server } = scene;
  const { host } = leader;
  switch (act) {
    case 'stop':
      leader.stop(false);
      return { boundMs: promptMs, isDrained: true, heal: () => leader.start() };
    case 'stop beside frozen standbys': {
      const frozen = hosts.filter((other) => other !== host).slice(1);
      for (const { life } of frozen) life.process.freeze(600_000);
      leader.stop(false);
      // Each may be granted the seat, and loses it when it has been idle for a heartbeat.
      const idleMs = frozen.reduce((sum, { plan }) => sum + Math.max(1_000, plan.ttlMs / 5), 0);
      const heal = (): void => {
        for (const other of frozen) other.wake();
        leader.start();
      };
      // One that goes first and is frozen is given way to for a second.
      return { boundMs: idleMs + 1_000 + promptMs, isDrained: true, heal };
    }
    case 'resign':
      leader.resign(false);
      return { boundMs: promptMs, isDrained: true, heal: () => {} };
    case 'crash': {
      const boundMs = deathMs(scene);
      leader.kill(false);
      return { boundMs, isDrained: false, heal: () => host.restart() };
    }
    case 'crash of everybody': {
      const boundMs = deathMs(scene) + rereadMs(hosts);
      for (const { life } of hosts) life.kill(false);
      for (const each of hosts) each.restart();
      return { boundMs, isDrained: false, heal: () => {} };
    }
    case 'power cut':
      leader.kill(true);
      return { boundMs: silenceMs(scene), isDrained: false, heal: () => host.restart() };
    case 'freeze':
      leader.process.freeze(600_000);
      return { boundMs: silenceMs(scene), isDrained: false, heal: () => host.wake() };
    case 'partition': {
      const heal = network.cut(host.name, 'all', 'both');
      return { boundMs: silenceMs(scene), isDrained: false, heal };
    }
    case 'terminated session':
      for (const backend of [...server.backends]) {
        if (backend.place === host.name && backend.purpose === 'seat') backend.end('terminated');
      }
      return { boundMs: promptMs, isDrained: true, heal: () => {} };
    case 'server restart':
      server.restart(downMs);
      return { boundMs: backMs(hosts), isDrained: true, heal: () => {} };
    case 'server shutdown':
      server.shutDownSmartly();
      return { boundMs: shutdownMs(scene), isDrained: true, heal: () => {} };
    case 'promotion':
      server.promote(0, downMs);
      return { boundMs: backMs(hosts) + doubtMs(hosts), isDrained: false, heal: () => {} };
    case 'snapshot restore':
      // The old leader hears nothing of it, and the clock is behind every token that was taken.
      for (const link of network.links(host.name, 'all')) network.sever(link, 'nobody', '');
      server.rewind(downMs);
      server.wall.step(-30_000);
      return { boundMs: backMs(hosts) + doubtMs(hosts), isDrained: false, heal: () => {} };
  }
}

/** Down, connected again, and what the old leader confesses is heard or read. */
const backMs = (hosts: readonly Host[]): number =>
  downMs + reconnectMs + rereadMs(hosts) + promptMs;

/** One probe per TTL finds out; whoever is in leaves, and it is down for a second. */
const shutdownMs = (scene: Scene): number =>
  leaseMs(scene.leader.host.plan.ttlMs, scene.hosts) + 1_000 + backMs(scene.hosts);
