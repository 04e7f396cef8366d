/** What `run` and `lock` have in common: this process becomes the guard of a command. */
import { randomUUID } from 'node:crypto';
import { defaults } from '../core/options.ts';
import { Guard, type Outcome } from '../guard/guard.ts';
import { type SuperviseSettings, settleLease } from '../guard/settings.ts';
import { forwardedSignals, jobControlSignals, stopSignals } from '../guard/signals.ts';
import { createLog } from './log.ts';
import type { CommandOptions } from './options.ts';
import type { SupervisorProgram } from './supervisor.ts';
import { Terminal } from './terminal.ts';

const ignore = (): void => {};

/** Starts the supervisor, which starts the command, and outlives both. */
export async function runGuarded(
  settings: SuperviseSettings,
  { logLevel, isJson }: CommandOptions,
): Promise<Outcome> {
  const { instance, hold, options } = settings;
  const log = { level: logLevel, isJson };
  const what = hold === undefined ? { name: options.name } : { resource: hold.resource };
  const logger = createLog({ ...log, fields: { process: 'guard', ...what, instance } });
  const settled = settleLease(settings, logger);
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
      settings: { ...settings, options: { ...options, label }, log } as SupervisorProgram,
      settled,
      program: new URL('./supervisor.js', import.meta.url),
      logger,
    });
    return await guard.run();
  } finally {
    for (const signal of stopSignals) process.off(signal, stop);
    for (const signal of forwardedSignals) process.off(signal, forward);
    for (const signal of jobControlSignals) process.off(signal, ignore);
  }
}

/** How much time there is for what, within the lease. */
export function timings(
  name: string,
  options: CommandOptions,
): Pick<SuperviseSettings, 'options' | 'instance' | 'graceMs' | 'killMarginMs' | 'silenceMs'> {
  const { label, ttlMs = defaults.ttlMs, takeover, drainTimeoutMs, heartbeatMs, graceMs } = options;
  const { priority, appVersion } = options;
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
      priority,
      appVersion,
      marginMs: killMarginMs + ttlMs / 4,
      drainTimeoutMs: drainTimeoutMs ?? grace + 1000,
    },
    instance: randomUUID(),
    graceMs: grace,
    killMarginMs,
    silenceMs: Math.max(500, ttlMs / 4),
  };
}
