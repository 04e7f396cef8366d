import { Storm } from './faults.ts';
import { playFinale } from './finale.ts';
import { Host } from './host.ts';
import { Judge } from './invariants.ts';
import { Network } from './network.ts';
import { type Schedule, stormParts } from './schedule.ts';
import { Server } from './server.ts';
import { Tally } from './tally.ts';
import { type Line, textOf, World } from './world.ts';

export interface Outcome {
  readonly tally: Tally;
  readonly lines: readonly Line[];
  /** Everything that happened, in one number: the same schedule has the same. */
  readonly steps: number;
  readonly virtualMs: number;
}

const names = ['A', 'B', 'C', 'D'];

/** Plays one schedule to its end. Throws a Violation when a promise is broken. */
export async function play(schedule: Schedule, { isTold = false } = {}): Promise<Outcome> {
  const world = new World(schedule.luck, { isTold });
  // Comes before the next thing happens: rejections are looked at as soon as promises have settled.
  const unhandled = (error: unknown): void => world.violate('nothing is thrown', textOf(error));
  process.on('unhandledRejection', unhandled);
  // What the host would find on its stderr: timers and listeners that pile up.
  const warned = (warning: Error): void => world.violate('quiet', textOf(warning));
  process.on('warning', warned);
  try {
    return await playIn(world, schedule);
  } catch (error) {
    if (isTold) Object.assign(error as object, { lines: world.lines });
    throw error;
  } finally {
    process.off('unhandledRejection', unhandled);
    process.off('warning', warned);
  }
}

async function playIn(world: World, schedule: Schedule): Promise<Outcome> {
  const tally = new Tally();
  const judge = new Judge(world, tally);
  const network = new Network(world, schedule.weather);
  const server = new Server(world, judge, schedule.flushMs);
  judge.server = server;
  const surroundings = { world, network, server, judge };
  const hosts = schedule.hosts.map(
    (plan, index) => new Host(names[index] as string, plan, surroundings),
  );
  const ttlMs = Math.max(...schedule.hosts.map((plan) => plan.ttlMs));
  const storm = new Storm(
    { world, network, server, hosts, tally, ttlMs, leader: () => judge.leader },
    schedule.faults,
  );
  judge.moment = (moment, place) => storm.moment(moment, place);
  const look = (): void => judge.look();

  for (const host of hosts) host.life.start();
  const lastAt = Math.max(0, ...schedule.faults.map(({ at }) => at)) + 800;
  await world.run((Math.min(lastAt, stormParts + 800) / 1000) * ttlMs, look);

  world.tell('storm', () => 'is over: from here on nothing goes wrong');
  const calmAt = world.now;
  storm.calm();
  network.becomeCalm();
  server.becomeCalm();
  for (const host of hosts) {
    host.isCalm = true;
    host.wake();
    host.life.work.finish();
    host.restart();
    host.life.start();
  }
  const answerMs = Math.max(...schedule.hosts.map((plan) => plan.answerTimeoutMs));
  // A seat that somebody gone still holds, the wait for its lease, and a call that was cut off.
  const boundMs = 2 * ttlMs + answerMs + 2_000;
  // What was under way comes to its end: a server that goes down, a reset that is heard now, a beat
  // that comes too late after a suspend.
  await world.run(calmAt + 3_000 + ttlMs / 4, look);
  await world.run(calmAt + boundMs, look, () => judge.leader !== undefined);
  if (judge.leader === undefined) {
    world.violate('progress', `nobody leads ${boundMs} ms after the last fault`);
  }
  tally.count('progress', 'ms without faults until somebody leads', Math.round(world.now - calmAt));
  // Long enough for a leader that neglects its beats to lose its term; not for every schedule.
  if (schedule.luck % 4 === 0 && schedule.finale.length === 0) {
    // Whoever leads through a connection that is none any more has to find that out first.
    await world.run(Math.max(world.now, network.silentUntil), look);
    await world.run(world.now + boundMs, look, () => judge.leader !== undefined);
    const { leader } = judge;
    world.tell('judge', () => `expects ${leader?.instance} to go on leading`);
    await world.run(world.now + 1.2 * ttlMs, look);
    if (judge.leader !== leader) {
      world.violate('steady', `${leader?.instance} does not lead any more, and nothing went wrong`);
    }
  }
  await playFinale({ ...surroundings, hosts, tally, settleMs: boundMs }, schedule.finale);

  for (const host of hosts) host.life.stop(false);
  await world.run(world.now + 2 * ttlMs + answerMs * 3, look, () =>
    hosts.every(({ life }) => life.controller.state === 'stopped'),
  );
  for (const { life } of hosts) {
    if (life.controller.state !== 'stopped') {
      world.violate('a stop ends', `${life.instance} is ${life.controller.state}`);
    }
  }
  await world.run(world.now + 5_000, look);
  judge.closeBooks();
  const left = [...server.backends].filter(({ purpose }) => purpose !== 'work');
  if (left.length > 0) {
    const who = left.map(({ place, purpose }) => `${purpose} of ${place}`);
    world.violate('nothing is left behind', `sessions after the stop: ${who.join(', ')}`);
  }
  await world.run(world.now + 1, look);
  tally.count('schedule', 'steps', world.steps);
  return { tally, lines: world.lines, steps: world.steps, virtualMs: world.now };
}
