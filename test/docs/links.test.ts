import { existsSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pages, read, root } from './pages.ts';

/** Relative ones, without what stands in fenced blocks and in `code`. */
const linksOf = (page: string): string[] =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)|\bsrc="([^"]+)"/g)]
    .map(([, link, source]) => (link ?? source) as string)
    .filter((link) => !/^[a-z]+:/.test(link));

const prose = (page: string): string =>
  read(page)
    .replaceAll(/^```[\s\S]*?^```$/gm, '')
    .replaceAll(/`[^`\n]*`/g, '`code`');

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  const headings = read(page)
    .replaceAll(/^```[\s\S]*?^```$/gm, '')
    .matchAll(/^#+ (.+)$/gm);
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
