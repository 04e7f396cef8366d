import { LockdError, messageOf } from './errors.ts';

/** What options are checked with: each says what was expected, what came, and what to do. */

interface Bound {
  readonly ms: number;
  readonly inWords: string;
}

/** What the leases of processes are named by: used once, and by nobody else. */
export const processPrefix = 'lockd:process:';

const aDay: Bound = { ms: 24 * 60 * 60 * 1000, inWords: 'a day' };
/** For what others wait for: a standing attempt holds up vacuum, a hanging call the next one. */
export const aMinute: Bound = { ms: 60 * 1000, inWords: 'a minute' };

/** A name as the database keeps it: two that look different are different. */
export function checkName(name: unknown): string {
  expect(
    typeof name === 'string' && isText(name, 200) && name.trim() !== '',
    '`name` to be 1 to 200 well-formed characters without control characters, not only white space',
    name,
  );
  expect(
    !(name as string).startsWith(processPrefix),
    `\`name\` not to begin with \`${processPrefix}\`, which stands for the processes that hold resource locks`,
    name,
  );
  return name as string;
}

export function checkLabel(label: string): string {
  expect(
    typeof label === 'string' && isText(label, 200),
    '`label` to be 1 to 200 well-formed characters',
    label,
  );
  return label;
}

export function checkMetadata(
  metadata: Readonly<Record<string, unknown>>,
  longest: { readonly bytes: number; readonly inWords: string } = {
    bytes: 64 * 1024,
    inWords: '64 KiB',
  },
): typeof metadata {
  const what = `\`metadata\` to be an object that JSON can hold in ${longest.inWords}, of well-formed text without NUL`;
  let json: string | undefined;
  try {
    json = JSON.stringify(metadata);
  } catch (error) {
    const [why = ''] = messageOf(error).split('\n');
    throw refusal(what, shown(metadata), why);
  }
  expect(json?.startsWith('{') === true, what, metadata);
  const bytes = Buffer.byteLength(json ?? '');
  expect(bytes <= longest.bytes, what, metadata, `It takes ${bytes} bytes.`);
  // JSON writes a backslash as two: what stands behind an odd one is an escape.
  const [, unkept] = /(?<!\\)(?:\\\\)*\\u(0000|d[89a-f]..)/.exec(json ?? '') ?? [];
  expect(unkept !== '0000', what, metadata, 'There is a NUL character in it.');
  expect(unkept === undefined, what, metadata, 'There is half a surrogate pair in it.');
  return metadata;
}

export function isText(text: string, longest: number): boolean {
  const { length } = [...text];
  return length >= 1 && length <= longest && text.isWellFormed() && !/\p{Cc}/u.test(text);
}

export function duration(
  option: string,
  value: number,
  leastMs: number,
  longest: Bound = aDay,
): number {
  expect(
    typeof value === 'number' && value >= leastMs && value <= longest.ms,
    `\`${option}\` to be from ${leastMs} ms to ${longest.inWords}`,
    value,
  );
  return value;
}

export function oneOf<Choice extends string>(
  option: string,
  value: Choice,
  choices: readonly Choice[],
): Choice {
  expect(
    choices.includes(value),
    `\`${option}\` to be one of ${choices.map((choice) => `'${choice}'`).join(', ')}`,
    value,
  );
  return value;
}

export function flag(option: string, value: boolean): boolean {
  expect(typeof value === 'boolean', `\`${option}\` to be true or false`, value);
  return value;
}

export function callable<Callable>(option: string, value: Callable): Callable {
  expect(typeof value === 'function', `\`${option}\` to be a function`, value);
  return value;
}

/** Asks for methods and not for a class: another copy of a library, or another realm, has its own. */
export function methods<Kind>(
  option: string,
  value: Kind,
  names: readonly (keyof Kind & string)[],
): Kind {
  const missing = isObject(value)
    ? names.filter((name) => typeof value[name] !== 'function')
    : names;
  if (missing.length === 0) return value;
  const without = missing.length < names.length ? ` without ${quoted(missing)}` : '';
  throw refusal(
    `\`${option}\` to be an object with the methods ${quoted(names)}`,
    `${shown(value)}${without}`,
  );
}

const isObject = (value: unknown): boolean =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

const quoted = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

export function expect(isSo: boolean, what: string, got: unknown, remedy = ''): void {
  if (!isSo) throw refusal(what, shown(got), remedy);
}

const refusal = (what: string, got: string, remedy = ''): LockdError =>
  new LockdError('LOCKD_INVALID_OPTION', `Expected ${what}, got ${got}. ${remedy}`.trimEnd());

/** Of an object only that it is one: it may be large, or hold a password. */
function shown(value: unknown): string {
  if (typeof value === 'string') return shortened(value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** That it is too long is seen by its length. */
function shortened(text: string): string {
  const characters = [...text];
  if (characters.length <= mostShown) return JSON.stringify(text);
  const shown = characters.slice(0, mostShown).join('');
  return `${JSON.stringify(shown)}… (${characters.length} characters)`;
}

const mostShown = 80;
