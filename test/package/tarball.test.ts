import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import {
  checkPackage,
  createPackageFromTarballData,
  type Package,
  type Problem,
} from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { linksIn } from '../docs/links.ts';
import { type Packed, pack } from './packed.ts';

let packed: Packed;
let data: Uint8Array<ArrayBuffer>;
let contents: Package;

beforeAll(async () => {
  packed = await pack();
  data = new Uint8Array(await readFile(packed.tarball));
  contents = createPackageFromTarballData(data);
}, 120_000);
afterAll(() => packed?.[Symbol.asyncDispose]());

const inside = '/node_modules/lockd/';
const files = (): string[] => contents.listFiles().map((path) => path.slice(inside.length));
const read = (path: string): string => contents.readFile(`${inside}${path}`);

test('the tarball has what runs, what explains it, and nothing else', () => {
  expect([...new Set(files().map((path) => path.split('/')[0]))].sort()).toEqual([
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'RUNBOOK.md',
    'bin',
    'dist',
    'docs',
    'migrations',
    'ops',
    'package.json',
    'src',
  ]);
  expect(files()).toContain('migrations/0001_tables.sql');
  expect(files().filter((path) => /(^|\/)tests?\/|\.test\.|\.tgz$/.test(path))).toEqual([]);
});

test('each file of dist is of a file of src', () => {
  const built = files().filter((path) => path.startsWith('dist/'));
  const source = (path: string): string =>
    path.replace('dist/', 'src/').replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
  expect(built.length).toBeGreaterThan(100);
  expect(built.filter((path) => !files().includes(source(path)))).toEqual([]);
});

test('a source map is where its file says, and leads to a source that is there', () => {
  const mapped = files().filter((path) => /^dist\/.*\.(d\.ts|js)$/.test(path));
  const beside = (path: string, name: string): string => posix.join(posix.dirname(path), name);
  const lost = mapped.filter((path) => {
    const [, name] = /^\/\/# sourceMappingURL=(.+)$/m.exec(read(path)) ?? [];
    if (name === undefined || !files().includes(beside(path, name))) return true;
    const { sources, sourceRoot } = JSON.parse(read(beside(path, name)));
    return (sources as string[]).some(
      (source) => !files().includes(beside(path, `${sourceRoot ?? ''}${source}`)),
    );
  });
  expect(mapped.length).toBeGreaterThan(50);
  expect(lost).toEqual([]);
});

test('whatever a page links to is there, and each page that a message names', () => {
  const links = files()
    .filter((path) => path.endsWith('.md'))
    .flatMap((page) => linksIn(read(page)).map((link) => ({ page, link })));
  const isDead = ({ page, link }: { page: string; link: string }): boolean => {
    const path = posix.join(posix.dirname(page), link.split('#')[0] || posix.basename(page));
    return !files().includes(path);
  };
  expect(links.length).toBeGreaterThan(60);
  expect(links).toContainEqual({ page: 'README.md', link: 'docs/handover.svg' });
  expect(links.filter(isDead)).toEqual([]);

  const named = files()
    .filter((path) => path.startsWith('src/'))
    .flatMap((path) => [...read(path).matchAll(/[\w/]+\.md\b/g)].map(([page]) => page));
  expect(named).toContain('RUNBOOK.md');
  expect(named.filter((path) => !files().includes(path))).toEqual([]);
});

test('publint has nothing to say', async () => {
  const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  expect(pkg?.['name']).toBe('lockd');
});

test('the types are right in each way of resolution that a supported Node knows', async () => {
  const found = await checkPackage(contents);
  if (found.types === false) throw new Error('attw found no types.');
  expect(Object.keys(found.entrypoints)).toEqual([
    '.',
    './testing',
    './http',
    './metrics',
    './tracing',
    './package.json',
  ]);
  expect(found.problems.filter((problem) => !isExpected(problem))).toEqual([]);
});

function isExpected(problem: Problem): boolean {
  // There is no CommonJS build on purpose: two copies would be two registries of errors and classes.
  // `require` of an ECMAScript module is part of every Node in `engines` (20.19, 22.12, 24), and
  // consumer.test.ts compiles and runs one that does it. A build whose top level awaits would fail there.
  if (problem.kind === 'CJSResolvesToESM') return true;
  // The resolution of Node 10, which knows no `exports`: nothing in `engines` resolves like that.
  return 'resolutionKind' in problem && problem.resolutionKind === 'node10';
}
