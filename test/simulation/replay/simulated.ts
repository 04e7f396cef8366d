import type { Lease } from '../../../src/core/machine/lease.ts';
import { settleOptions } from '../../../src/core/options.ts';
import type { Candidate, Notice } from '../../../src/core/store.ts';
import { Connection, type ConnectionHooks, type Place } from '../connection.ts';
import { Machine } from '../machine.ts';
import type { Purpose, Request } from '../messages.ts';
import { Network } from '../network.ts';
import { Process } from '../process.ts';
import { leaseOf } from '../protocol.ts';
import { type Observer, Server } from '../server.ts';
import { World } from '../world.ts';
import { type Call, campaigners, type Side, writers } from './trace.ts';

const nobody: Observer = {
  asked: () => {},
  attempted: () => {},
  taken: () => {},
  marked: () => {},
  unlocked: () => {},
  fencedCommit: () => {},
};

/** Long enough that nothing ends by itself, and one for all sessions of a number. */
export const candidate = (session: number): Candidate => {
  const instance = `00000000-0000-4000-8000-00000000000${session}`;
  const label = `session ${session}`;
  return settleOptions({ name: 'telegram-bot', label, ttlMs: 36_000_000 }, instance).candidate;
};

/** Sessions on the simulated server, on a quiet day. */
export class SimulatedSide implements Side {
  readonly #world = new World(1, { isTold: false });
  readonly #server = new Server(this.#world, nobody, 1);
  readonly #place: Place;
  readonly #sessions: Connection[] = [];
  readonly notices: Notice[] = [];

  constructor() {
    const world = this.#world;
    const machine = new Machine(world, 1);
    const process = new Process(world, machine, 'client');
    const network = new Network(world, { latencyMs: 0.5, spikeChance: 0, spikeMs: 0 });
    const clock = machine.clockFor(process);
    const luck = world.luck('network');
    this.#place = { name: 'client', process, clock, network, server: this.#server, luck };
  }

  async open(): Promise<this> {
    const listener: ConnectionHooks = { notice: (notice) => this.notices.push(notice) };
    await this.#connect('control', 9, listener);
    for (let session = 0; session < campaigners + writers; session += 1) {
      this.#sessions.push(await this.#connect(purposeOf(session), session));
    }
    return this;
  }

  ask(session: number, call: Call): Promise<unknown> {
    return (this.#sessions[session] as Connection).ask(requestOf(call, session));
  }

  async kill(session: number): Promise<void> {
    (this.#sessions[session] as Connection).destroy();
    await this.settle();
    this.#sessions[session] = await this.#connect(purposeOf(session), session);
  }

  settle(): Promise<void> {
    return this.#world.run(this.#world.now + 2_000, () => {});
  }

  async lease(): Promise<Lease> {
    return leaseOf(this.#server);
  }

  sessionOf(pid: number): number {
    return this.#sessions.findIndex(({ backend }) => backend === pid);
  }

  async #connect(
    purpose: Purpose,
    session: number,
    hooks: ConnectionHooks = {},
  ): Promise<Connection> {
    const connection = new Connection(this.#place, 'seat', 86_400_000, hooks);
    const connected = connection.connect(purpose, candidate(session));
    await this.settle();
    await connected;
    return connection;
  }
}

const purposeOf = (session: number): Purpose => (session < campaigners ? 'seat' : 'work');

function requestOf(call: Call, session: number): Request {
  const who = candidate(session);
  switch (call.do) {
    case 'attempt':
      return { ask: 'attempt', waitMs: call.waitMs, idleMs: who.passiveIdleMs, yieldedMs: 0 };
    case 'takeover':
      return { ask: 'takeover', bid: call.bid, who };
    case 'release':
      return { ask: 'release', token: call.token, reason: 'because' };
    case 'confession':
    case 'testimony':
      return { ask: 'testify', token: call.token, by: call.do, reason: 'because' };
    case 'beat':
    case 'fence':
      return { ask: call.do, token: call.token };
    default:
      return { ask: call.do };
  }
}
