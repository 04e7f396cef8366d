import { askersOf, type Mode, type Queues, type Waiting } from './store.ts';

/** One link of a chain: this wait, and who keeps it waiting. */
export interface Link {
  readonly wait: Waiting;
  readonly blockedBy: string;
  /** Where that one is no holder: it stands before this wait in line. */
  readonly behind: Waiting | undefined;
}

interface Holder {
  readonly owner: string;
  readonly mode: Mode;
}

/** One resource: who has it, and who stands in line for it, first come first. */
interface Line {
  readonly holders: Holder[];
  readonly waits: Waiting[];
}

/**
 * The waits that stand in a circle, each circle once: nobody in it can go on before somebody in it
 * lets go. An owner goes on when all its waits are over, and those within its routines; then it lets go
 * of everything. Branches of one routine do not wait for each other.
 */
export function circlesOf(queues: Queues): readonly (readonly Link[])[] {
  const links = stuckOf(queues);
  const next = follow(links);
  const circles: Link[][] = [];
  const seen = new Set<Link>();
  for (const first of links) {
    const path: Link[] = [];
    let link: Link | undefined = first;
    while (link !== undefined && !seen.has(link)) {
      seen.add(link);
      path.push(link);
      link = next(link);
    }
    if (link !== undefined && path.includes(link)) circles.push(path.slice(path.indexOf(link)));
  }
  return circles;
}

/** From one wait to whoever keeps it waiting, and on, as far as it goes. */
export function chainOf(request: string, queues: Queues): readonly Link[] {
  const links = linksOf(linesOf(queues));
  const next = follow(links);
  const chain = new Set<Link>();
  let link = links.find(({ wait }) => wait.request === request);
  while (link !== undefined && !chain.has(link)) {
    chain.add(link);
    link = next(link);
  }
  return [...chain];
}

/** What keeps whoever keeps a wait waiting: of several waits of a holder the first one. */
function follow(links: readonly Link[]): (link: Link) => Link | undefined {
  const byRequest = new Map<string, Link>();
  const byOwner = new Map<string, Link>();
  for (const link of links) {
    byRequest.set(link.wait.request, link);
    for (const owner of askersOf(link.wait)) if (!byOwner.has(owner)) byOwner.set(owner, link);
  }
  return ({ blockedBy, behind }) =>
    behind === undefined ? byOwner.get(blockedBy) : byRequest.get(behind.request);
}

/** `"a" waits for "x", kept by "b", whose "b/1" waits for "y", kept by "a"` */
export const inWords = (chain: readonly Link[]): string =>
  chain
    .map(({ wait, blockedBy }, index) => {
      const who = whoIn(chain[index - 1], wait);
      return `${who} waits for ${JSON.stringify(wait.resource)}, kept by ${JSON.stringify(blockedBy)}`;
    })
    .join(', ');

/** Whoever keeps the link before waiting: by a wait of its own, or within its routine. */
function whoIn(before: Link | undefined, { owner }: Waiting): string {
  const name = JSON.stringify(owner);
  if (before === undefined) return name;
  return before.blockedBy === owner ? 'who' : `whose ${name}`;
}

/** What is left when everybody who can go on has gone on: each wait with somebody who is left, too. */
function stuckOf(queues: Queues): readonly Link[] {
  const lines = linesOf(queues);
  const waits = new Map<string, number>();
  const count = (wait: Waiting, by: 1 | -1): void => {
    for (const owner of new Set(askersOf(wait))) waits.set(owner, (waits.get(owner) ?? 0) + by);
  };
  for (const wait of queues.waitings) count(wait, 1);
  const isStuck = ({ owner }: { readonly owner: string }): boolean => (waits.get(owner) ?? 0) > 0;
  let hasMoved = true;
  while (hasMoved) {
    hasMoved = false;
    for (const line of lines) {
      line.holders.splice(0, Infinity, ...line.holders.filter(isStuck));
      let served = 0;
      for (const wait of line.waits) {
        if (blockers(wait, line.holders).length > 0) break;
        served += 1;
        count(wait, -1);
        if (isStuck(wait)) line.holders.push(wait);
      }
      line.waits.splice(0, served);
      hasMoved ||= served > 0;
    }
  }
  return linksOf(lines);
}

function linesOf({ holdings, waitings }: Queues): readonly Line[] {
  const lines = new Map<string, Line>();
  for (const wait of [...waitings].sort(byNumber)) {
    const line = lines.get(wait.resource) ?? { holders: [], waits: [] };
    line.waits.push(wait);
    lines.set(wait.resource, line);
  }
  for (const hold of holdings) lines.get(hold.resource)?.holders.push(hold);
  return [...lines.values()];
}

/** In the order in which they began to wait. Of those before it in line the next one stands for the rest. */
const linksOf = (lines: readonly Line[]): readonly Link[] =>
  lines
    .flatMap(({ holders, waits }) =>
      waits.flatMap((wait, index) => {
        const [holder] = blockers(wait, holders);
        const behind = holder === undefined ? waits[index - 1] : undefined;
        const blocker = holder ?? behind;
        return blocker === undefined ? [] : [{ wait, blockedBy: blocker.owner, behind }];
      }),
    )
    .sort((one, other) => byNumber(one.wait, other.wait));

/** The holders of whom one, at least, has to let go. */
function blockers({ mode }: Waiting, holders: readonly Holder[]): readonly Holder[] {
  if (mode === 'exclusive') return holders;
  if (mode === 'shared') return holders.filter((hold) => hold.mode !== 'shared');
  return holders.length < mode.permits ? [] : holders;
}

const byNumber = (one: Waiting, other: Waiting): number => (one.number < other.number ? -1 : 1);
