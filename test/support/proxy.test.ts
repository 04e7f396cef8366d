import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { createDatabase, query } from './database.ts';
import { connectedLine } from './line.ts';
import { dial, listen } from './peers.ts';
import { startProxy } from './proxy.ts';
import { until } from './wait.ts';

test('what one side says, the other hears, and the bytes are counted', async () => {
  await using line = await connectedLine();
  line.client.say('hello');
  await line.server.hears('hello');
  line.server.say('hi');
  await line.client.hears('hi');
  expect(line.proxy.bytes).toEqual({ toServer: 5, toClient: 2 });
});

test('a side that ends its half can still hear the other', async () => {
  await using line = await connectedLine();
  line.client.socket.end('last words');
  await line.server.hears('last words');
  expect(await line.server.ending).toBe('end');
});

describe('a black hole', () => {
  test('swallows both directions, and loses nothing once it is healed', async () => {
    await using line = await connectedLine();
    line.connection.blackhole();
    line.client.say('a');
    line.server.say('b');
    await line.roundTripElsewhere();
    expect([line.client.heard, line.server.heard]).toEqual(['', '']);

    line.connection.heal();
    await line.server.hears('a');
    await line.client.hears('b');
  });

  test('of one direction leaves the other alone', async () => {
    await using line = await connectedLine();
    line.connection.blackhole('to-client');
    line.server.say('lost');
    line.client.say('heard');
    await line.server.hears('heard');
    await line.roundTripElsewhere();
    expect(line.client.heard).toBe('');
  });

  test('swallows the news that the other side is gone', async () => {
    await using line = await connectedLine();
    line.connection.blackhole();
    line.server.socket.resetAndDestroy();
    await line.roundTripElsewhere();
    expect(line.client.hasEnded).toBe(false);

    line.connection.heal();
    expect(await line.client.ending).toBe('ECONNRESET');
  });

  test('keeps the server from hearing of connections opened inside it', async () => {
    await using line = await connectedLine();
    line.proxy.blackhole();
    const client = await dial(line.proxy.url());
    client.say('anyone?');
    await line.proxy.connection(1);
    expect(line.listener.peers).toHaveLength(1);

    line.proxy.heal();
    await (await line.listener.next()).hears('anyone?');
    client.socket.destroy();
  });
});

describe('a delay', () => {
  test('keeps what is said under way for its time', async () => {
    await using line = await connectedLine();
    line.connection.delay(20);
    line.client.say('slow');
    await line.server.hears('slow');
  });

  test('lets others overtake, and shortening it applies to what is under way', async () => {
    await using line = await connectedLine();
    line.connection.delay(60_000);
    line.client.say('slow');
    await line.roundTripElsewhere();
    expect(line.server.heard).toBe('');

    line.connection.delay(0);
    await line.server.hears('slow');
  });
});

describe('a reset', () => {
  test('of the server side is seen by the server, while the client hears nothing at all', async () => {
    await using line = await connectedLine();
    line.connection.resetServerSide();
    expect(await line.server.ending).toBe('ECONNRESET');

    line.client.say('still there?');
    await line.roundTripElsewhere();
    expect(line.client.hasEnded).toBe(false);
    expect(line.connection.isOpen).toBe(true);
  });

  test('of the client side is seen by the client, while the server hears nothing at all', async () => {
    await using line = await connectedLine();
    line.connection.resetClientSide();
    expect(await line.client.ending).toBe('ECONNRESET');

    line.server.say('still there?');
    await line.roundTripElsewhere();
    expect(line.server.hasEnded).toBe(false);
  });

  test('of both sides is what a cut is', async () => {
    await using line = await connectedLine();
    line.proxy.cut();
    expect(await line.client.ending).toBe('ECONNRESET');
    expect(await line.server.ending).toBe('ECONNRESET');
    await line.connection.closed;
    expect(line.connection.isOpen).toBe(false);
  });
});

describe('a refusing proxy', () => {
  test('turns new clients away, keeps the old ones, and accepts again on the same port', async () => {
    await using line = await connectedLine();
    await line.proxy.refuse();
    await expect(dial(line.proxy.url())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    line.client.say('still here');
    await line.server.hears('still here');

    await line.proxy.accept();
    await line.roundTripElsewhere();
  });
});

describe('a hold', () => {
  test('stops one chunk and all behind it, in its direction alone, until released', async () => {
    await using line = await connectedLine();
    const hold = line.connection.hold('to-server');
    line.client.say('first');
    expect(`${await hold.arrived}`).toBe('first');
    line.client.say(' second');
    line.server.say('meanwhile');
    await line.client.hears('meanwhile');
    await line.roundTripElsewhere();
    expect(line.server.heard).toBe('');

    hold.release();
    await line.server.hears('first second');
  });

  test('on the proxy takes the first chunk that matches, on whichever connection', async () => {
    await using line = await connectedLine();
    const hold = line.proxy.hold('to-server', (chunk) => chunk.includes('unlock'));
    line.client.say('beat');
    await line.server.hears('beat');
    const late = await dial(line.proxy.url());
    late.say('unlock');
    await hold.arrived;
    line.client.say('unlock');
    await line.server.hears('beatunlock');
    const lateServer = await line.listener.next();
    expect(lateServer.heard).toBe('');

    hold.release();
    await lateServer.hears('unlock');
    late.socket.destroy();
  });
});

test('a server that is not there resets the client', async () => {
  await using proxy = await startProxy(await urlOfNobody());
  const client = await dial(proxy.url());
  expect(await client.ending).toBe('ECONNRESET');
});

test('a proxy can be pointed at another server, for the connections to come', async () => {
  await using line = await connectedLine();
  await using other = await listen();
  line.proxy.pointAt(other.url);
  const client = await dial(line.proxy.url());
  client.say('new');
  await (await other.next()).hears('new');
  line.client.say('old');
  await line.server.hears('old');
  client.socket.destroy();
});

test('a session of PostgreSQL is picked by name, and ends when its server side is reset', async () => {
  await using database = await createDatabase();
  await using proxy = await startProxy(database.url);
  const client = new pg.Client({
    connectionString: proxy.url(),
    application_name: 'lockd picked',
  });
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  await client.connect();
  const session = await proxy.named('lockd picked');
  session.resetServerSide();

  const count = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'lockd picked'`;
  await until(async () => (await query(database.url, count))[0]?.['n'] === 0);
  expect(errors).toEqual([]);
  session.cut();
  await until(() => errors.length > 0);
});

async function urlOfNobody(): Promise<string> {
  await using listener = await listen();
  return listener.url;
}
