/** What fails again and again is told, and not at every try; nor that it went well in between. */
import { isLockdError, type LockdErrorCode } from './errors.ts';

/** What goes on and on is told this often; each time of it at `debug`. */
export const noteEveryMs = 60_000;

/** A way in which something has failed. */
interface Complaint {
  /** The codes of the error: the same for each try that fails the same way. */
  readonly what: string;
  /** When it was last told (monotonic). */
  readonly toldAt: number;
  /** When it last failed this way, told or not. */
  readonly failedAt: number;
  /** Tries that have failed this way since it was told. */
  readonly untold: number;
}

export interface Complaints {
  readonly kinds: readonly Complaint[];
  /** Tries that have failed, once it was told that they do; none once it was told that all is well. */
  readonly failures: number;
}

export const noComplaints: Complaints = { kinds: [], failures: 0 };

export interface Complained {
  readonly complaints: Complaints;
  readonly code: LockdErrorCode;
  readonly isToTell: boolean;
  /** Those since it was last told, this one included; not at the first. */
  readonly since: { readonly tries?: number };
}

const isRecent = (at: number, now: number): boolean => now - at < noteEveryMs;

/** To be told at once where it is news, else about once a minute: by then the first line has scrolled away. */
export function complain(
  { kinds, failures }: Complaints,
  error: unknown,
  failuresInARow: number,
  now: number,
): Complained {
  const what = kindOf(error);
  // Forgotten after a minute without it, and not as soon as a try goes well: of those that take turns,
  // with others or with success, each is a line a minute.
  const recent = kinds.filter(({ failedAt }) => isRecent(failedAt, now));
  const before = recent.find((complaint) => complaint.what === what);
  const others = recent.filter((complaint) => complaint !== before);
  const isToTell = before === undefined || !isRecent(before.toldAt, now);
  const complaint: Complaint = {
    what,
    toldAt: isToTell ? now : before.toldAt,
    failedAt: now,
    untold: isToTell ? 0 : before.untold + 1,
  };
  return {
    complaints: {
      kinds: [...others, complaint],
      failures: failures > 0 ? failures + 1 : isToTell ? failuresInARow : 0,
    },
    code: isLockdError(error) ? error.code : 'LOCKD_CONNECTION',
    isToTell,
    since: before === undefined ? {} : { tries: before.untold + 1 },
  };
}

interface Recovered {
  readonly complaints: Complaints;
  /** To be told, with the failures before; none where nothing was told of them. */
  readonly failures: number;
}

/** A try went well: told as often as it was told that tries fail. */
export const recover = ({ kinds, failures }: Complaints): Recovered => ({
  complaints: { kinds, failures: 0 },
  failures,
});

/** One code covers a database that is down and a password that is wrong: its cause tells them apart. */
function kindOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return `${codeOf(error)} ${codeOf(cause)}`;
}

function codeOf(error: unknown): string {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
