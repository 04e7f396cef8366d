/** Who goes first when a seat comes free: the newer deploy, unless somebody says otherwise. */
import { expect } from './checks.ts';

export interface RankOptions {
  /** A number of one's own: the highest goes first. Above every version. */
  readonly priority?: number | undefined;
  /** The highest goes first; above everything that tells none. */
  readonly appVersion?: string | undefined;
}

/**
 * As the database compares it, first to last: what kind it is, and its value. Without either option it is
 * when this process started; there, what is less than a minute apart counts as one deploy.
 */
export function rankOf({ priority, appVersion }: RankOptions, startedAtMs: number): number[] {
  if (priority !== undefined) {
    const most = Number.MAX_SAFE_INTEGER;
    expect(
      Number.isInteger(priority) && Math.abs(priority) <= most,
      `\`priority\` to be a whole number from -${most} to ${most}`,
      priority,
    );
    return [2, priority];
  }
  if (appVersion !== undefined) return [1, ...versionParts(appVersion)];
  return [0, Math.floor(startedAtMs)];
}

const version =
  /^v?(\d{1,15}(?:[._-]\d{1,15}){0,9})(?:-([a-z][0-9a-z.-]{0,60}))?(?:\+[0-9a-z.-]{1,60})?$/i;

/** `1.10.0-rc.2` comes before `1.10.0`; the shorter of two comes before what begins like it. */
function versionParts(appVersion: string): number[] {
  const [, numbers = '', label] = version.exec(appVersion) ?? [];
  expect(
    numbers !== '',
    '`appVersion` to be numbers that grow with each deploy, such as 1.10.3, 2026-11-22.1 or v42; a commit hash has no order',
    appVersion,
    'Give a number that grows, or `priority`.',
  );
  const parts = numbers.split(/[._-]/).map(Number);
  while (parts.length > 1 && parts.at(-1) === 0) parts.pop(); // 1.10 and 1.10.0 are one version
  return label === undefined
    ? [...parts, 0]
    : [...parts, -1, ...(label.match(/\d{1,15}/g) ?? []).map(Number)];
}
