import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SingletonLockController } from '../../src/core/controller.ts';
import { Hold } from '../../src/core/locks/hold.ts';
import { LockManager } from '../../src/core/locks/manager.ts';
import { read, root } from './pages.ts';

const embedding = read('docs/embedding.md');
const failures = read('docs/failure-modes.md');
const locks = read('docs/locks.md');

/** The names in a union or an interface of the sources. */
function namesIn(path: string, declaration: string, each: RegExp): string[] {
  const text = read(path);
  const start = text.indexOf(declaration);
  expect(start, `${declaration} in ${path}`).toBeGreaterThan(-1);
  const end = /^}|;\s*(\/\/.*)?\n\n/m.exec(text.slice(start))?.index ?? 0;
  return [...text.slice(start, start + end).matchAll(each)].map(([, name]) => name as string);
}

const membersOf = ({ prototype }: { prototype: object }): string[] =>
  Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');

const eventNames = /^ {2}'?([\w.]+)'?: \[/gm;

const members = membersOf(SingletonLockController);
const events = namesIn('src/core/surface.ts', 'interface ControllerEvents', eventNames);
const reasons = namesIn('src/core/machine/protocol.ts', 'type EndReason', /'([\w-]+)'/g);
const faults = namesIn('src/postgres/faults.ts', 'type FaultCode', /\| '([\w-]+)'/g);

test('README.md installs the file that this version is packed into', () => {
  const { name, version } = JSON.parse(read('package.json'));
  const packed = [...read('README.md').matchAll(/[\w.-]+\.tgz/g)].map(([file]) => file);
  expect(new Set(packed)).toEqual(new Set([`${name}-${version}.tgz`]));
});

describe('docs/embedding.md', () => {
  test.each(members)('names the member %s', (name) => {
    expect(embedding).toMatch(new RegExp(`^\\|[^|]*\`${name}[\`(]`, 'm'));
  });

  test.each(events)('has the event "%s" in its table', (event) => {
    expect(embedding).toContain(`\n| \`${event}\` |`);
  });

  test.each(reasons)('names the reason "%s" for the end of a term', (reason) => {
    expect(embedding).toContain(`\`${reason}\``);
  });

  test('is looked at for all of them', () => {
    expect([members.length, events.length, reasons.length].map((count) => count > 5)).toEqual([
      true,
      true,
      true,
    ]);
  });
});

describe('docs/locks.md', () => {
  const ofManagers = membersOf(LockManager);
  const ofHolds = [
    ...namesIn('src/core/locks/hold.ts', 'class Hold', /^ {2}readonly ([a-z]\w+)/gm),
    ...membersOf(Hold).filter((name) => !isInternal(name)),
  ];
  const happening = namesIn('src/core/locks/surface.ts', 'interface LockEvents', eventNames);

  test.each([...ofManagers, ...ofHolds])('names the member %s', (name) => {
    expect(locks).toMatch(new RegExp(`\`(\\w+\\.)?${name}[\`(]`));
  });

  test.each(happening)('has the event "%s" in its table', (event) => {
    expect(locks).toContain(`\n| \`${event}\` |`);
  });

  test('is looked at for all of them', () => {
    expect([ofManagers.length, ofHolds.length, happening.length].map((count) => count > 4)).toEqual(
      [true, true, true],
    );
  });

  /** By its comment: a part of the package calls it, and nobody else. */
  function isInternal(name: string): boolean {
    return new RegExp(`@internal[^/]*\\*/\\s+(async |get )?${name}\\b`).test(
      read('src/core/locks/hold.ts'),
    );
  }
});

describe('docs/failure-modes.md', () => {
  test('has every fault that the status can name, and no other', () => {
    const [, section = ''] = failures.split('## What `lockd status` calls wrong');
    const rows = [...section.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, code]) => code);
    expect(faults.length).toBeGreaterThan(5);
    expect(rows).toEqual(faults);
  });

  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(root, 'src', file), 'utf8'))
    .join('\n');
  const quoted = [...failures.matchAll(/^\|.*\|$/gm)]
    .flatMap(([row]) => [...row.matchAll(/`([a-z]+ [^`]+)`/g)].map(([, text]) => text as string))
    .filter((text) => !/^lockd (run|status|resign)\b|^too many connections$/.test(text))
    .map((text) => text.replace(/ \w+=.*| …$/, ''));

  test.each([...new Set(quoted)])('quotes a line that is really logged: %s', (line) => {
    expect(sources).toContain(line);
  });

  test.each(reasons)('says what follows from "%s"', (reason) => {
    expect(failures).toMatch(new RegExp(`\\b${reason}\\b`));
  });
});
