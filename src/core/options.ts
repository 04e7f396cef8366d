import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  aMinute,
  callable,
  checkLabel,
  checkMetadata,
  checkName,
  duration,
  expect,
  flag,
  methods,
  oneOf,
} from './checks.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Names } from './known.ts';
import { type Logger, silentLogger } from './log.ts';
import type { Rules } from './machine/rules.ts';
import { rankOf } from './rank.ts';
import type { OnStandby } from './standby.ts';
import type { Candidate } from './store.ts';

/** What a controller can be told. Only `name` has no default. */
export interface ControllerOptions {
  /** What is led: 1 to 200 characters, well-formed, without control characters, not only white space. */
  readonly name: string;
  /** Who this is, for people. @default `hostname:pid` */
  readonly label?: string | undefined;
  /** What `lockd status --json` and `readStatus()` say of an instance that waits. @default `{}` */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Whom a seat that comes free goes to first, of those who wait: the highest. A whole number.
   * @default by `appVersion`
   */
  readonly priority?: number | undefined;
  /**
   * The version of the host, such as `1.10.3` or `2026-11-22.1`: the newest goes first. Numbers that grow
   * with each deploy; a commit hash has no order.
   * @default when this process started; less than a minute apart is one deploy
   */
  readonly appVersion?: string | undefined;
  /** False: it observes who leads, and never leads. @default true */
  readonly eligible?: boolean | undefined;
  /**
   * Asked before a handoff to this instance, within 30 s: warms up, and answers whether it is ready.
   * @default always ready
   */
  readonly onStandby?: OnStandby | undefined;
  /** How long a silent leader is still waited for. @default 10 000 ms */
  readonly ttlMs?: number | undefined;
  /** Time between two beats, at most a third of the TTL. @default a fifth of the TTL */
  readonly heartbeatMs?: number | undefined;
  /**
   * How much earlier than its TTL a leader stops trusting itself: at least 100 ms and at least 1 %
   * of the TTL.
   * @default the larger of the two
   */
  readonly marginMs?: number | undefined;
  /** After this a drain that still runs is warned about. @default 25 000 ms */
  readonly drainTimeoutMs?: number | undefined;
  /**
   * `'fast'` takes a free seat for proof that its holder has stopped: only with fencing.
   * @default `'safe'`
   */
  readonly takeover?: 'safe' | 'fast' | undefined;
  /** What happens to fenced transactions that hold up a takeover. @default `'report'` */
  readonly fenceBlockers?: 'report' | 'terminate' | undefined;
  /** `passiveNotice` says yes at most once per key in this time. @default 60 000 ms */
  readonly noticeIntervalMs?: number | undefined;
  /** The first wait in the server's queue. @default 250 ms */
  readonly firstWaitMs?: number | undefined;
  /** The longest one: vacuum waits for it. @default the heartbeat, 2 000 ms at most */
  readonly maxWaitMs?: number | undefined;
  /** By how much waits grow. @default 1.5 */
  readonly waitFactor?: number | undefined;
  /** The longest pause before a new connection after failures. @default 1 000 ms */
  readonly reconnectMaxMs?: number | undefined;
  /** Bound for making a connection. @default 5 000 ms */
  readonly connectTimeoutMs?: number | undefined;
  /** Bound for an answer beyond the time that a statement waits on purpose. @default 5 000 ms */
  readonly callTimeoutMs?: number | undefined;
  /** pino, or anything with its four methods. @default silence */
  readonly logger?: Logger | undefined;
  /** What reads the time and sets timers; another one is for tests. @default the system's */
  readonly clock?: Clock | undefined;
  /** Uniform in [0, 1): jitter. @default `Math.random` */
  readonly random?: (() => number) | undefined;
}

export const controllerOptions: Names<ControllerOptions> = {
  name: true,
  label: true,
  metadata: true,
  priority: true,
  appVersion: true,
  eligible: true,
  onStandby: true,
  ttlMs: true,
  heartbeatMs: true,
  marginMs: true,
  drainTimeoutMs: true,
  takeover: true,
  fenceBlockers: true,
  noticeIntervalMs: true,
  firstWaitMs: true,
  maxWaitMs: true,
  waitFactor: true,
  reconnectMaxMs: true,
  connectTimeoutMs: true,
  callTimeoutMs: true,
  logger: true,
  clock: true,
  random: true,
};

/**
 * The sizes, and why. All durations in milliseconds.
 *
 * | what | size | because |
 * | --- | --- | --- |
 * | TTL | 10 000 | longer than a garbage collection, a failover of a proxy or a slow disk; short enough to wait for |
 * | heartbeat | TTL / 5 | three beats in a row may be lost; 0.5 statements a second |
 * | margin | TTL / 100, 100 or more | two healthy clocks differ by far less than 1 %; 100 covers scheduling and the 10 ms grain of the boot-time clock |
 * | waits | 250 growing by 1.5 to min(heartbeat, 2 000) | vacuum and CREATE INDEX CONCURRENTLY wait for a standing attempt, never longer than this |
 * | passive idle | the heartbeat, at least min(1 000, TTL / 2) | a frozen standby that is granted the seat loses it this soon |
 * | connect, call | 5 000 | a lost SYN is sent again after 1 and 3 s |
 * | reconnect | up to 1 000, full jitter | back within a second of the server, at two connections a second each |
 * | fence wait | TTL / 5 | one try at the gate; it is tried again |
 * | drain | 25 000 | inside the 30 s that container platforms grant by default |
 */
export const defaults = {
  ttlMs: 10_000,
  heartbeatsPerTtl: 5,
  marginMs: 100,
  marginShare: 0.01,
  drainTimeoutMs: 25_000,
  noticeIntervalMs: 60_000,
  firstWaitMs: 250,
  maxWaitMs: 2_000,
  waitFactor: 1.5,
  reconnectMaxMs: 1_000,
  connectTimeoutMs: 5_000,
  callTimeoutMs: 5_000,
} as const;

export interface Settled {
  readonly candidate: Candidate;
  readonly rules: Rules;
  readonly noticeIntervalMs: number;
  readonly onStandby: OnStandby | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Checks options and the relations between them; refuses what does not fit instead of repairing it. */
export function settleOptions(
  options: ControllerOptions,
  instance: string = randomUUID(),
): Settled {
  // The database keeps these two in whole milliseconds, and all must count the same TTL.
  const ttlMs = Math.round(duration('ttlMs', options.ttlMs ?? defaults.ttlMs, 500));
  const heartbeatMs = Math.floor(
    duration('heartbeatMs', options.heartbeatMs ?? ttlMs / defaults.heartbeatsPerTtl, 50),
  );
  expect(
    heartbeatMs * 3 <= ttlMs,
    `\`heartbeatMs\` to be at most a third of \`ttlMs\` (${ttlMs})`,
    heartbeatMs,
    'Lower it, or raise `ttlMs`.',
  );
  const leastMarginMs = Math.max(defaults.marginMs, ttlMs * defaults.marginShare);
  const marginMs = duration('marginMs', options.marginMs ?? leastMarginMs, leastMarginMs);
  expect(
    marginMs + 2 * heartbeatMs <= ttlMs,
    `\`marginMs\` to leave room for two beats of ${heartbeatMs} ms in \`ttlMs\` (${ttlMs})`,
    marginMs,
    'Lower it or `heartbeatMs`, or raise `ttlMs`.',
  );
  const maxWaitMs = duration(
    'maxWaitMs',
    options.maxWaitMs ?? Math.min(heartbeatMs, defaults.maxWaitMs),
    1,
    aMinute,
  );
  const firstWaitMs = duration(
    'firstWaitMs',
    options.firstWaitMs ?? Math.min(maxWaitMs, defaults.firstWaitMs),
    1,
    aMinute,
  );
  expect(
    firstWaitMs <= maxWaitMs,
    `\`firstWaitMs\` to be at most \`maxWaitMs\` (${maxWaitMs})`,
    firstWaitMs,
    'Lower it, or raise `maxWaitMs`.',
  );
  const waitFactor = options.waitFactor ?? defaults.waitFactor;
  expect(
    typeof waitFactor === 'number' && waitFactor >= 1 && waitFactor <= 10,
    '`waitFactor` to be a number from 1 to 10',
    waitFactor,
  );
  const isEligible = flag('eligible', options.eligible ?? true);
  const { onStandby } = options;
  return {
    candidate: {
      name: checkName(options.name),
      instance,
      label: checkLabel(options.label ?? `${hostname()}:${process.pid}`),
      metadata: checkMetadata(options.metadata ?? {}),
      ttlMs,
      heartbeatMs,
      passiveIdleMs: Math.round(Math.max(heartbeatMs, Math.min(1_000, ttlMs / 2))),
      rank: rankOf(options, performance.timeOrigin),
      isEligible,
      appVersion: options.appVersion,
    },
    rules: {
      instance,
      isEligible,
      ttlMs,
      heartbeatMs,
      marginMs,
      takeover: oneOf('takeover', options.takeover ?? 'safe', ['safe', 'fast']),
      blockers: oneOf('fenceBlockers', options.fenceBlockers ?? 'report', ['report', 'terminate']),
      firstWaitMs,
      maxWaitMs,
      waitFactor,
      reconnectMaxMs: duration(
        'reconnectMaxMs',
        options.reconnectMaxMs ?? defaults.reconnectMaxMs,
        1,
        aMinute,
      ),
      connectTimeoutMs: duration(
        'connectTimeoutMs',
        options.connectTimeoutMs ?? defaults.connectTimeoutMs,
        1,
        aMinute,
      ),
      callTimeoutMs: duration(
        'callTimeoutMs',
        options.callTimeoutMs ?? defaults.callTimeoutMs,
        1,
        aMinute,
      ),
      drainTimeoutMs: duration(
        'drainTimeoutMs',
        options.drainTimeoutMs ?? defaults.drainTimeoutMs,
        0,
      ),
    },
    noticeIntervalMs: duration(
      'noticeIntervalMs',
      options.noticeIntervalMs ?? defaults.noticeIntervalMs,
      0,
    ),
    onStandby: onStandby === undefined ? onStandby : callable('onStandby', onStandby),
    logger: methods('logger', options.logger ?? silentLogger, ['debug', 'info', 'warn', 'error']),
    clock: methods('clock', options.clock ?? systemClock, ['mono', 'boot', 'setTimer']),
    random: callable('random', options.random ?? Math.random),
  };
}
