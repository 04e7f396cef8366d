import { hostname } from 'node:os';
import pg from 'pg';
import type { HoldNotice } from '../core/locks/store.ts';
import type {
  Candidate,
  ControlHooks,
  ControlSession,
  Notice,
  NoticeKind,
  SessionOptions,
} from '../core/store.ts';
import { checkSchema, checkServer } from './checks.ts';
import type { Database } from './connection.ts';
import { answerHandoff, missedNotices } from './handoff-statements.ts';
import { controlPins, pin } from './pins.ts';
import { Session, type SessionSettings } from './session.ts';
import * as statements from './statements.ts';
import { version } from './version.ts';

/** The session that registers the instance, holds its presence, listens and confesses. */
export async function openControl(
  database: Database,
  who: Candidate,
  options: SessionOptions<ControlHooks>,
  isWitness: boolean,
): Promise<ControlSession> {
  const { hooks, timeoutMs, signal } = options;
  const settings: SessionSettings = {
    hosts: database.hosts,
    applicationName: `lockd:${who.name}:${who.label}`,
    timeoutMs,
    signal,
    lost: (error) => hooks.lost(error),
    notified: (_channel, payload) => {
      const notice = holdNoticeOf(payload);
      if (notice === undefined) hooks.notice(noticeOf(payload));
      else hooks.held?.(notice);
    },
  };
  const { schema } = database;
  return Session.prepared(settings, async (session) => {
    const ask: typeof session.query = (text, values) => session.bounded(text, values);
    const { backend } = await checkServer(session, { ...settings, lost: undefined });
    await checkSchema(session, schema);
    await pin(session, controlPins(who));
    const seat = await statements.enroll(ask, schema, who.name);
    if (!isWitness) {
      const self = { host: hostname(), pid: process.pid, version, clockMs: Date.now() };
      const channel = await statements.register(ask, schema, seat, who, self);
      await ask(`listen ${pg.escapeIdentifier(channel)}`);
      for (const notice of await missedNotices(ask, schema, seat, who.instance)) {
        queueMicrotask(() => hooks.notice(notice)); // once whoever opened this session has it
      }
    }
    return {
      backend,
      testify: (token, by, reason) => statements.testify(ask, schema, seat, token, by, reason),
      answerHandoff: (token, isReady, reason) =>
        answerHandoff(ask, schema, seat, { token, heir: who.instance, isReady, reason }),
      destroy: () => session.destroy(),
      close: async () => {
        // What fails here is pruned by the next one that registers.
        if (!isWitness) await statements.unregister(ask, schema, who.instance).catch(() => {});
        await session.close();
      },
    };
  });
}

const kinds: readonly string[] = [
  'taken',
  'released',
  'ended',
  'resign',
  'prepare',
  'declined',
] satisfies NoticeKind[];

/** Anybody may notify on any channel: what cannot be read is a notice of an unknown kind. */
export function noticeOf(payload: string): Notice {
  try {
    const { kind, token, reason } = JSON.parse(payload);
    return {
      kind: kinds.includes(kind) ? kind : 'unknown',
      token: typeof token === 'string' && /^\d{1,19}$/.test(token) ? BigInt(token) : undefined,
      reason: typeof reason === 'string' ? reason : undefined,
    };
  } catch {
    return { kind: 'unknown', token: undefined, reason: undefined };
  }
}

/** Of a hold: believed by those who have just made up the request's uuid, and by nobody else. */
function holdNoticeOf(payload: string): HoldNotice | undefined {
  try {
    const { kind, request, facts } = JSON.parse(payload);
    if (typeof request !== 'string') return undefined;
    if (kind === 'granted') {
      return { is: 'granted', request, token: BigInt(facts.token), slot: Number(facts.slot) };
    }
    if (kind !== 'asked' && kind !== 'taken') return undefined;
    return { is: kind, request, by: String(facts.by), reason: String(facts.reason) };
  } catch {
    return undefined;
  }
}
