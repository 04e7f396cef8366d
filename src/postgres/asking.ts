/** A visit to the database on behalf of one name: to ask its instances for something, and to see what comes of it. */
import pg from 'pg';
import { checkName } from '../core/checks.ts';
import { checkSchema, checkServer } from './checks.ts';
import { type DatabaseOptions, settleDatabase } from './connection.ts';
import { type Picture, readPictures } from './picture.ts';
import { pin, visitPins } from './pins.ts';
import { Session, type SessionSettings } from './session.ts';
import type { Ask } from './statements.ts';
import { type NameStatus, statusOf } from './status.ts';

export interface Asking {
  readonly ask: Ask;
  readonly schema: string;
  /** Rings when something was told about the name, or the session was lost. */
  readonly bell: Bell;
  look(): Promise<Picture | undefined>;
  /** Before asking, so that an answer that comes at once is not missed. */
  listen(channel: string): Promise<void>;
}

const sessionTimeoutMs = 5_000;

export async function askOf<Result>(
  options: DatabaseOptions,
  name: string,
  { applicationName, signal }: Pick<SessionSettings, 'applicationName' | 'signal'>,
  act: (asking: Asking) => Promise<Result>,
): Promise<Result> {
  checkName(name);
  const { hosts, schema } = settleDatabase(options);
  const bell = new Bell();
  const settings: SessionSettings = {
    hosts,
    applicationName,
    timeoutMs: sessionTimeoutMs,
    signal,
    notified: () => bell.ring(),
    lost: () => bell.ring(), // the next question is told
  };
  const session = await Session.open(settings);
  const ask: Ask = (text, values) => session.bounded(text, values);
  const cut = (): void => {
    session.destroy();
    bell.ring(); // the next question is told
  };
  signal?.addEventListener('abort', cut, { once: true });
  try {
    // Behind a transaction pooler it would listen in vain; on a replica nobody would hear it.
    await checkServer(session, { ...settings, notified: undefined, lost: undefined });
    await pin(session, visitPins);
    await checkSchema(session, schema);
    return await act({
      ask,
      schema,
      bell,
      look: async () => (await readPictures(ask, schema, name))[0],
      listen: async (channel) => {
        await ask(`listen ${pg.escapeIdentifier(channel)}`);
      },
    });
  } finally {
    signal?.removeEventListener('abort', cut);
    await session.close();
  }
}

export const statusIn = (picture: Picture | undefined): NameStatus | undefined =>
  picture === undefined ? undefined : statusOf(picture);

/** Remembers one ring, so that none is lost between two waits. */
export class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  /** Resolves at the next ring, or after `ms`. */
  async heard(ms: number): Promise<void> {
    if (!this.#hasRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#hasRung = false;
  }
}
