/** What the environment and misspelt flags are checked for, and how messages name what was set. */

import type { Command } from 'commander';
import { isLockdError, type LockdErrorCode } from '../core/errors.ts';
import { nearestOf } from '../core/known.ts';
import { isAboutResource, usageError } from './errors.ts';

const prefix = 'LOCKD_';

/** Set for a command, which may be a `lockd` itself. */
const ofCommands = ['LOCKD_NAME', 'LOCKD_TOKEN', 'LOCKD_INSTANCE', 'LOCKD_RESOURCE', 'LOCKD_SLOT'];

/** Of our tests; and what Kubernetes sets in every container for a service called `lockd`. */
const ofOthers = /^LOCKD_(TEST_|(.*_)?SERVICE_(HOST|PORT)(_|$)|(.*_)?PORT(_|$))/;

/** One with a typing error in it would be a setting that nobody reads. */
export function refuseUnknownVariables(
  program: Command,
  environment: NodeJS.ProcessEnv = process.env,
): void {
  const variables = program.commands.flatMap((verb) =>
    verb.options.flatMap(({ envVar }) => envVar ?? []),
  );
  const known = new Set(variables);
  const unknown = Object.keys(environment).find(
    (name) =>
      name.startsWith(prefix) &&
      !known.has(name) &&
      !ofCommands.includes(name) &&
      !ofOthers.test(name),
  );
  if (unknown === undefined) return;
  const words = [...known].map((name) => name.slice(prefix.length));
  const nearest = nearestOf(unknown.slice(prefix.length), words);
  const remedy =
    nearest === undefined
      ? `There are: ${[...known].join(', ')}.`
      : `Did you mean ${prefix}${nearest}?`;
  throw usageError(`There is no variable ${unknown}. ${remedy}`);
}

/** Their remedy may be another option. */
const ofOptions: readonly LockdErrorCode[] = ['LOCKD_INVALID_OPTION', 'LOCKD_UNAVAILABLE'];

/** The core speaks of its own options: whoever set one here knows it by its flag or variable. */
export function inFlags(message: string, error: unknown, command: Command): string {
  const isOfOptions = isLockdError(error) && ofOptions.includes(error.code);
  if (!isOfOptions && !isAboutResource(error)) return message;
  return command.options.reduce((text, option) => {
    const key = option.attributeName();
    const isVariable = command.getOptionValueSource(key) === 'env';
    const set = (isVariable ? option.envVar : option.long) ?? key;
    return text.replaceAll(`\`${key}\``, `\`${set}\``).replaceAll(`\`${key}Ms\``, `\`${set}\``);
  }, message);
}

/** commander looks for the nearest flag, but not before the verb, and not where a value is glued to it. */
export function withNearestFlag(
  message: string,
  program: Command,
  argv: readonly string[],
): string {
  const [, flag] = /^lockd: unknown option '(--[^']+)'\n$/.exec(message) ?? [];
  if (flag === undefined) return message;
  const isBehindVerb = program.commands.some((verb) => verb.name() === argv[2]);
  const verb = program.commands.find((one) => argv.includes(one.name()));
  const flags = (verb === undefined ? program.commands : [verb]).flatMap(({ options }) =>
    options.flatMap(({ long }) => long ?? []),
  );
  const nearest = flags.includes(flag) ? flag : nearestOf(flag, flags);
  if (nearest === undefined) return message;
  const remedy = isBehindVerb
    ? `Did you mean ${nearest}?`
    : `Flags stand behind the verb: lockd ${verb?.name() ?? 'VERB'} ${nearest}`;
  return `${message}(${remedy})\n`;
}
