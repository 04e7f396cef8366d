import { existsSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { linksIn, unfenced } from './links.ts';
import { pages, read, root } from './pages.ts';

const linksOf = (page: string): string[] => linksIn(read(page));

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  const headings = unfenced(read(page)).matchAll(/^#+ (.+)$/gm);
  const seen = new Map<string, number>();
  return [...headings].map(([, heading]) => {
    const slug = (heading as string)
      .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

describe('the links between the pages', () => {
  test('are really read', () => {
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(60);
    expect(anchorsOf('RUNBOOK.md')).toContain('exit-codes');
  });

  test.each(pages)('lead somewhere, anchors included: %s', (page) => {
    const broken = linksOf(page).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : posix.join(dirname(page), path);
      if (!existsSync(`${root}${target}`)) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('reach every page from README.md', () => {
    const reached = new Set(['README.md']);
    for (const page of reached) {
      for (const link of linksOf(page)) {
        const target = posix.join(dirname(page), link.split('#')[0] as string);
        if (pages.includes(target)) reached.add(target);
      }
    }
    expect(pages.filter((page) => !reached.has(page))).toEqual([]);
  });
});

// What the package does not have is named, not linked to: test/package/tarball.test.ts.
test.each(pages)('a file of the repository that %s names is there', (page) => {
  const named = [...unfenced(read(page)).matchAll(/`((?:test|bench|src)\/[\w./-]*)`/g)];
  const lost = named.map(([, path]) => path as string).filter((path) => !existsSync(root + path));
  expect(lost).toEqual([]);
});
