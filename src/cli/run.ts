import { randomUUID } from 'node:crypto';
import { defaults, settleOptions } from '../core/options.ts';
import { Guard } from '../guard/guard.ts';
import { forwardedSignals, jobControlSignals, stopSignals } from '../guard/signals.ts';
import { migrate } from '../postgres/migrate.ts';
import { openDatabase } from './database.ts';
import { ExitCode } from './exit-codes.ts';
import { createLog } from './log.ts';
import type { RunOptions } from './options.ts';
import type { SupervisorProgram } from './supervisor.ts';
import { Terminal } from './terminal.ts';

const ignore = (): void => {};

/** Runs the command only while this instance leads. This process becomes the guard. */
export async function run(name: string, command: string[], options: RunOptions): Promise<number> {
  await using database = await openDatabase(options);
  if (options.isMigrating) await migrate(database.options);
  const log = { level: options.logLevel, isJson: options.isJson };
  const settings = settle(name, command, options);
  const { instance } = settings;
  const logger = createLog({ ...log, fields: { process: 'guard', name, instance } });
  const settled = settleOptions({ ...settings.options, logger }, instance);
  const { label } = settled.candidate;
  // Before there is anybody to tell: a signal that comes while the supervisor is born is not lost.
  let guard: Guard | undefined;
  const stop = (signal: NodeJS.Signals): void => guard?.stop(signal);
  using terminal = new Terminal();
  const forward = (signal: NodeJS.Signals): void => {
    guard?.forward(signal);
    // The command has had its hang-up; one who waits would go on unseen, and lead some day.
    if (signal === 'SIGHUP') terminal.hungUp(() => guard?.stop('SIGTERM'));
  };
  for (const signal of stopSignals) process.on(signal, stop);
  for (const signal of forwardedSignals) process.on(signal, forward);
  for (const signal of jobControlSignals) process.on(signal, ignore);
  try {
    guard = new Guard({
      settings: {
        ...settings,
        options: { ...settings.options, label },
        database: database.options,
        log,
      } as SupervisorProgram,
      settled,
      program: new URL('./supervisor.js', import.meta.url),
      logger,
    });
    const outcome = await guard.run();
    return outcome.is === 'exited' ? outcome.exitCode : ExitCode.lost;
  } finally {
    for (const signal of stopSignals) process.off(signal, stop);
    for (const signal of forwardedSignals) process.off(signal, forward);
    for (const signal of jobControlSignals) process.off(signal, ignore);
  }
}

function settle(
  name: string,
  command: readonly string[],
  { label, ttlMs = defaults.ttlMs, heartbeatMs, takeover, graceMs, drainTimeoutMs }: RunOptions,
): Omit<SupervisorProgram, 'database' | 'log'> {
  const killMarginMs = Math.max(defaults.marginMs, ttlMs * defaults.marginShare);
  const grace = graceMs ?? drainTimeoutMs ?? defaults.drainTimeoutMs;
  return {
    // A quarter of the lease between losing it and the KILL: the command's time to end by itself.
    options: {
      name,
      label,
      ttlMs,
      heartbeatMs,
      takeover,
      marginMs: killMarginMs + ttlMs / 4,
      drainTimeoutMs: drainTimeoutMs ?? grace + 1000,
    },
    instance: randomUUID(),
    command,
    graceMs: grace,
    killMarginMs,
    silenceMs: Math.max(500, ttlMs / 4),
  };
}
