import { settleLocks } from '../core/locks/settings.ts';
import type { Mode } from '../core/locks/store.ts';
import type { Logger } from '../core/log.ts';
import { type ControllerOptions, type Settled, settleOptions } from '../core/options.ts';
import type { DatabaseOptions } from '../postgres/connection.ts';

/** Plain data: it travels from the guard to the supervisor. */
export interface SuperviseSettings {
  readonly options: Pick<
    ControllerOptions,
    | 'name'
    | 'label'
    | 'ttlMs'
    | 'heartbeatMs'
    | 'drainTimeoutMs'
    | 'takeover'
    | 'priority'
    | 'appVersion'
  > & { readonly marginMs: number };
  /** The lease is not that of a name, but of this process, for a hold. */
  readonly hold?: HoldSettings | undefined;
  readonly instance: string;
  readonly database: DatabaseOptions;
  readonly command: readonly string[];
  /** Between TERM and KILL when there is time. */
  readonly graceMs: number;
  /** How long before the end of the lease the command is killed at the latest. */
  readonly killMarginMs: number;
  /** Guard and supervisor count each other as dead after this silence. */
  readonly silenceMs: number;
}

/** What is held while the command runs. */
export interface HoldSettings {
  readonly resource: string;
  readonly mode: Mode;
  readonly owner: string;
  readonly reason: string | undefined;
  /** Undefined: as long as it takes. */
  readonly waitMs: number | undefined;
  /** After this the command is ended; it keeps the resource until it is gone. */
  readonly ttlMs: number | undefined;
  /** What to exit with where the command was ended because the hold was over. */
  readonly lostExitCode: number;
}

/** The lease that guard and supervisor share: of a name, or of this process. */
export function settleLease(settings: SuperviseSettings, logger: Logger): Settled {
  const { options, hold, instance } = settings;
  if (hold === undefined) return settleOptions({ ...options, logger }, instance);
  const { name: _, takeover: __, ...lease } = options;
  return settleLocks({ ...lease, logger }, instance);
}
