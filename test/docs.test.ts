import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const docs = new URL('../docs/', import.meta.url);
const page = readFileSync(new URL('RELIABILITY.md', docs), 'utf8');

/** A path in `code`, then "title"; "another title of the same file". */
const mentions = [...page.matchAll(/`(test\/[^`]+\.test\.ts)`((?:;? "(?:[^"\\]|\\.)*")*)/g)].map(
  ([, path, titles]) => ({
    path: path as string,
    titles: [...(titles ?? '').matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, title]) =>
      (title as string).replaceAll('\\"', '"'),
    ),
  }),
);

describe('what docs/RELIABILITY.md says of the tests', () => {
  test('is much', () => {
    expect(mentions.flatMap(({ titles }) => titles).length).toBeGreaterThan(50);
  });

  test.each(mentions)('is so: $path has $titles', ({ path, titles }) => {
    const text = readFileSync(new URL(`../${path}`, docs), 'utf8');
    for (const title of titles) expect(text).toContain(title);
  });
});

describe('the table of docs/ERRORS.md', () => {
  const read = (path: string): string => readFileSync(new URL(path, docs), 'utf8');
  const codes = [...read('../src/core/errors.ts').matchAll(/^ {2}\| '(LOCKD_\w+)'/gm)].map(
    ([, code]) => code as string,
  );
  const tests = fileURLToPath(new URL('../test/', docs));
  const files = readdirSync(tests, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(?<!docs)\.test\.ts$|conformance/.test(file),
  );
  /** What a test only makes up, or speaks of, has not been provoked. */
  const expected = files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(tests, file), 'utf8'))
    .join('\n')
    .replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '')
    .replaceAll(/new LockdError\(\s*'LOCKD_\w+'/g, '');

  test('has every code, in the order of the code', () => {
    expect(codes.length).toBeGreaterThan(20);
    const rows = [...read('ERRORS.md').matchAll(/^\| `(LOCKD_\w+)` \|/gm)].map(([, code]) => code);
    expect(rows).toEqual(codes);
  });

  test.each(codes)('%s is expected by a test', (code) => {
    expect(expected.includes(`'${code}'`)).toBe(true);
  });
});
