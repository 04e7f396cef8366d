import { isLockdError } from '../../src/core/errors.ts';
import { settleRequest } from '../../src/core/locks/options.ts';
import { lockManagerOptions, settleLocks } from '../../src/core/locks/settings.ts';
import { type Settled, settleOptions } from '../../src/core/options.ts';
import {
  LockManager,
  type ResourceLockOptions,
  SingletonLockController,
  type SingletonLockOptions,
} from '../../src/index.ts';
import { lockd } from '../support/cli.ts';
import { alerts, metrics } from './monitoring.ts';
import { read } from './pages.ts';

/** What the guides quote from the code, by the name that stands in `<!-- generated: NAME -->`. */
async function generated(name: string): Promise<string> {
  const [what, of = ''] = name.split(' ');
  switch (what) {
    case 'options':
      return tableOf(options);
    case 'manager':
      return tableOf(managerOptions);
    case 'hold':
      return tableOf(holdOptions);
    case 'help':
      return fenced((await lockd(of === '' ? ['--help'] : [of, '--help'])).stdout);
    case 'metrics':
      return metrics();
    case 'alerts':
      return alerts();
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
  readonly allowed: string;
  readonly meaning: string;
  /** In the words of its docstring. */
  readonly default: string | undefined;
}

/** What the docstrings of an interface say; `refusal`: what the code says of a value that does not fit. */
function documented(
  path: string,
  name: string,
  refusal: (option: string, value: unknown) => unknown,
): Option[] {
  const [, body = ''] =
    new RegExp(`interface ${name}\\s[^{]*{\n([\\s\\S]*?)\n}`).exec(
      read(path).replaceAll(/extends Pick<[^>]*>/g, ''),
    ) ?? [];
  return [...body.matchAll(/\/\*\*([\s\S]*?)\*\/\s+readonly (\w+)\??: ([^;]+);/g)].map(
    ([, comment = '', option = '', type = '']) => {
      const text = comment.replaceAll(/\s*\n\s*\* ?/g, ' ').trim();
      const [meaning = '', usual] = text.split('@default ');
      return {
        name: option,
        allowed: allowed(refusal, option, type),
        meaning: meaning.trim(),
        default: usual,
      };
    },
  );
}

const madeController = (option: string, value: unknown): unknown =>
  new SingletonLockController({ name: 'bot', [option]: value } as unknown as SingletonLockOptions);

const madeManager = (option: string, value: unknown): unknown =>
  new LockManager({ [option]: value } as ResourceLockOptions);

const askedFor = (option: string, value: unknown): unknown =>
  settleRequest('order:1', { [option]: value });

/** Of a controller. */
export const options: readonly Option[] = [
  ...documented('src/core/options.ts', 'ControllerOptions', madeController),
  ...documented('src/index.ts', 'SingletonLockOptions', madeController),
  ...documented('src/postgres/connection.ts', 'DatabaseOptions', madeController),
];

/** Of a manager of resource locks: those of its lease are a controller's. */
export const managerOptions: readonly Option[] = [
  ...documented('src/core/options.ts', 'ControllerOptions', madeManager).filter(
    ({ name }) => name in lockManagerOptions,
  ),
  ...documented('src/core/locks/settings.ts', 'LockManagerOptions', madeManager),
  ...documented('src/index.ts', 'ResourceLockOptions', madeManager),
  ...documented('src/postgres/connection.ts', 'DatabaseOptions', madeManager),
];

/** Of `acquire` and its kin. */
export const holdOptions: readonly Option[] = [
  ...documented('src/core/locks/options.ts', 'HoldOptions', askedFor),
  ...documented('src/core/locks/options.ts', 'AcquireOptions', askedFor),
];

function tableOf(rows: readonly Option[]): string {
  const lines = [
    ['option', 'default', 'allowed', 'what it is'],
    ['---', '---', '---', '---'],
    ...rows.map(({ name, meaning, allowed: fits, default: usual = '' }) =>
      [`\`${name}\``, usual, fits, meaning].map((cell) => cell.replaceAll('|', '\\|')),
    ),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** In the words in which the code refuses a value that does not fit. */
function allowed(
  refusal: (option: string, value: unknown) => unknown,
  option: string,
  type: string,
): string {
  try {
    refusal(option, type.startsWith('number') ? Number.NaN : '');
  } catch (error) {
    if (!isLockdError(error)) return '';
    return /^Expected `\w+` to be (.*), got /.exec(error.message)?.[1] ?? '';
  }
  return '';
}

/** What the code works with where nothing is said. */
export function usual(option: string): unknown {
  const { rules, candidate, noticeIntervalMs }: Settled = settleOptions({ name: 'bot' });
  const { reportAfterMs } = settleLocks({});
  return { ...rules, ...candidate, noticeIntervalMs, reportAfterMs }[option as never];
}
