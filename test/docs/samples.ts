import { guides, read } from './pages.ts';

/**
 * The fenced blocks of the guides that are run as they stand: `ts`, `js` and `sh`. A comment above
 * one says what is around it:
 *
 * - `<!-- in: bot -->`: it stands where `// the sample` does in the block "bot" of surroundings.md.
 * - `<!-- file: worker.js -->`: it is not run, but lies under this name beside the page's others.
 *
 * What cannot be run has another language: `console` and `text` (what was seen), `yaml`, `go`, …
 */
export interface Sample {
  /** `docs/cli.md:41` */
  readonly at: string;
  /** A folder for all of the page's: `docs-cli`. */
  readonly folder: string;
  readonly language: 'ts' | 'js' | 'sh';
  readonly code: string;
  /** Lies there for others to use. */
  readonly file: string | undefined;
}

interface Block {
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** The line above: a comment, perhaps. */
  readonly above: string;
}

/** Shown, and not run. */
const shown = ['console', 'text', 'sql', 'yaml', 'ini', 'dockerfile', 'go', 'javascript', 'python'];

export const samples: readonly Sample[] = guides.flatMap((page) =>
  blocksOf(read(page)).flatMap((block) => sampleOf(page, block)),
);

function sampleOf(page: string, { line, language, code, above }: Block): Sample[] {
  const at = `${page}:${line}`;
  if (shown.includes(language)) return [];
  if (language !== 'ts' && language !== 'js' && language !== 'sh') {
    throw new Error(`${at}: expected ts, js, sh or one of ${shown}, got "${language}"`);
  }
  const [, relation, name = ''] = /^<!-- (in|file): ([\w.-]+) -->$/.exec(above) ?? [];
  return [
    {
      at,
      folder: page.replace(/\.md$/, '').replaceAll('/', '-'),
      language,
      code: relation === 'in' ? surround(at, code, name) : code,
      file: relation === 'file' ? name : undefined,
    },
  ];
}

function surround(at: string, code: string, name: string): string {
  const around = blocksOf(read('test/docs/surroundings.md')).find(
    ({ above }) => above === `## ${name}`,
  );
  if (around === undefined) throw new Error(`${at}: surroundings.md has no "${name}"`);
  return around.code.replace(/^(\/\/|#) the sample$/m, () => code);
}

function blocksOf(text: string): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const [, language] = /^```(.*)$/.exec(lines[at] as string) ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    const above = lines.slice(0, at).findLast((line) => line !== '') ?? '';
    blocks.push({ line: at + 1, language, above, code: lines.slice(at + 1, end).join('\n') });
    at = end;
  }
  return blocks;
}
