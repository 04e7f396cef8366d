import { randomUUID } from 'node:crypto';
import { duration, processPrefix } from '../checks.ts';
import type { Names } from '../known.ts';
import { type ControllerOptions, type Settled, settleOptions } from '../options.ts';

/** What a manager can be told: about the lease of this process, as of a controller. All have defaults. */
export interface LockManagerOptions
  extends Pick<
    ControllerOptions,
    | 'label'
    | 'ttlMs'
    | 'heartbeatMs'
    | 'marginMs'
    | 'drainTimeoutMs'
    | 'reconnectMaxMs'
    | 'connectTimeoutMs'
    | 'callTimeoutMs'
    | 'logger'
    | 'clock'
    | 'random'
  > {
  /**
   * A wait that lasts longer is reported, with the chain that it stands in, as a warning.
   *
   * @default 10 000 ms
   */
  readonly reportAfterMs?: number | undefined;
}

export const lockManagerOptions: Names<LockManagerOptions> = {
  label: true,
  ttlMs: true,
  heartbeatMs: true,
  marginMs: true,
  drainTimeoutMs: true,
  reconnectMaxMs: true,
  connectTimeoutMs: true,
  callTimeoutMs: true,
  logger: true,
  clock: true,
  random: true,
  reportAfterMs: true,
};

const defaultReportAfterMs = 10_000;

export interface SettledLocks extends Settled {
  readonly reportAfterMs: number;
}

/** The lease of a process is that of a controller, under a name that is used once. */
export function settleLocks(
  options: LockManagerOptions,
  instance: string = randomUUID(),
): SettledLocks {
  const { reportAfterMs = defaultReportAfterMs, ...controller } = options;
  const settled = settleOptions({ ...controller, name: instance }, instance);
  return {
    ...settled,
    rules: { ...settled.rules, takeover: 'sole' },
    candidate: { ...settled.candidate, name: `${processPrefix}${instance}` },
    reportAfterMs: duration('reportAfterMs', reportAfterMs, 1),
  };
}
