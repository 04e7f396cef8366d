import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const docs = new URL('../docs/', import.meta.url);
const page = readFileSync(new URL('RELIABILITY.md', docs), 'utf8');

/** `[file](path) "title"; "another title of the same file"` */
const mentions = [...page.matchAll(/\]\((\.\.\/test\/[^)]+)\)((?:;? "(?:[^"\\]|\\.)*")*)/g)].map(
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
    const text = readFileSync(fileURLToPath(new URL(path, docs)), 'utf8');
    for (const title of titles) expect(text).toContain(title);
  });
});
