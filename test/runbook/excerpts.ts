/** When an excerpt of the runbook is what a real run printed: times, sizes and numbers are free. */
import { hostname } from 'node:os';

/** One line of pino. */
export interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface LogExcerpt {
  readonly who: string;
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** `WHO TIME LEVEL MESSAGE  field=value`; behind an arrow stands what is no part of the log. */
export function readLogExcerpt(text: string): LogExcerpt[] {
  return text
    .split('\n')
    .map((line) => line.replace(/←.*$/, '').trim())
    .filter((line) => line !== '' && line !== '…')
    .map((line) => {
      const [, who = '', level = '', message = '', rest = ''] =
        /^(\S+) +\d\d:\d\d:\d\d(?:\.\d{3})? +(debug|info|warn|error) +(.+?)(?: {2,}(.*))?$/.exec(
          line,
        ) ?? [];
      if (who === '') throw new Error(`This is no line of a log: ${line}`);
      const fields = [...rest.matchAll(/([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)/g)].map(
        ([, name, value = '']) => [name, value.startsWith('"') ? JSON.parse(value) : value],
      );
      return { who, level, message, fields: Object.fromEntries(fields) };
    });
}

/** The lines that were not said, in this order by each; empty when all were. */
export function unsaid(
  excerpt: readonly LogExcerpt[],
  logs: ReadonlyMap<string, readonly LogLine[]>,
): string[] {
  const read = new Map<string, number>();
  return excerpt.flatMap((wanted) => {
    const { who } = wanted;
    const from = read.get(who) ?? 0;
    const at = (logs.get(who) ?? []).findIndex(
      (line, index) => index >= from && says(line, wanted),
    );
    if (at === -1) return [`${who} ${JSON.stringify(wanted)}`];
    read.set(who, at + 1);
    return [];
  });
}

function says(line: LogLine, { level, message, fields }: LogExcerpt): boolean {
  if (line.level !== level || line.msg !== message) return false;
  return Object.entries(fields).every(([name, value]) => {
    const said = line[name];
    const text = typeof said === 'string' ? said : JSON.stringify(said);
    return said !== undefined && pattern(value).test(general(text));
  });
}

/** Whether the excerpt is the whole of the output; `…` stands for what was left out. */
export function isExcerptOf(excerpt: string, output: string): boolean {
  return pattern(excerpt).test(general(output));
}

function pattern(excerpt: string): RegExp {
  const parts = general(excerpt)
    .split(/\s*…\s*/)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`);
}

const thisHost = new RegExp(`\\b${hostname().replaceAll('.', '\\.')}\\b`, 'g');

/** Without what differs from run to run. */
function general(text: string): string {
  return text
    .replaceAll(thisHost, 'web')
    .replaceAll(/\btest_[0-9a-f]{12}\b/g, 'app')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b/g, '#')
    .replaceAll(/\d+(?:\.\d+)? (?:ms|s|min|h|d)\b(?: \d+ (?:s|min|h)\b)?/g, '#')
    .replaceAll(/-?\d+(?:\.\d+)?/g, '#')
    .replaceAll(/-{3,}/g, '---')
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(/ *\n */g, '\n')
    .trim();
}
