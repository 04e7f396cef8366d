import type { Candidate, SeatHooks, SeatSession, SessionOptions } from '../core/store.ts';
import { checkSchema, checkServer } from './checks.ts';
import type { Database } from './connection.ts';
import { pin, seatPins } from './pins.ts';
import { Session, type SessionSettings } from './session.ts';
import * as statements from './statements.ts';

/** The session that waits for the seat, holds it and beats. Never in a transaction, never LISTENs. */
export async function openSeat(
  database: Database,
  who: Candidate,
  options: SessionOptions<SeatHooks>,
): Promise<SeatSession> {
  const settings: SessionSettings = {
    hosts: database.hosts,
    applicationName: `lockd:${who.name}:${who.label}`,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
    lost: (error) => options.hooks.lost(error),
  };
  const { schema } = database;
  return Session.prepared(settings, async (session) => {
    const { backend } = await checkServer(session, { ...settings, lost: undefined });
    await checkSchema(session, schema);
    await pin(session, seatPins(who));
    const bounded: typeof session.query = (text, values) => session.bounded(text, values);
    const seat = await statements.enroll(bounded, schema, who.name);
    await statements.rehearse(bounded, schema);
    // The machine bounds what follows: it knows how long each statement waits on purpose.
    const ask: typeof session.query = (text, values) => session.query(text, values);
    return {
      backend,
      attempt: (waitMs, yieldedMs = 0) =>
        statements.attempt(ask, schema, seat, backend, who, { waitMs, yieldedMs }),
      readLease: () => statements.readLease(ask, schema, seat),
      takeover: (bid) => statements.takeover(ask, schema, seat, backend, bid, who),
      beat: (token) => statements.beat(ask, schema, seat, backend, token),
      release: (token, reason) => statements.release(ask, schema, seat, token, reason),
      terminateBlockers: () => statements.terminateBlockers(ask, schema, seat),
      destroy: () => session.destroy(),
    };
  });
}
