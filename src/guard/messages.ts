import type { LockdErrorCode } from '../core/errors.ts';
import type { HoldNotice } from '../core/locks/store.ts';
import type { NoticeKind } from '../core/store.ts';
import type { Group } from './group.ts';
import type { SuperviseSettings } from './settings.ts';

/** What guard and supervisor tell each other. Tokens travel as text: JSON has no bigint. */

export interface WireNotice {
  readonly kind: NoticeKind;
  readonly token?: string | undefined;
  readonly reason?: string | undefined;
}

type Told<Kind extends HoldNotice['is']> = Extract<HoldNotice, { is: Kind }>;

export type WireHoldNotice =
  | (Omit<Told<'granted'>, 'token'> & { readonly token: string })
  | Told<'asked' | 'taken'>;

export const asWire = (notice: HoldNotice): WireHoldNotice =>
  notice.is === 'granted' ? { ...notice, token: String(notice.token) } : notice;

export const fromWire = (notice: WireHoldNotice): HoldNotice =>
  notice.is === 'granted' ? { ...notice, token: BigInt(notice.token) } : notice;

/** Why the command never ran, for the guard to say. */
export interface WireRefusal {
  readonly code: LockdErrorCode;
  readonly message: string;
}

export type ToSupervisor =
  | { readonly is: 'begin'; readonly settings: SuperviseSettings }
  /** The guard lives. */
  | { readonly is: 'ping' }
  /** The guard knows the group and would end it: now it may run. */
  | { readonly is: 'armed'; readonly group: number }
  /** Asked again: hurry. A service manager may signal each process once, which is no hurry. */
  | { readonly is: 'stop'; readonly signal: NodeJS.Signals; readonly isAgain: boolean }
  | { readonly is: 'forward'; readonly signal: NodeJS.Signals }
  | { readonly is: 'noticed'; readonly notice: WireNotice }
  /** Of the resource locks of this process. */
  | { readonly is: 'held'; readonly notice: WireHoldNotice }
  | { readonly is: 'testified'; readonly id: number; readonly isOver: boolean };

export type ToGuard =
  | { readonly is: 'pong' }
  /** The token may be trusted until then (monotonic ms, shared by all processes of the machine). */
  | { readonly is: 'vouch'; readonly token: string; readonly until: number }
  /** A group exists, behind a stub that waits for the word. */
  | { readonly is: 'group'; readonly group: Group }
  | { readonly is: 'gone'; readonly group: number }
  /** Whether this instance is ready to lead after the term `token`. */
  | {
      readonly is: 'answer-handoff';
      readonly token: string;
      readonly isReady: boolean;
      readonly reason: string;
    }
  | {
      readonly is: 'testify';
      readonly id: number;
      readonly token: string;
      readonly reason: string;
      readonly until: number;
    }
  | { readonly is: 'reconnect' }
  /** The last word: how the command ended, or that it never ran and why. */
  | {
      readonly is: 'done';
      readonly exitCode: number;
      readonly refusal?: WireRefusal | undefined;
    };

/** The supervisor's end of the pipe. */
export interface GuardChannel {
  send(message: ToGuard): void;
  onMessage(hear: (message: ToSupervisor) => void): void;
  /** End of file: the guard is dead, or wants no more. */
  onEnd(ended: () => void): void;
}
