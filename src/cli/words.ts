/** How the words of a command line are read, and what is said of them. */
import { usageError } from './errors.ts';

/** An address has a password in it, and a name is shown and kept. */
export function expectNoAddress<Name extends string | undefined>(name: Name): Name {
  if (name?.includes('://') !== true) return name;
  throw usageError(
    'That is an address; a name is expected; the address goes to --database-url or DATABASE_URL.',
  );
}

/** Without the dashes an option of the command would be taken for one of ours. */
export function afterDashes(
  words: readonly string[],
  argv: readonly string[],
  verb: string,
): string[] {
  const [, what] = verb.split(' ');
  const dashes = argv.indexOf('--');
  const behind = argv.slice(dashes + 1);
  const command = behind.slice(-words.length);
  if (dashes === -1 || command.length < words.length) {
    throw usageError(`Expected -- between ${what} and the command: lockd ${verb} -- COMMAND`);
  }
  // `lockd run -- --odd-name -- command`
  const isOdd = words.length !== behind.length;
  if (isOdd && command[0] !== '--') throw usageError(missing(verb));
  const started = isOdd ? command.slice(1) : command;
  if (started[0] === '') throw usageError(empty(verb));
  return started;
}

const empty = (verb: string): string =>
  `Expected a command behind --, got "". Is the variable empty that names it: lockd ${verb} -- "$COMMAND"?`;

/** These run a command. */
const running = ['run NAME', 'lock RESOURCE'] as const;

const missing = (verb: string): string =>
  `${verb.split(' ')[1]} is missing: lockd ${verb} -- COMMAND`;

/** `lockd run -- true`: it is not the command that is missing. */
export function nameFirst(text: string, argv: readonly string[]): string {
  const verb = running.find((each) => each.split(' ')[0] === argv[2]);
  const isOther =
    verb === undefined ||
    !/missing required argument/.test(text) ||
    argv.at(-1) === '--' ||
    !argv.includes('--');
  return isOther ? text : `lockd: ${missing(verb)}\n`;
}

/** Not with the value: an address glued to a misspelt flag has a password in it. */
export const inOurVoice = (text: string): string =>
  text.replace(/^error: /, 'lockd: ').replace(/'(--?[^'=]+)=[^\n]*'/, "'$1'");

export const examples = (...lines: string[]): string =>
  ['', 'Examples:', ...lines.map((line) => `  $ lockd ${line}`)].join('\n');
