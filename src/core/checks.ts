import { LockdError } from './errors.ts';

/** What options are checked with: each says what was expected, what came, and what to do. */

interface Bound {
  readonly ms: number;
  readonly inWords: string;
}

const aDay: Bound = { ms: 24 * 60 * 60 * 1000, inWords: 'a day' };
/** For what others wait for: a standing attempt holds up vacuum, a hanging call the next one. */
export const aMinute: Bound = { ms: 60 * 1000, inWords: 'a minute' };

/** A name as the database keeps it: two that look different are different. */
export function checkName(name: unknown): string {
  expect(
    typeof name === 'string' && isText(name, 200),
    '`name` to be 1 to 200 well-formed characters without control characters',
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

export function checkMetadata(metadata: Readonly<Record<string, unknown>>): typeof metadata {
  let json: string | undefined;
  try {
    json = JSON.stringify(metadata);
  } catch {}
  expect(
    json?.startsWith('{') === true && !json.includes('\\u0000'),
    '`metadata` to be an object that JSON can hold, without NUL characters',
    metadata,
  );
  return metadata;
}

function isText(text: string, longest: number): boolean {
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

export function expect(isSo: boolean, what: string, got: unknown, remedy = ''): void {
  if (isSo) return;
  const shown = typeof got === 'string' ? `${JSON.stringify(got.slice(0, 80))}` : String(got);
  throw new LockdError(
    'LOCKD_INVALID_OPTION',
    `Expected ${what}, got ${shown}. ${remedy}`.trimEnd(),
  );
}
