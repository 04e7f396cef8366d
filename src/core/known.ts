import { LockdError } from './errors.ts';

/** The names of all options of a kind: one that the type has and this has not does not compile. */
export type Names<Options> = Readonly<Record<keyof Options, true>>;

/** Refuses what nobody would read: with a typing error in it a program would run on a default. */
export function refuseUnknown<Options extends object>(
  options: Options,
  known: Names<Options>,
  place = 'here',
): void {
  if (typeof options !== 'object' || options === null) {
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      `Expected options in an object, got ${kindOf(options)}.`,
    );
  }
  const names = Object.keys(known);
  const unknown = Object.keys(options).find((option) => !names.includes(option));
  if (unknown === undefined) return;
  const nearest = nearestOf(unknown, names);
  const remedy =
    nearest === undefined
      ? `There are: ${names.map((name) => `\`${name}\``).join(', ')}.`
      : `Did you mean \`${nearest}\`?`;
  throw new LockdError(
    'LOCKD_INVALID_OPTION',
    `There is no option \`${unknown}\` ${place}. ${remedy}`,
  );
}

/** Not the value: it may be an address. */
export const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);

/** The name that is the fewest edits away, unless these are too many: by default, more than half of it. */
export function nearestOf(
  word: string,
  names: readonly string[],
  mostEdits = (name: string): number => name.length / 2,
): string | undefined {
  const [nearest] = names
    .map((name) => ({ name, edits: editsBetween(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= mostEdits(name))
    .sort((one, other) => one.edits - other.edits);
  return nearest?.name;
}

/** Levenshtein: how many characters to insert, remove or replace. */
function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, character] of [...one].entries()) {
    const next = [index + 1];
    for (let at = 0; at < other.length; at += 1) {
      const replaced = (row[at] as number) + (character === other[at] ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] as number) + 1, (next[at] as number) + 1));
    }
    row = next;
  }
  return row[other.length] as number;
}
