import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect } from 'vitest';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { isExcerptOf, readLogExcerpt, unsaid } from './excerpts.ts';
import { type Block, isCommand, type Section } from './page.ts';
import { type Stage, unnamed } from './stage.ts';

export interface Output {
  /** As a terminal shows it; of `sql` blocks as psql prints it. */
  readonly text: string;
  /** Of the last command of a `sh` block. */
  readonly code: number | null;
}

/** What stands for NAME, PID, SESSION, … in a block. */
export type Fill = Readonly<Record<string, string | number | bigint>>;

/** How long a block is pasted again until it shows what the page says it shows. */
const patienceMs = 30_000;

/**
 * Reads a section as an operator does: each block once, from top to bottom, on the incident that is
 * staged. A `text` block behind a command is what it prints; a `log` block what the instances said.
 */
export class Reading {
  readonly #section: Section;
  readonly #stage: Stage;
  readonly #url: string;
  #read = 0;

  constructor(section: Section, stage: Stage, url: string = stage.url) {
    this.#section = section;
    this.#stage = stage;
    this.#url = url;
  }

  /** Runs the next block, once. If the page says what it prints, it has to print that. */
  async runs(fill: Fill = {}): Promise<Output> {
    const { block, excerpt } = this.#next();
    const output = await this.#paste(block, fill);
    if (excerpt !== undefined) this.#expectShown(block, excerpt, output);
    return output;
  }

  /** Runs the next block until it prints what the page says, and fails if it never does. */
  async shows(fill: Fill = {}): Promise<Output> {
    const { block, excerpt } = this.#next();
    if (excerpt === undefined) throw new Error(`${this.#at(block)} does not say what is shown`);
    const end = performance.now() + patienceMs;
    for (;;) {
      const output = await this.#paste(block, fill);
      if (isExcerptOf(excerpt, output.text)) return output;
      if (performance.now() > end) this.#expectShown(block, excerpt, output);
      await sleep(50); // a command that is pasted again and again tells nobody when to look
    }
  }

  /** Everything has been run, and what the page quotes of logs was said. */
  async ends(): Promise<void> {
    expect(this.#commands().slice(this.#read), 'blocks that nobody has run').toEqual([]);
    for (const { text } of this.#section.blocks.filter(({ language }) => language === 'log')) {
      const excerpt = readLogExcerpt(text);
      const missing = () => unsaid(excerpt, this.#stage.logs);
      await until(() => missing().length === 0, {
        describe: () =>
          `"${this.#section.heading}" has its lines: nobody said\n${missing().join('\n')}\n${this.#stage.instances.join('\n')}`,
      });
    }
  }

  #commands(): Block[] {
    return this.#section.blocks.filter(isCommand);
  }

  #next(): { block: Block; excerpt: string | undefined } {
    const block = this.#commands()[this.#read];
    if (block === undefined) throw new Error(`"${this.#section.heading}" has no further block`);
    this.#read += 1;
    const { blocks } = this.#section;
    const after = blocks[blocks.indexOf(block) + 1];
    return { block, excerpt: after?.language === 'text' ? after.text : undefined };
  }

  #expectShown(block: Block, excerpt: string, { text, code }: Output): void {
    if (isExcerptOf(excerpt, text)) return;
    throw new Error(
      `${this.#at(block)} says that this is shown:\n${excerpt}\nShown was (exit code ${code}):\n${text}`,
    );
  }

  #paste(block: Block, fill: Fill): Promise<Output> {
    const text = filled(block.text, { NAME: this.#stage.name, ...fill });
    const left = /(?<![-\w])[A-Z]{2,}\b/.exec(text.replaceAll(/^\s*(#|--) .*$/gm, ''));
    if (left !== null) throw new Error(`${this.#at(block)}: nobody fills in ${left[0]}`);
    return block.language === 'sh'
      ? shell(text, this.#stage.folder, this.#url)
      : psql(text, this.#url);
  }

  #at({ line }: Block): string {
    return `RUNBOOK.md:${line} ("${this.#section.heading}")`;
  }
}

const filled = (text: string, fill: Fill): string =>
  Object.entries(fill).reduce(
    (said, [name, value]) => said.replaceAll(new RegExp(`(?<![-\\w])${name}\\b`, 'g'), `${value}`),
    text,
  );

async function shell(text: string, folder: string, url: string): Promise<Output> {
  const path = `${folder}:${process.env['PATH']}`;
  const env = { ...unnamed(), PATH: path, DATABASE_URL: url };
  await using child = new TestProcess('sh', ['-c', text], { env, cwd: folder });
  child.closeStdin();
  const { code } = await child.closed;
  return { code, text: [...child.stdout, ...child.stderr].join('\n') };
}

/** One statement after the other, each in a transaction of its own, as psql does it. */
async function psql(text: string, url: string): Promise<Output> {
  const asText = { getTypeParser: () => (value: string) => value };
  const client = new pg.Client({ connectionString: url, application_name: 'psql', types: asText });
  client.on('error', () => {});
  await client.connect();
  const said: string[] = [];
  try {
    for (const statement of text.split(/;\s*$/m).filter((part) => part.trim() !== '')) {
      const { fields, rows, command } = await client.query({ text: statement, rowMode: 'array' });
      const head = fields.map(({ name }) => name);
      said.push(head.length === 0 ? (command ?? '').toLowerCase() : aligned(head, rows));
    }
  } catch (error) {
    said.push(`ERROR:  ${(error as Error).message}`);
  } finally {
    await client.end();
  }
  return { code: null, text: said.join('\n') };
}

function aligned(head: readonly string[], rows: readonly (readonly (string | null)[])[]): string {
  const line = (cells: readonly (string | null)[]): string =>
    cells.map((cell) => cell ?? '').join(' | ');
  const rule = head.map(() => '---').join('+');
  return [line(head), rule, ...rows.map(line)].join('\n');
}
