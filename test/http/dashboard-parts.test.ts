import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { describe, expect, test } from 'vitest';
import { dashboardParts } from '../../src/http/dashboard/parts.ts';

const folder = new URL('../../src/http/dashboard/', import.meta.url);

const read = async (file: string): Promise<string> =>
  (await readFile(new URL(file, folder), 'utf8')).replaceAll('\r\n', '\n');

/** The modules as one file: a page that is read over a slow line asks for it once. */
async function script(): Promise<string> {
  const bundle = await rolldown({ input: fileURLToPath(new URL('dashboard.js', folder)) });
  try {
    const { output } = await bundle.generate({ minify: true });
    expect(output).toHaveLength(1);
    return output[0].code;
  } finally {
    await bundle.close();
  }
}

const quoted = (text: string): string => `\`${text.replaceAll(/[\\`]|\$(?=\{)/g, '\\$&')}\``;

const { '/': page, '/dashboard.css': style, '/dashboard.js': code } = dashboardParts;

describe('the page that is shipped', () => {
  test('is what its files say', async () => {
    const update = 'npx vitest run test/http/dashboard-parts.test.ts --update';
    const part = (path: string, type: string, body: string): string =>
      `  '${path}': {\n    type: '${type}; charset=utf-8',\n    body: ${quoted(body)},\n  },\n`;
    const text = [
      `/** The page as it is served: nothing is built where it runs. Written by \`${update}\`. */\n`,
      'export interface DashboardPart {\n  readonly type: string;\n  readonly body: string;\n}\n\n',
      "export type DashboardPath = '/' | '/dashboard.css' | '/dashboard.js';\n\n",
      'export const dashboardParts: Readonly<Record<DashboardPath, DashboardPart>> = {\n',
      part('/', 'text/html', await read('index.html')),
      part('/dashboard.css', 'text/css', await read('dashboard.css')),
      part('/dashboard.js', 'text/javascript', await script()),
      '};\n',
    ].join('');
    const path = '../../src/http/dashboard/parts.ts';
    await expect(text, `${path} is out of date: ${update}`).toMatchFileSnapshot(path);
  });

  test('is under 60 kB, and loads nothing but itself', () => {
    const sizes = Object.values(dashboardParts).map(({ body }) => Buffer.byteLength(body));
    expect(sizes.every((size) => size > 1_000)).toBe(true);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(60_000);
    const loaded = [...page.body.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, url]) => url ?? '');
    expect(loaded.filter((url) => !/^(data:image|#)/.test(url)).sort()).toEqual([
      'dashboard.css',
      'dashboard.js',
    ]);
    for (const { body } of Object.values(dashboardParts)) {
      expect(body.replaceAll(/http:\/\/www\.w3\.org\/2000\/svg/g, '')).not.toMatch(/https?:\/\//);
    }
    expect(style.body).not.toMatch(/@import|url\(/);
  });

  test('has no script and no style among its elements: the policy forbids them', () => {
    expect(page.body).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i);
    const inside = [...page.body.matchAll(/<script[^>]*>([^<]*)</g)].map(([, text]) => text);
    expect(inside).toEqual(['']);
  });

  test('never reads a text as markup or as code, and keeps nothing beyond its tab', () => {
    expect(code.body).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|setHTML|DOMParser|document\.write|\beval\(|new Function/,
    );
    expect(code.body).not.toMatch(/\bcookie\b|localStorage|indexedDB/);
  });
});
