import type { Holding, Queues, Waiting } from './store.ts';

/** One link of a chain: this wait, and who keeps it waiting. */
export interface Link {
  readonly wait: Waiting;
  readonly blockedBy: string;
}

/** Why a wait does not end. */
interface Obstacle {
  readonly wait: Waiting;
  /** All of these have to go on: holders, and who stands before it in line. */
  readonly all: readonly string[];
  /** And one of these: the holders of places. */
  readonly any: readonly string[];
}

/**
 * The waits that stand in a circle, each circle once: nobody in it can go on before somebody in it
 * lets go. An owner goes on when all its waits are over, and then lets go of everything.
 */
export function circlesOf(queues: Queues): readonly (readonly Link[])[] {
  const stuck = stuckOf(obstaclesOf(queues));
  const links = new Map<string, Link>();
  const owners = new Set(stuck.map(({ wait }) => wait.owner));
  for (const { wait, all, any } of stuck) {
    const blockedBy = [...all, ...any].find((owner) => owners.has(owner));
    if (blockedBy !== undefined) links.set(wait.owner, { wait, blockedBy });
  }
  const circles: Link[][] = [];
  const seen = new Set<string>();
  for (const owner of links.keys()) {
    const path: Link[] = [];
    let link = links.get(owner);
    while (link !== undefined && !seen.has(link.wait.owner)) {
      seen.add(link.wait.owner);
      path.push(link);
      link = links.get(link.blockedBy);
    }
    const start = path.findIndex(({ wait }) => wait.owner === link?.wait.owner);
    if (start >= 0) circles.push(path.slice(start));
  }
  return circles;
}

/** From one wait to whoever keeps it waiting, and on, as far as it goes. */
export function chainOf(request: string, queues: Queues): readonly Link[] {
  const obstacles = obstaclesOf(queues);
  const chain: Link[] = [];
  const seen = new Set<string>();
  let obstacle = obstacles.find(({ wait }) => wait.request === request);
  while (obstacle !== undefined && !seen.has(obstacle.wait.owner)) {
    seen.add(obstacle.wait.owner);
    const [blockedBy] = [...obstacle.any, ...obstacle.all];
    if (blockedBy === undefined) break;
    chain.push({ wait: obstacle.wait, blockedBy });
    obstacle = obstacles.find(({ wait }) => wait.owner === blockedBy);
  }
  return chain;
}

/** `"a" waits for "x", kept by "b", who waits for "y", kept by "a"` */
export const inWords = (chain: readonly Link[]): string =>
  chain
    .map(({ wait, blockedBy }, index) => {
      const who = index === 0 ? JSON.stringify(wait.owner) : 'who';
      return `${who} waits for ${JSON.stringify(wait.resource)}, kept by ${JSON.stringify(blockedBy)}`;
    })
    .join(', ');

/** In the order of the lines. Of those before it in line only the next one counts: it stands for the rest. */
function obstaclesOf({ holdings, waitings }: Queues): readonly Obstacle[] {
  const held = new Map<string, Holding[]>();
  for (const hold of holdings) {
    const holders = held.get(hold.resource) ?? [];
    holders.push(hold);
    held.set(hold.resource, holders);
  }
  const last = new Map<string, string>();
  return [...waitings]
    .sort((one, other) => (one.number < other.number ? -1 : 1))
    .map((wait) => {
      const before = last.get(wait.resource);
      last.set(wait.resource, wait.owner);
      const inLine = before === undefined ? [] : [before];
      const holders = (held.get(wait.resource) ?? [])
        .filter(({ mode }) => mode !== 'shared' || wait.mode !== 'shared')
        .map(({ owner }) => owner);
      return typeof wait.mode === 'object'
        ? { wait, all: inLine, any: holders }
        : { wait, all: [...holders, ...inLine], any: [] };
    });
}

/** What is left when everybody who can go on has gone on. */
function stuckOf(obstacles: readonly Obstacle[]): readonly Obstacle[] {
  const waits = new Map<string, number>();
  for (const { wait } of obstacles) waits.set(wait.owner, (waits.get(wait.owner) ?? 0) + 1);
  const isStuck = (owner: string): boolean => (waits.get(owner) ?? 0) > 0;
  let stuck = obstacles;
  for (;;) {
    const left = stuck.filter(({ wait, all, any }) => {
      if (all.some(isStuck) || (any.length > 0 && any.every(isStuck))) return true;
      waits.set(wait.owner, (waits.get(wait.owner) ?? 1) - 1);
      return false;
    });
    if (left.length === stuck.length) return stuck;
    stuck = left;
  }
}
