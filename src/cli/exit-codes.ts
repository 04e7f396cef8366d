/** The codes `lockd` exits with. Help and RUNBOOK quote the table below. */
export const ExitCode = {
  ok: 0,
  nobody: 1,
  unknown: 2,
  usage: 64,
  unavailable: 69,
  internal: 70,
  lost: 75,
  notExecutable: 126,
  notFound: 127,
} as const;

export type ExitName = keyof typeof ExitCode;

/** `run` and `lock` answer with their command's own code, or 128 + n where signal n ended it. */
export const exitMeanings: Readonly<Record<ExitName, string>> = {
  ok: 'done; status: NAME is led, or without NAME every name in use, and one at least',
  nobody:
    'nobody leads, has led, or holds anything; resign, handoff, unlock: there was nobody to ask, or it stayed as it was; lock: not free in time; migrate --check: something is missing; doctor: the worst is a warning',
  unknown:
    'status, watch, history, resign, handoff, locks, unlock: could not tell (no answer in time, no database, no schema); doctor: a problem',
  usage: 'the command line, a variable or an option is wrong',
  unavailable: 'the database is unreachable, refused, or not fit for lockd',
  internal: 'a bug in lockd, or a machine in trouble',
  lost: 'run, lock: guard, supervisor or hold was lost and the command was ended; start it again',
  notExecutable: 'run, lock: the command cannot be executed',
  notFound: 'run, lock: the command was not found',
};

/** What a signal's exit code is, as shells count. */
export const signalBase = 128;

/** Each code and what it means, in order. */
export const exitRows = (): (readonly [code: string, meaning: string])[] => [
  ...Object.entries(ExitCode).map(
    ([name, code]) => [String(code), exitMeanings[name as ExitName]] as const,
  ),
  ['other', "run, lock: the command's own; 128 + n: signal n ended it"],
];

/** One line per code, for `--help`. */
export const exitTable = (): string =>
  ['Exit codes:', ...exitRows().map(([code, meaning]) => `  ${code.padEnd(7)}${meaning}`)].join(
    '\n',
  );
