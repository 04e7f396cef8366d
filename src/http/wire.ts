/**
 * What is asked and answered over HTTP, for whoever writes a client in TypeScript. Nothing else is imported
 * here: a client needs no types of a server.
 */
import type { AsJson } from '../core/json.ts';
import type { EndReason } from '../core/machine/protocol.ts';
import type { Leader, Standing } from '../core/surface.ts';
import type { TermRecord } from '../postgres/history.ts';
import type { NameStatus } from '../postgres/status.ts';
import type { Locks } from './behind.ts';

/** `GET /leader`: 200 while this instance leads, else 503. */
export type LeaderAnswer =
  | {
      readonly name: string;
      readonly instance: string;
      readonly label: string;
      /** The fencing token, in digits. */
      readonly token: string;
      /** How long it may be acted on, counted from before the question was sent. */
      readonly validForMs: number;
    }
  | { readonly name: string; readonly leader: AsJson<Leader> | null };

/** `GET /healthz` and `GET /readyz`: 200 where it is `ok`, else 503. */
export interface HealthAnswer {
  readonly ok: boolean;
  /** What is wrong, or would be if this instance led. */
  readonly reason: string | null;
  readonly name: string;
  readonly instance: string;
  readonly label: string;
  readonly state: Standing['state'];
  /** It has a session to campaign or lead with. */
  readonly isConnected: boolean;
  /** Tries to have one that have failed in a row. */
  readonly failures: number;
  /** Since the last acknowledged beat was sent, in ms; null while it holds no lease. */
  readonly lastBeatAgeMs: number | null;
}

/** `GET /status`: what this instance knows of itself, and the database of every name, or of the one. */
export type StatusAnswer = AsJson<{
  readonly name: string;
  readonly instance: string;
  readonly label: string;
  readonly standing: Standing;
  readonly names: readonly NameStatus[];
}>;

/** `GET /history`: the newest last. */
export type HistoryAnswer = AsJson<{
  readonly name: string;
  readonly terms: readonly TermRecord[];
}>;

/** `GET /locks`: what is held and who waits for it, of all resources together. */
export type LocksAnswer = AsJson<Locks>;

/** `event: transition` of `GET /events`. */
export interface Transition {
  /** By this machine's clock, for people. */
  readonly at: string;
  readonly name: string;
  readonly is: 'active' | 'passive' | 'observed' | 'drained' | 'warning' | 'stopped';
  readonly token?: string;
  /** Of `passive`: why the term ended. */
  readonly reason?: EndReason;
  /** Of `observed`. */
  readonly leader?: AsJson<Leader>;
  /** Of `warning`. */
  readonly message?: string;
}

/** `event: picture` of `GET /events`. */
export interface Picture {
  readonly names: AsJson<readonly NameStatus[]>;
  readonly locks: LocksAnswer;
  /** When the names were read, by this machine's clock; null while they have not been. */
  readonly readAt: string | null;
  /** Why names, or locks, could not be read just now: they are the last that could. */
  readonly error?: string;
}

/** The body of `POST /resign`. */
export interface ResignQuestion {
  /** @default the one this instance campaigns for */
  readonly name?: string;
  /** Give the seat up when the drain overruns; only of this instance. @default false */
  readonly force?: boolean;
  /** Answer when it has let go. @default false */
  readonly wait?: boolean;
}

/** The body of `POST /handoff`. */
export interface HandoffQuestion {
  /** @default the one this instance campaigns for */
  readonly name?: string;
  /** Its uuid, the first 4 or more characters of it, or its label. @default the newest */
  readonly to?: string;
  /** As without `to`. */
  readonly newest?: boolean;
  /** Answer when it has come, or will not. @default true */
  readonly wait?: boolean;
}
