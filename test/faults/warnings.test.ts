import { expect, test } from 'vitest';
import { Hosts } from '../../src/postgres/hosts.ts';
import { Session } from '../../src/postgres/session.ts';
import { listen } from '../support/peers.ts';
import { until } from '../support/wait.ts';

// A server that speaks German (lc_messages) says WARNUNG: only the code is the same everywhere.
for (const [language, severity] of [
  ['English', 'WARNING'],
  ['German', 'WARNUNG'],
  ['French', 'ATTENTION'],
] as const) {
  test(`a warning beside an answer is heard from a server that speaks ${language}`, async () => {
    await using server = await listen();
    const opening = Session.open({
      hosts: new Hosts([{ connectionString: server.url, user: 'any' }]),
      applicationName: 'lockd:warnings',
      timeoutMs: 5_000,
    });
    const peer = await server.next();
    await until(() => peer.heard.includes('application_name'));
    peer.say(message('R', '\0\0\0\0') + message('Z', 'I'));
    const session = await opening;
    const asked = session.query('a beat');
    await until(() => peer.heard.includes('a beat'));
    const warning = `S${severity}\0C01000\0Mcanceling the wait for a standby\0\0`;
    const hint = 'SHINWEIS\0C00000\0Mnothing to worry about\0\0';
    peer.say(message('N', warning) + message('N', hint));
    peer.say(message('C', 'SELECT 0\0') + message('Z', 'I'));
    expect((await asked).warnings).toEqual(['canceling the wait for a standby']);
    session.destroy();
  });
}

/** One message of the protocol: its kind, its length with itself, its body. All of it is ASCII. */
const message = (kind: string, body: string): string =>
  `${kind}\0\0\0${String.fromCharCode(body.length + 4)}${body}`;
