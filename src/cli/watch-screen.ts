/** The picture that `lockd watch` keeps up to date in a terminal. */
import type { NameStatus } from '../postgres/status.ts';
import { cell, redact } from './output.ts';
import { faultsOf, leaderTable, waitingTables } from './status.ts';
import { type Change, lineOf } from './watch-changes.ts';

const control = '\u001b[';
/** The other screen, no cursor, and lines that are cut at the edge: one of ours stays one row. */
const enter = `${control}?1049h${control}?25l${control}?7l`;
const leave = `${control}?7h${control}?25h${control}?1049l`;
const home = `${control}H`;
const clearLine = `${control}K`;
const clearBelow = `${control}J`;

const changesShown = 5;

export interface Picture {
  readonly title: string;
  readonly names: readonly NameStatus[];
  /** Why what is shown is from before. */
  readonly away: string | undefined;
  /** The latest last. */
  readonly changes: readonly Change[];
}

/** Draws over what it drew before, in one write, so that nothing flickers. Dispose of it to have the terminal back. */
export class Screen implements Disposable {
  readonly #terminal: NodeJS.WriteStream;
  #picture: Picture | undefined;
  #isEntered = false;

  constructor(terminal: NodeJS.WriteStream = process.stdout) {
    this.#terminal = terminal;
    this.#enter();
    terminal.on('resize', this.#draw);
    process.on('SIGTSTP', this.#suspend);
    process.on('SIGCONT', this.#resume);
    process.on('exit', this.#leave);
  }

  show(picture: Picture): void {
    this.#picture = picture;
    this.#draw();
  }

  [Symbol.dispose](): void {
    this.#terminal.off('resize', this.#draw);
    process.off('SIGTSTP', this.#suspend);
    process.off('SIGCONT', this.#resume);
    process.off('exit', this.#leave);
    this.#leave();
  }

  readonly #draw = (): void => {
    if (this.#picture === undefined || !this.#isEntered) return;
    const { columns = 80, rows = 24 } = this.#terminal;
    const lines = frame(this.#picture, columns, rows);
    const drawn = lines.map((line) => `${line}${clearLine}`).join('\r\n');
    this.#terminal.write(`${home}${drawn}${clearBelow}`);
  };

  #enter(): void {
    if (this.#isEntered) return;
    this.#isEntered = true;
    this.#terminal.write(enter);
  }

  readonly #leave = (): void => {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    this.#terminal.write(leave);
  };

  /** Ctrl-Z: the shell gets its terminal as it was. */
  readonly #suspend = (): void => {
    this.#leave();
    process.kill(process.pid, 'SIGSTOP');
  };

  readonly #resume = (): void => {
    this.#enter();
    this.#draw();
  };
}

/** The lines of a picture, as many as there is room for. */
export function frame(picture: Picture, columns: number, rows: number): string[] {
  const { title, names, away, changes } = picture;
  const faults = faultsOf(names).flatMap(({ names: whose, code, message, remedy }) => [
    ...wrapped(`${whose}: ${code}: ${message}`, columns),
    ...(remedy === undefined ? [] : wrapped(`  Run: ${remedy}`, columns)),
  ]);
  const blocks = [
    [cell(title)],
    away === undefined ? [] : wrapped(`CANNOT TELL, this is from before: ${away}`, columns),
    names.length === 0 ? [] : leaderTable(names).split('\n'),
    ...waitingTables(names).map((table) => table.split('\n')),
    faults.length === 0 ? [] : ['WRONG', ...faults],
    changes.length === 0 ? [] : ['LATELY', ...changes.slice(-changesShown).map(lineOf)],
  ];
  const lines = blocks
    .filter((block) => block.length > 0)
    .flatMap((block, index) => (index === 0 ? block : ['', ...block]))
    .map(redact);
  if (lines.length <= rows) return lines;
  const left = lines.length - rows + 1;
  return [...lines.slice(0, rows - 1), `… ${left} more lines: name one, or enlarge the window`];
}

/** At blanks, and where there is none anywhere. What hides a password comes first: it must see all of it. */
function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let rest = [...cell(redact(text))];
  while (rest.length > columns) {
    const blank = rest.lastIndexOf(' ', columns);
    const cut = blank > columns / 2 ? blank : columns;
    lines.push(rest.slice(0, cut).join(''));
    rest = rest.slice(rest[cut] === ' ' ? cut + 1 : cut);
  }
  return [...lines, rest.join('')];
}
