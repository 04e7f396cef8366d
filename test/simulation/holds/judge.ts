import type { Hold } from '../../../src/core/locks/hold.ts';
import type { Process } from '../process.ts';
import type { Tally } from '../tally.ts';
import type { World } from '../world.ts';

/** Looks at every hold after every step: whoever runs may act on what it says at that instant. */
export class HoldJudge {
  readonly #world: World;
  readonly #tally: Tally;
  readonly #holds = new Map<Hold, Process>();
  readonly #ended = new Set<Hold>();
  /** The greatest tokens by resource: of all, and of exclusive ones. */
  readonly #tokens = new Map<string, { any: bigint; exclusive: bigint }>();

  constructor(world: World, tally: Tally) {
    this.#world = world;
    this.#tally = tally;
  }

  had(process: Process, hold: Hold): void {
    this.#holds.set(hold, process);
    this.#tally.count('had', typeof hold.mode === 'object' ? 'permit' : hold.mode);
    if (hold.resource !== forced && hold.isHeld()) this.#grown(hold);
  }

  gone(hold: Hold): void {
    this.#holds.delete(hold);
  }

  look(): void {
    const held = new Map<string, Hold[]>();
    for (const [hold, process] of this.#holds) {
      if (!process.isRunning) {
        if (!process.isAlive) this.#holds.delete(hold);
        continue;
      }
      if (!hold.isHeld()) {
        this.#ended.add(hold);
        continue;
      }
      if (this.#ended.has(hold)) this.#world.violate('a hold never resumes', `${hold.token}`);
      const others = held.get(hold.resource);
      if (others === undefined) held.set(hold.resource, [hold]);
      else others.push(hold);
    }
    for (const [resource, holds] of held) if (holds.length > 1) this.#beside(resource, holds);
  }

  /** Of those who hold it at the same time. */
  #beside(resource: string, holds: readonly Hold[]): void {
    if (resource === forced) return;
    const who = () => holds.map(({ owner, token }) => `${owner} (${token})`).join(' and ');
    if (holds.some(({ mode }) => mode === 'exclusive')) {
      this.#world.violate('held alone', `${resource} is held by ${who()}`);
    }
    const [{ mode }] = holds as [Hold];
    if (typeof mode !== 'object') return;
    if (holds.length > mode.permits || new Set(holds.map(({ slot }) => slot)).size < holds.length) {
      this.#world.violate('held alone', `a place of ${resource} is held by ${who()}`);
    }
  }

  /** Whoever has it after another has a greater token, unless both may have it at once. */
  #grown({ resource, token, mode }: Hold): void {
    const last = this.#tokens.get(resource) ?? { any: 0n, exclusive: 0n };
    if (token <= (mode === 'exclusive' ? last.any : last.exclusive)) {
      this.#world.violate('hold tokens grow', `${token} of ${resource} came after a greater one`);
    }
    const exclusive = mode === 'exclusive' && token > last.exclusive ? token : last.exclusive;
    this.#tokens.set(resource, { any: token > last.any ? token : last.any, exclusive });
  }
}

/** What is taken by force is taken whatever its holder believes. */
export const forced = 'y';
