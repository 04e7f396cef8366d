import { MemoryServer } from '../../../src/testing/memory-server.ts';
import { Tally } from '../tally.ts';
import { type Line, textOf, World } from '../world.ts';
import { forced, HoldJudge } from './judge.ts';
import { Life, uses } from './life.ts';
import { type Fault, type Schedule, stormMs } from './schedule.ts';

export interface Outcome {
  readonly tally: Tally;
  readonly lines: readonly Line[];
  readonly steps: number;
  readonly virtualMs: number;
}

const names = ['A', 'B', 'C'];

/** Plays one schedule to its end. Throws a Violation when a promise is broken. */
export async function play(schedule: Schedule, { isTold = false } = {}): Promise<Outcome> {
  const world = new World(schedule.luck, { isTold });
  // Comes before the next thing happens: rejections are looked at as soon as promises have settled.
  const unhandled = (error: unknown): void => world.violate('nothing is thrown', textOf(error));
  process.on('unhandledRejection', unhandled);
  try {
    return await playIn(world, schedule);
  } catch (error) {
    if (isTold) Object.assign(error as object, { lines: world.lines });
    throw error;
  } finally {
    process.off('unhandledRejection', unhandled);
  }
}

/** A server begins at this time by its own clock. */
const epochMs = 1_000_000;

async function playIn(world: World, schedule: Schedule): Promise<Outcome> {
  const tally = new Tally();
  const judge = new HoldJudge(world, tally);
  const server = new MemoryServer({
    clock: {
      mono: () => epochMs + world.now,
      boot: () => epochMs + world.now,
      setTimer: (at, callback) => world.at(at - epochMs, callback),
    },
  });
  const surroundings = { world, server, judge };
  const lives = schedule.processes.map(
    (plan, index) => new Life(names[index] as string, plan, surroundings),
  );
  const all = [...lives];
  const born = (index: number): void => {
    const plan = schedule.processes[index];
    if (plan === undefined || lives[index]?.process.isAlive === true) return;
    const life = new Life(`${names[index]}${all.length}`, plan, surroundings);
    lives[index] = life;
    all.push(life);
  };
  const storm = { ...surroundings, tally, lives, born };
  for (const fault of schedule.faults) world.at(fault.at, () => strike(storm, fault));
  const look = (): void => judge.look();
  await world.run(stormMs, look);

  world.tell('storm', () => 'is over: from here on nothing goes wrong');
  server.comeUp();
  for (const life of all) {
    life.line.losesUntil = 0;
    life.line.slowUntil = 0;
    life.line.losesNewsUntil = 0;
    if (!life.process.isAlive) continue;
    server.mend({ instance: life.instance });
    life.process.wake();
  }
  for (const index of lives.keys()) born(index);
  // Long enough for the dead to be buried, one after another, and for everybody to come back.
  const ttlMs = Math.max(...schedule.processes.map((plan) => plan.ttlMs));
  const boundMs = 3 * ttlMs + 15_000;
  for (const life of lives) life.close();
  const isDone = () => lives.every(({ working }) => working === 0);
  const calmAt = world.now;
  await world.run(world.now + boundMs, look, isDone);
  if (!isDone()) {
    const who = lives.filter(({ working }) => working > 0).map(({ name }) => name);
    world.violate('served', `${who} still wait ${boundMs} ms after the last fault`);
  }
  tally.count(
    'progress',
    'ms without faults until all were served',
    Math.round(world.now - calmAt),
  );
  await lookForRemains(surroundings, ttlMs, boundMs);

  let stopped = 0;
  const noted = (): void => {
    stopped += 1;
  };
  for (const { process, locks } of lives) {
    world.after(0, () => process.deliver(() => void locks.stop().then(noted)));
  }
  await world.run(world.now + boundMs, look, () => stopped === lives.length);
  if (stopped < lives.length) world.violate('a stop ends', `not within ${boundMs} ms`);
  await world.run(world.now + 3_000, look);
  const left = lives.filter(({ instance }) => server.terminate({ instance }) > 0);
  if (left.length > 0) {
    world.violate('nothing is left behind', `sessions of ${left.map(({ name }) => name)}`);
  }
  await world.run(world.now + 1, look);
  tally.count('schedule', 'steps', world.steps);
  return { tally, lines: world.lines, steps: world.steps, virtualMs: world.now };
}

/** Somebody new can have everything, and then nobody holds or waits for anything. */
async function lookForRemains(
  { world, server, judge }: Surroundings,
  ttlMs: number,
  boundMs: number,
): Promise<void> {
  const plan = { ttlMs, rate: 1, lanes: 0 };
  const last = new Life('Z', plan, { world, server, judge });
  const look = (): void => judge.look();
  let isDone = false;
  let found: string[] = [];
  world.after(0, () => {
    void (async () => {
      for (const [resource, mode] of uses) {
        // All of its places: whoever died without a word is not waited for at one that it leaves free.
        const places = typeof mode === 'object' ? mode.permits : 1;
        const holds = await Promise.all(
          Array.from({ length: places }, (_, place) =>
            last.locks.acquire(resource, { mode, owner: `Z${place}` }),
          ),
        );
        for (const hold of holds) await hold.release();
      }
      const holdings = await last.locks.list();
      const lines = await Promise.all(uses.map(([resource]) => last.locks.inspect(resource)));
      found = [
        ...holdings.map(({ resource, owner }) => `${owner} holds ${resource}`),
        ...lines.flatMap(({ waiters }) => waiters.map(({ owner }) => `${owner} waits`)),
      ];
      await last.locks.stop();
      isDone = true;
    })();
  });
  await world.run(world.now + boundMs, look, () => isDone);
  if (!isDone) world.violate('served', `what nobody holds cannot be had within ${boundMs} ms`);
  if (found.length > 0) world.violate('nothing is left behind', found.join(', '));
}

interface Surroundings {
  readonly world: World;
  readonly server: MemoryServer;
  readonly judge: HoldJudge;
}

interface Storm extends Surroundings {
  readonly tally: Tally;
  readonly lives: readonly Life[];
  /** A new process in the place of this one, unless it lives. */
  readonly born: (index: number) => void;
}

function strike({ world, server, tally, lives, born }: Storm, { who, what }: Fault): void {
  const index = who % lives.length;
  const life = lives[index] as Life;
  const { process, instance, line } = life;
  tally.count('fault', what.is);
  world.tell('storm', () => `${JSON.stringify(what)} ${life.name}`);
  switch (what.is) {
    case 'freeze':
      process.freeze(what.forMs);
      return;
    case 'block':
      process.block(what.forMs);
      return;
    case 'strand':
      process.block(what.forMs);
      if (what.by === 'crash') server.crash();
      else server.terminate({ instance });
      return;
    case 'cut':
      server.cutOff({ instance });
      world.after(what.forMs, () => server.mend({ instance }));
      return;
    case 'lose-answers':
      line.losesUntil = world.now + what.forMs;
      return;
    case 'lose-news':
      line.losesNewsUntil = world.now + 1_000;
      return;
    case 'slow':
      line.slowUntil = world.now + what.forMs;
      line.slowMs = 600;
      return;
    case 'kill':
      process.kill(what.isMachine);
      if (what.isMachine) {
        server.cutOff({ instance });
        // By the server's keepalives.
        world.after(life.ttlMs, () => server.terminate({ instance }));
      } else server.terminate({ instance });
      world.after(what.forMs, () => born(index));
      return;
    case 'terminate':
      server.terminate(what.kind === undefined ? { instance } : { instance, kind: what.kind });
      return;
    case 'restart':
      server.restart();
      return;
    case 'crash':
      server.crash();
      return;
    case 'down':
      server.goDown();
      world.after(what.forMs, () => server.comeUp());
      return;
    case 'cancel':
      process.deliver(() => life.cancel());
      return;
    case 'force':
      process.deliver(() => {
        const options = { by: 'somebody', reason: 'because', graceMs: 20 };
        void life.locks.forceRelease(forced, options).catch(() => {});
      });
  }
}
