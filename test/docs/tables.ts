import { isLockdError } from '../../src/core/errors.ts';
import { type Settled, settleOptions } from '../../src/core/options.ts';
import { SingletonLockController, type SingletonLockOptions } from '../../src/index.ts';
import { lockd } from '../support/cli.ts';
import { read } from './pages.ts';

/** What the guides quote from the code, by the name that stands in `<!-- generated: NAME -->`. */
async function generated(name: string): Promise<string> {
  const [what, of = ''] = name.split(' ');
  switch (what) {
    case 'options':
      return optionsTable();
    case 'help':
      return fenced((await lockd(of === '' ? ['--help'] : [of, '--help'])).stdout);
    case 'machine':
      return fenced(picture());
    default:
      throw new Error(`Nothing is generated under the name ${JSON.stringify(name)}.`);
  }
}

/** The page with everything that it quotes as the code has it now. */
export async function quoting(page: string): Promise<string> {
  let text = read(page);
  for (const [whole, name] of text.matchAll(marked)) {
    const now = `<!-- generated: ${name} -->\n${await generated(name as string)}\n<!-- end -->`;
    text = text.replace(whole, () => now);
  }
  return text;
}

export const marked = /^<!-- generated: ([\w ]+) -->\n[\s\S]*?^<!-- end -->$/gm;

const fenced = (text: string): string => `\`\`\`text\n${text}\n\`\`\``;

/** The one that stands in front of the machine itself. */
function picture(): string {
  const [, lines = ''] = /\n \*\n([\s\S]*?)\n \*\n/.exec(read('src/core/machine/machine.ts')) ?? [];
  return lines.replaceAll(/^ \* {2}/gm, '');
}

export interface Option {
  readonly name: string;
  readonly type: string;
  readonly meaning: string;
  /** In the words of its docstring. */
  readonly default: string | undefined;
}

const interfaces = [
  ['src/core/options.ts', 'ControllerOptions'],
  ['src/index.ts', 'SingletonLockOptions'],
  ['src/postgres/connection.ts', 'DatabaseOptions'],
] as const;

export const options: readonly Option[] = interfaces.flatMap(([path, name]) => {
  const [, body = ''] =
    new RegExp(`interface ${name} [^{]*{\n([\\s\\S]*?)\n}`).exec(read(path)) ?? [];
  return [...body.matchAll(/\/\*\*([\s\S]*?)\*\/\s+readonly (\w+)\??: ([^;]+);/g)].map(
    ([, comment = '', option = '', type = '']) => {
      const text = comment.replaceAll(/\s*\n\s*\* ?/g, ' ').trim();
      return {
        name: option,
        type,
        meaning: text.replace(/ ?@default .+$/, ''),
        default: /@default (.+)$/.exec(text)?.[1],
      };
    },
  );
});

function optionsTable(): string {
  const rows = options.map(({ name, type, meaning, default: usual = '' }) =>
    [`\`${name}\``, usual, allowed(name, type), meaning].map((cell) => cell.replaceAll('|', '\\|')),
  );
  const lines = [
    ['option', 'default', 'allowed', 'what it is'],
    ['---', '---', '---', '---'],
  ];
  return [...lines, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** In the words in which the code refuses a value that does not fit. */
function allowed(name: string, type: string): string {
  const wrong = type.startsWith('number') ? Number.NaN : '';
  const given: unknown = { name: 'bot', [name]: wrong };
  try {
    new SingletonLockController(given as SingletonLockOptions);
  } catch (error) {
    if (!isLockdError(error)) return '';
    return /^Expected `\w+` to be (.*), got /.exec(error.message)?.[1] ?? '';
  }
  return '';
}

/** What the code works with where nothing is said. */
export function usual(option: string): unknown {
  const { rules, candidate, noticeIntervalMs }: Settled = settleOptions({ name: 'bot' });
  return { ...rules, ...candidate, noticeIntervalMs }[option as never];
}
