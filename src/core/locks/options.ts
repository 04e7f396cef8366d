import { randomUUID } from 'node:crypto';
import { checkMetadata, duration, expect, flag, isText, methods } from '../checks.ts';
import { type Names, refuseUnknown } from '../known.ts';
import { innerHere } from './owners.ts';
import type { Details, Mode, Wanted } from './store.ts';

/** How a hold is asked for. All have defaults. */
export interface HoldOptions {
  /**
   * `'exclusive'`: nobody else. `'shared'`: many readers, no writer. `{ permits: n }`: n places, 1 to
   * 10 000; while they are used, everybody has to name the same n.
   * @default `'exclusive'`
   */
  readonly mode?: Mode | undefined;
  /**
   * Who asks, for people and for finding deadlocks: 1 to 200 characters. An owner cannot hold the same
   * resource twice, in any process.
   * @default a new one; within `using`, `once` and `locked` named after the hold around it: `agent-7/1`
   */
  readonly owner?: string | undefined;
  /**
   * The longest time it may be held, 1 ms to a day: then `signal` aborts and it is given back.
   * @default no limit
   */
  readonly ttlMs?: number | undefined;
  /** Extend it by `ttlMs` again and again while it is held. @default false */
  readonly keepAlive?: boolean | undefined;
  /** Why, for people: 1 to 500 characters. @default none */
  readonly reason?: string | undefined;
  /**
   * Anything else people should see: at most 4 096 bytes as JSON. Keep what is larger elsewhere, and its
   * key here.
   * @default none
   */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Gives up asking for it: that rejects with the signal's own `reason`. Of no effect on a hold.
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
}

export interface AcquireOptions extends HoldOptions {
  /** How long to wait for it, up to a day; 0 fails at once. @default as long as it takes */
  readonly waitMs?: number | undefined;
}

const holdOptions: Names<HoldOptions> = {
  mode: true,
  owner: true,
  ttlMs: true,
  keepAlive: true,
  reason: true,
  metadata: true,
  signal: true,
};

const acquireOptions: Names<AcquireOptions> = { ...holdOptions, waitMs: true };

/** The bounds, and why: a row with all of it stays inside one page, beside its next version. */
const bounds = {
  resource: 200,
  owner: 200,
  line: 500,
  metadata: { bytes: 4_096, inWords: '4 096 bytes' },
  permits: 10_000,
} as const;

/** A request as it was meant, everything checked. */
export interface Request {
  readonly resource: string;
  readonly mode: Mode;
  readonly owner: string;
  readonly details: Details;
  readonly ttlMs: number | undefined;
  readonly keepAlive: boolean;
  /** Infinity: as long as it takes. */
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Who asks; and whose routines ask by it, if nobody named an owner. */
export interface Asker extends Pick<Details, 'within'> {
  readonly owner: string;
}

function askerNow(named: string | undefined): Asker {
  if (named !== undefined) return { owner: checkText('owner', named, bounds.owner) };
  const inner = innerHere();
  if (inner !== undefined && inner.owner.length <= bounds.owner) return inner;
  return { owner: `#${randomUUID()}`, within: inner?.within };
}

/** A request that is not waited for. */
export function settleAtOnce(resource: string, options: HoldOptions): Request {
  refuseUnknown(options, holdOptions);
  return settleRequest(resource, { ...options, waitMs: 0 });
}

export function settleRequest(resource: string, options: AcquireOptions, by?: Asker): Request {
  refuseUnknown(options, acquireOptions);
  const { mode = 'exclusive', owner, reason, metadata, ttlMs, waitMs, signal } = options;
  const keepAlive = options.keepAlive ?? false;
  flag('keepAlive', keepAlive);
  expect(
    !keepAlive || ttlMs !== undefined,
    '`keepAlive` to come with a `ttlMs`',
    keepAlive,
    'Without a `ttlMs` a hold has no end that it could be kept from.',
  );
  if (ttlMs !== undefined) duration('ttlMs', ttlMs, 1);
  if (waitMs !== undefined) duration('waitMs', waitMs, 0);
  const asker = by ?? askerNow(owner);
  return {
    resource: checkResource(resource),
    mode: checkMode(mode),
    owner: asker.owner,
    details: {
      reason: reason === undefined ? reason : checkLine('reason', reason),
      metadata: metadata === undefined ? metadata : checkSize(metadata),
      ttlMs,
      within: asker.within,
    },
    ttlMs,
    keepAlive,
    waitMs: waitMs ?? Number.POSITIVE_INFINITY,
    signal:
      signal === undefined
        ? undefined
        : methods('signal', signal, ['throwIfAborted', 'addEventListener', 'removeEventListener']),
  };
}

/** A request as the store takes it. Each try is another one: the server may have granted the last. */
export const wantedOf = ({ resource, mode, owner, details }: Request): Wanted => ({
  request: randomUUID(),
  resource,
  mode,
  owner,
  details,
});

export const checkResource = (resource: unknown): string =>
  checkText('resource', resource, bounds.resource);

/** Why, or by whom: a line for people. */
export const checkLine = (option: string, line: unknown): string =>
  checkText(option, line, bounds.line);

function checkText(option: string, text: unknown, longest: number): string {
  expect(
    typeof text === 'string' && isText(text, longest),
    `\`${option}\` to be 1 to ${longest} well-formed characters without control characters`,
    text,
  );
  return text as string;
}

function checkMode(mode: Mode): Mode {
  if (mode === 'exclusive' || mode === 'shared') return mode;
  const permits = (mode as { permits?: unknown } | null)?.permits;
  if (permits !== undefined) refuseUnknown(mode, { permits: true }, 'in `mode`');
  expect(
    typeof permits === 'number' &&
      Number.isInteger(permits) &&
      permits >= 1 &&
      permits <= bounds.permits,
    `\`mode\` to be 'exclusive', 'shared' or { permits: 1 to ${bounds.permits} }`,
    typeof mode === 'object' && mode !== null ? `permits: ${String(permits)}` : mode,
  );
  return { permits: permits as number };
}

/** A copy: what is changed later is not what was asked for, and may be larger. */
function checkSize(metadata: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(checkMetadata(metadata, bounds.metadata)));
}

/** In words: `exclusive`, `shared`, `3 permits`. */
export const modeInWords = (mode: Mode): string =>
  typeof mode === 'string' ? mode : `${mode.permits} permits`;
