import { randomUUID } from 'node:crypto';
import { checkMetadata, duration, expect, isText, methods } from '../checks.ts';
import { type Names, refuseUnknown } from '../known.ts';
import { ownerHere } from './owners.ts';
import type { Details, Mode, Wanted } from './store.ts';

/** How a hold is asked for. All have defaults. */
export interface HoldOptions {
  /**
   * `'exclusive'`: nobody else. `'shared'`: many readers, no writer. `{ permits: n }`: n places; while
   * they are used, everybody has to name the same n. Default: `'exclusive'`.
   */
  readonly mode?: Mode | undefined;
  /**
   * Who asks, for people and for finding deadlocks: 1 to 200 characters. An owner cannot hold the same
   * resource twice, in any process. Default: within `using`, `once` and `locked` the owner of the hold
   * around it, else a new one for each call.
   */
  readonly owner?: string | undefined;
  /** The longest time it may be held: then `signal` aborts and it is given back. Default: no limit. */
  readonly ttlMs?: number | undefined;
  /** Extend it by `ttlMs` again and again while it is held. Default: false. */
  readonly keepAlive?: boolean | undefined;
  /** Why, for people: at most 500 characters. */
  readonly reason?: string | undefined;
  /** Anything else people should see: at most 4 096 bytes as JSON. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

export interface AcquireOptions extends HoldOptions {
  /** How long to wait for it; 0 fails at once. Default: as long as it takes. */
  readonly waitMs?: number | undefined;
  /** Ends the wait: it rejects with the signal's own `reason`. Of no effect on a hold. */
  readonly signal?: AbortSignal | undefined;
}

const holdOptions: Names<HoldOptions> = {
  mode: true,
  owner: true,
  ttlMs: true,
  keepAlive: true,
  reason: true,
  metadata: true,
};

const acquireOptions: Names<AcquireOptions> = { ...holdOptions, waitMs: true, signal: true };

/** The bounds, and why: a row with all of it stays inside one page, beside its next version. */
const bounds = {
  resource: 200,
  owner: 200,
  reason: 500,
  metadataBytes: 4_096,
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

export function settleRequest(resource: string, options: AcquireOptions): Request {
  refuseUnknown(options, acquireOptions);
  const { mode = 'exclusive', owner, reason, metadata, ttlMs, waitMs, signal } = options;
  const keepAlive = options.keepAlive ?? false;
  expect(typeof keepAlive === 'boolean', '`keepAlive` to be true or false', keepAlive);
  expect(
    !keepAlive || ttlMs !== undefined,
    '`keepAlive` to come with a `ttlMs`',
    keepAlive,
    'Without a `ttlMs` a hold has no end that it could be kept from.',
  );
  if (ttlMs !== undefined) duration('ttlMs', ttlMs, 1);
  if (waitMs !== undefined) duration('waitMs', waitMs, 0);
  return {
    resource: checkResource(resource),
    mode: checkMode(mode),
    owner: owner === undefined ? (ownerHere() ?? `#${randomUUID()}`) : checkOwner(owner),
    details: { reason: checkReason(reason), metadata: checkSize(metadata), ttlMs },
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

export function checkResource(resource: unknown): string {
  expect(
    typeof resource === 'string' && isText(resource, bounds.resource),
    `\`resource\` to be 1 to ${bounds.resource} well-formed characters without control characters`,
    resource,
  );
  return resource as string;
}

function checkMode(mode: Mode): Mode {
  if (mode === 'exclusive' || mode === 'shared') return mode;
  const permits = (mode as { permits?: unknown } | null)?.permits;
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

function checkOwner(owner: unknown): string {
  expect(
    typeof owner === 'string' && isText(owner, bounds.owner),
    `\`owner\` to be 1 to ${bounds.owner} well-formed characters without control characters`,
    owner,
  );
  return owner as string;
}

export function checkReason(reason: unknown): string | undefined {
  if (reason === undefined) return undefined;
  expect(
    typeof reason === 'string' && isText(reason, bounds.reason),
    `\`reason\` to be 1 to ${bounds.reason} well-formed characters without control characters`,
    reason,
  );
  return reason as string;
}

function checkSize(metadata: Details['metadata']): Details['metadata'] {
  if (metadata === undefined) return undefined;
  const bytes = Buffer.byteLength(JSON.stringify(checkMetadata(metadata)));
  expect(
    bytes <= bounds.metadataBytes,
    `\`metadata\` to be at most ${bounds.metadataBytes} bytes as JSON`,
    bytes,
    'Keep what is larger elsewhere, and its key here.',
  );
  return metadata;
}

/** In words: `exclusive`, `shared`, `3 permits`. */
export const modeInWords = (mode: Mode): string =>
  typeof mode === 'string' ? mode : `${mode.permits} permits`;
