import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createViteServer } from 'vitest/node';
import type { Failure, Wanted } from '../check.ts';
import type { Seed } from '../scale.ts';

/** A text of a source file, and what stands there instead. */
interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** What the simulation looks at. That nothing is thrown is no promise of its own, unless it is named. */
export type Promised =
  | 'busy holds nothing'
  | 'closed before released'
  | 'closed, aborted, then told'
  | 'drained before released'
  | 'fenced'
  | 'held alone'
  | 'hold tokens grow'
  | 'in time'
  | 'marked before unlocked'
  | 'nothing is left behind'
  | 'no gate without a term'
  | 'nothing is thrown'
  | 'one gate'
  | 'one passive per active'
  | 'one watcher'
  | 'progress'
  | 'quiet'
  | 'served'
  | 'a hold never resumes'
  | 'steady'
  | 'a stop ends'
  | 'a term never resumes'
  | 'tokens grow'
  | 'work in turn';

/** One deliberate mistake. */
export interface Mutant extends Change {
  readonly name: string;
  /** The promises that it may break, as the simulation names them. */
  readonly breaks: readonly Promised[];
  /** Which of CI's seeds shows it soonest; the first, if nothing is said. */
  readonly seed?: Seed;
  /** Where schedules cannot tell, because another safeguard makes up for it. */
  readonly caughtBy?: 'replay';
  /** A second place that has to change with it. */
  readonly also?: Change;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface Mistaken extends AsyncDisposable {
  /** A module of the simulation, and with it the sources with the mistake in them. */
  load<Module>(path: string): Promise<Module>;
}

/** The test runner's own module loader, with the mistake put into what it loads. */
export async function withMistake(mutant: Mutant): Promise<Mistaken> {
  const changes = [mutant, ...(mutant.also === undefined ? [] : [mutant.also])];
  const mistaken = new Map<string, string>();
  for (const change of changes) {
    const path = `${root}${change.file}`;
    mistaken.set(path, changed(mistaken.get(path) ?? (await readFile(path, 'utf8')), change));
  }
  const server = await createViteServer({
    root,
    configFile: false,
    logLevel: 'error',
    server: { middlewareMode: true, hmr: false, watch: null, ws: false },
    optimizeDeps: { noDiscovery: true },
    plugins: [{ name: 'mutant', load: (id) => mistaken.get(id) }],
  });
  return {
    load: async (path) => (await server.ssrLoadModule(`/test/simulation/${path}`)) as never,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Plays schedules against the sources with this mistake; the failure, if one breaks a promise. */
export async function hunt(
  mutant: Mutant,
  wanted: Wanted,
  by: 'check.ts' | 'holds/check.ts' = 'check.ts',
): Promise<Failure | undefined> {
  const mistaken = await withMistake(mutant);
  try {
    const { check } = await mistaken.load<typeof import('../check.ts')>(by);
    return (await check(wanted)).failure;
  } finally {
    await mistaken[Symbol.asyncDispose]();
  }
}

/** Fails when the text is not there once: then the source has changed, and the mistake must, too. */
function changed(text: string, { file, from, to }: Change): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${parts.length - 1} times in ${file}: ${from}`);
  return parts.join(to);
}
