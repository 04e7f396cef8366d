import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from './duration.ts';
import { ExitCode } from './exit-codes.ts';

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** What every verb accepts: a flag, else its LOCKD_* variable. Undefined: the core's default. */
export interface CommonOptions {
  readonly databaseUrl: string | undefined;
  readonly schema: string | undefined;
  readonly label: string | undefined;
  readonly ttlMs: number | undefined;
  readonly drainTimeoutMs: number | undefined;
  readonly takeover: 'safe' | 'fast' | undefined;
  readonly logLevel: LogLevel;
  readonly isJson: boolean;
}

/** `lockd run` and `lockd lock`. */
export interface CommandOptions extends CommonOptions {
  /** Migrate before the first attempt. */
  readonly isMigrating: boolean;
  readonly heartbeatMs: number | undefined;
  /** From TERM to KILL for the command; undefined: as long as the drain timeout and the lease allow. */
  readonly graceMs: number | undefined;
  /** Who goes first when the seat comes free. */
  readonly priority: number | undefined;
  readonly appVersion: string | undefined;
}

/** Makes of what a verb does what commander calls. */
export type Answering = (
  act: (command: Command) => Promise<number>,
) => (...read: unknown[]) => Promise<void>;

/** Which flags a verb's help shows. */
export const asking: readonly string[] = ['database-url', 'schema', 'log-level', 'json'];
export const leading: readonly string[] = [...asking, 'label', 'ttl', 'drain-timeout', 'takeover'];
export const holding: readonly string[] = [...asking, 'label', 'lease'];
export const playing: readonly string[] = ['database-url', 'ttl', 'takeover', 'json'];

/** Every verb takes these, so that one set of flags and variables serves a whole deployment. */
export function addCommonOptions(
  verb: Command,
  shown: readonly string[],
  { lease = '--ttl', logLevel = 'info' }: { lease?: string; logLevel?: LogLevel } = {},
): Command {
  const common = [
    option(
      '--database-url <url>',
      'postgres://… (else DATABASE_URL, PG*; in a clone: a development database)',
    ),
    option('--schema <name>', 'schema lockd was migrated into (default: lockd)'),
    option('--label <text>', 'who this is, for people (default: host:pid)'),
    duration(
      lease,
      `how long a silent ${lease === '--ttl' ? 'leader' : 'one'} is waited for (default: 10s)`,
    ).env('LOCKD_TTL'),
    duration('--drain-timeout', 'when a drain is warned about (default: 25s)'),
    option(
      '--takeover <mode>',
      'fast: a free seat is proof enough; only with fencing (default: safe)',
    ).choices(['safe', 'fast']),
    option('--log-level <level>', 'what is logged to stderr')
      .choices(['silent', 'error', 'warn', 'info', 'debug', 'trace'])
      .default(logLevel),
    option('--json', 'answers and logs as JSON'),
  ];
  for (const one of common) verb.addOption(one.hideHelp(!shown.includes(one.name())));
  return verb;
}

/** A flag that is a LOCKD_* variable, too. */
export function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(`LOCKD_${made.name().replaceAll('-', '_').toUpperCase()}`);
}

export const priority = (): Option =>
  option(
    '--priority <n>',
    'the highest that waits leads next (default: by --app-version)',
  ).argParser((text) => {
    if (/^-?\d{1,15}$/.test(text)) return Number(text);
    throw new InvalidArgumentError('Expected a whole number.');
  });

export const appVersion = (): Option =>
  option(
    '--app-version <text>',
    'the newest that waits leads next, as 1.10.3 (default: the last deploy)',
  );

export function duration(flag: string, description: string): Option {
  return option(`${flag} <duration>`, description).argParser(readDuration);
}

/** Of one call: a variable of a whole deployment says nothing about it. */
export function ownDuration(flags: string, description: string): Option {
  return new Option(`${flags} <duration>`, description).argParser(readDuration);
}

function readDuration(text: string): number {
  const durationMs = text === '0' ? 0 : parseDuration(text);
  if (durationMs === undefined) {
    throw new InvalidArgumentError('Expected a duration such as 10s, 1.5s, 250ms or 5m.');
  }
  return durationMs;
}

export function ownNumber(flags: string, description: string, least: number, most: number): Option {
  return new Option(flags, description).argParser((text) => {
    const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  });
}

/** What commander read, in our own words. */
export function commonOptions(verb: Command): CommonOptions {
  const read = verb.opts();
  return {
    databaseUrl: read['databaseUrl'],
    schema: read['schema'],
    label: read['label'],
    ttlMs: read[hasLease(verb) ? 'lease' : 'ttl'],
    drainTimeoutMs: read['drainTimeout'],
    takeover: read['takeover'],
    logLevel: read['logLevel'],
    isJson: isOn(verb, 'json'),
  };
}

/** `lockd lock` has its lease under another name: its `--ttl` is what flock(1) users look for. */
const hasLease = (verb: Command): boolean =>
  verb.options.some((one) => one.attributeName() === 'lease');

export function commandOptions(verb: Command): CommandOptions {
  const read = verb.opts();
  return {
    ...commonOptions(verb),
    isMigrating: isOn(verb, 'migrate'),
    heartbeatMs: read['heartbeat'],
    graceMs: read['grace'],
    priority: read['priority'],
    appVersion: read['appVersion'],
  };
}

/** commander takes any value of a variable for yes, `0` and the empty one included. */
function isOn(verb: Command, key: string): boolean {
  if (verb.getOptionValueSource(key) !== 'env') return verb.opts()[key] === true;
  const variable = verb.options.find((candidate) => candidate.attributeName() === key)?.envVar;
  const value = process.env[variable ?? ''] ?? '';
  if (isYes(value)) return true;
  if (/^(0|false|no|off|)$/i.test(value)) return false;
  return verb.error(`error: expected ${variable} to be 1 or 0, got ${JSON.stringify(value)}.`, {
    exitCode: ExitCode.usage,
  });
}

export const isYes = (value: string): boolean => /^(1|true|yes|on)$/i.test(value);
