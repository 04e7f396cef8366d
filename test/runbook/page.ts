import { readFileSync } from 'node:fs';

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of its fence, in RUNBOOK.md. */
  readonly line: number;
}

export interface Section {
  readonly heading: string;
  /** Number signs before the heading. */
  readonly level: number;
  /** With its fences, without the sections below it. */
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** What an operator pastes. */
export const isCommand = ({ language }: Block): boolean => language === 'sh' || language === 'sql';

export const runbook: string = readFileSync(new URL('../../RUNBOOK.md', import.meta.url), 'utf8');

/** RUNBOOK.md by its headings, in order. */
export const sections: readonly Section[] = read(runbook);

function read(text: string): Section[] {
  const found: { heading: string; level: number; lines: string[]; blocks: Block[] }[] = [];
  let fence: { language: string; lines: string[]; line: number } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const [, signs, heading] = (fence === undefined && /^(#+) (.+)$/.exec(line)) || [];
    if (signs !== undefined && heading !== undefined) {
      found.push({ heading, level: signs.length, lines: [], blocks: [] });
      continue;
    }
    const section = found.at(-1);
    section?.lines.push(line);
    const [, language] = /^```(.*)$/.exec(line) ?? [];
    if (language === undefined) {
      fence?.lines.push(line);
    } else if (fence === undefined) {
      fence = { language, lines: [], line: index + 1 };
    } else {
      const { lines, ...rest } = fence;
      section?.blocks.push({ ...rest, text: lines.join('\n') });
      fence = undefined;
    }
  }
  return found.map(({ lines, ...section }) => ({ ...section, text: lines.join('\n') }));
}

/** As a link within the page names it. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-');
