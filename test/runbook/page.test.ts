import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { defaults } from '../../src/core/options.ts';
import { anchorOf, isCommand, runbook, sections } from './page.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const textOf = (folder: string): string =>
  readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|sql)$/.test(file))
    .map((file) => readFileSync(`${root}${folder}/${file}`, 'utf8'))
    .join('\n');

const product = `${textOf('src')}\n${textOf('migrations')}`;

const blocks = sections.flatMap((section) => section.blocks);

/** Without the fences. */
const prose = runbook.replaceAll(/^```[\s\S]*?^```$/gm, '');

const spans = [...new Set([...prose.matchAll(/`([^`]+)`/g)].map(([, text]) => text as string))];

const asWords = (span: string): RegExp =>
  new RegExp(`${span.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?=\\s)`);

const rowsBelow = (head: string): string[][] => {
  const [, table = ''] = runbook.split(head);
  const [, ...lines] =
    table
      .trimStart()
      .split(/\n(?!\|)/)[0]
      ?.split('\n') ?? [];
  return lines.map((line) => line.slice(2, -2).split(' | '));
};

describe('RUNBOOK.md', () => {
  test('tags every block, with what the tests know', () => {
    const known = ['sh', 'sql', 'text', 'log', 'yaml', 'ini'];
    expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
    expect(blocks.filter(isCommand).length).toBeGreaterThan(50);
  });

  test('has no two headings with the same link', () => {
    const anchors = sections.map(({ heading }) => anchorOf(heading));
    expect(anchors).toEqual([...new Set(anchors)]);
  });

  test('links only to what is there', () => {
    const links = [...prose.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target as string);
    const anchors = sections.map(({ heading }) => `#${anchorOf(heading)}`);
    expect(links.length).toBeGreaterThan(30);
    const broken = links.filter((link) =>
      link.startsWith('#') ? !anchors.includes(link) : !existsSync(`${root}${link.split('#')[0]}`),
    );
    expect(broken).toEqual([]);
  });

  test('names a command in a sentence only if it also stands in a block, where it is run', () => {
    const isSaidLikeACommand = (span: string): boolean =>
      /^(lockd (status|resign|migrate|locks|unlock)|kill|select|insert|update|delete|drop|alter|grant|revoke|rollback|echo|psql) /.test(
        span,
      );
    const run = blocks.filter(isCommand).map(({ text }) => text);
    const named = spans.filter(isSaidLikeACommand);
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((span) => !run.some((text) => `${text}\n`.match(asWords(span))))).toEqual(
      [],
    );
  });

  test('knows every code and fault, and no other', () => {
    const codes = [...product.matchAll(/^ {2}\| '(LOCKD_\w+)'/gm)].map(([, code]) => code);
    const said = [...runbook.matchAll(/\bLOCKD_\w+/g)].map(([code]) => code);
    const variables = ['LOCKD_SCHEMA', 'LOCKD_LABEL', 'LOCKD_DATABASE_URL'];
    expect(said.filter((code) => !codes.includes(code) && !variables.includes(code))).toEqual([]);
    const [, union = ''] = /type FaultCode =([^;]+);/.exec(product) ?? [];
    const faults = [...union.matchAll(/'([a-z-]+)'/g)].map(([, fault]) => fault as string);
    expect(faults.length).toBeGreaterThan(8);
    expect(faults.filter((fault) => !spans.includes(fault))).toEqual([]);
  });

  test('says of what is seen, and of why terms end, only what the product says', () => {
    const seen = [...rowsBelow('| you see | it is | do |'), ...rowsBelow('| reason | look for |')]
      .flatMap(([first = '']) => [...first.matchAll(/`([^`]+)`/g)])
      .map(([, span]) => span as string)
      .filter((span) => !span.startsWith('lockd '));
    expect(seen.length).toBeGreaterThan(25);
    const value = (span: string): string => span.split('=').at(-1) as string;
    expect(seen.filter((span) => !product.includes(value(span)))).toEqual([]);
  });

  test('tells platforms to wait for longer than a drain', () => {
    const patience =
      /(?:terminationGracePeriodSeconds: |TimeoutStopSec=|stop_grace_period: |kill_timeout = ")(\d+)/g;
    const seconds = [...runbook.matchAll(patience)].map(([, value]) => Number(value));
    expect(seconds).toHaveLength(4);
    for (const each of seconds)
      expect(each * 1000).toBeGreaterThan(defaults.drainTimeoutMs + 5_000);
    const [, pm2] = /kill_timeout: (\d+)/.exec(runbook) ?? [];
    expect(Number(pm2)).toBeGreaterThan(defaults.drainTimeoutMs + 5_000);
  });
});
