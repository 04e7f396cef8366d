import type { Mode, Queues, Waiting } from './store.ts';

/** One link of a chain: this wait, and who keeps it waiting. */
export interface Link {
  readonly wait: Waiting;
  readonly blockedBy: string;
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
 * lets go. An owner goes on when all its waits are over, and then lets go of everything.
 */
export function circlesOf(queues: Queues): readonly (readonly Link[])[] {
  const links = new Map<string, Link>();
  for (const link of stuckOf(queues)) links.set(link.wait.owner, link);
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
  const links = linksOf(linesOf(queues));
  const chain: Link[] = [];
  const seen = new Set<string>();
  let link = links.find(({ wait }) => wait.request === request);
  while (link !== undefined && !seen.has(link.wait.owner)) {
    const { wait, blockedBy } = link;
    seen.add(wait.owner);
    chain.push(link);
    link = links.find((next) => next.wait.owner === blockedBy);
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

/** What is left when everybody who can go on has gone on: each wait with somebody who is left, too. */
function stuckOf(queues: Queues): readonly Link[] {
  const lines = linesOf(queues);
  const waits = new Map<string, number>();
  for (const { owner } of queues.waitings) waits.set(owner, (waits.get(owner) ?? 0) + 1);
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
        waits.set(wait.owner, (waits.get(wait.owner) ?? 1) - 1);
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
        const blocker = holder ?? waits[index - 1];
        return blocker === undefined ? [] : [{ wait, blockedBy: blocker.owner }];
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
