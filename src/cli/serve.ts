import { readFile } from 'node:fs/promises';
import { deferred } from '../core/deferred.ts';
import { messageOf } from '../core/errors.ts';
import { stopSignals } from '../guard/signals.ts';
import { serve } from '../http/index.ts';
import { SingletonLockController } from '../index.ts';
import { migrate } from '../postgres/migrate.ts';
import { openDatabase } from './database.ts';
import { usageError } from './errors.ts';
import { ExitCode } from './exit-codes.ts';
import { createLog } from './log.ts';
import type { CommandOptions } from './options.ts';

export interface ServeVerbOptions extends CommandOptions {
  readonly listen: string | undefined;
  readonly authTokenFile: string | undefined;
  /** Of its variable. */
  readonly authToken: string | undefined;
  readonly isTokenOnCommandLine: boolean;
  readonly allowedHosts: readonly string[] | undefined;
  readonly promiseMs: number | undefined;
  readonly isObserving: boolean;
}

/** A closed terminal ends it, too: nobody would know of it any more. */
const signals = [...stopSignals, 'SIGHUP'] as const;

/**
 * `lockd serve`: no guard, and nobody who testifies that this process has died. Hosts act on what it has
 * told them, and go on doing so for a while: whoever comes next has to wait as long.
 */
export async function serveName(name: string, options: ServeVerbOptions): Promise<number> {
  const authToken = await tokenOf(options);
  await using database = await openDatabase(options);
  if (options.isMigrating) await migrate(database.options);
  const logger = createLog({ level: options.logLevel, isJson: options.isJson });
  const controller = new SingletonLockController({
    ...database.options,
    name,
    label: options.label,
    ttlMs: options.ttlMs,
    heartbeatMs: options.heartbeatMs,
    drainTimeoutMs: options.drainTimeoutMs,
    takeover: options.takeover,
    priority: options.priority,
    appVersion: options.appVersion,
    eligible: !options.isObserving,
    logger,
  });
  const told = deferred();
  let leaving: Promise<void> | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    const force = leaving !== undefined;
    logger.info({ name, signal, force }, 'told to stop');
    leaving = controller.stop({ force });
    told.resolve();
  };
  // The last to close: whoever asks while it drains is told that it does not lead.
  await using _served = await serve(controller, {
    database: database.options,
    listen: options.listen,
    authToken,
    allowedHosts: options.allowedHosts,
    promiseMs: options.promiseMs,
    logger,
  });
  for (const signal of signals) process.on(signal, stop);
  try {
    await Promise.race([controller.start(), told.promise]);
    await told.promise;
    await leaving;
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
  return ExitCode.ok;
}

async function tokenOf({
  authTokenFile: file,
  authToken,
  isTokenOnCommandLine,
}: ServeVerbOptions): Promise<string | undefined> {
  if (isTokenOnCommandLine) {
    throw usageError(
      'Anybody on this machine can read a command line: put the token into a file for --auth-token-file, or into LOCKD_AUTH_TOKEN.',
    );
  }
  if (file === undefined) return authToken;
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw usageError(`Expected --auth-token-file to be readable: ${messageOf(error)}.`);
  }
}
