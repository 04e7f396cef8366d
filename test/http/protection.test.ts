import { expect, test } from 'vitest';
import type { ServeOptions } from '../../src/http/index.ts';
import { holdElection } from '../support/election.ts';
import { until } from '../support/wait.ts';
import { ask, Listening, post, Raw, served } from './asking.ts';

const authToken = 'correct-horse-battery-staple';

test('with a token everything asks for it but health, metrics and the page itself', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const database = { connectionString: election.url };
  await using face = await served(await election.lead('first'), { authToken, database });
  for (const path of ['/healthz', '/readyz', '/metrics', '/', '/dashboard.js', '/dashboard.css']) {
    expect(await ask(face.url, path), path).toMatchObject({ status: 200 });
  }
  const closed = ['/leader', '/status', '/history', '/locks', '/events', '/nothing'];
  for (const path of closed) {
    expect(await ask(face.url, path), path).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': expect.stringContaining('Bearer') },
      body: { error: { code: 'TOKEN_MISSING' } },
    });
    for (const wrong of [`${authToken}x`, authToken.slice(1), 'x'.repeat(5_000), `${authToken}=`]) {
      const headers = { authorization: `Bearer ${wrong}` };
      expect(await ask(face.url, path, { headers }), path).toMatchObject({ status: 401 });
    }
    for (const odd of ['Basic abc', 'Bearer', `Bearer ${authToken} x`]) {
      const headers = { authorization: odd };
      expect(await ask(face.url, path, { headers }), path).toMatchObject({ status: 400 });
    }
    expect((await ask(face.url, `${path}?token=${authToken}`)).status, path).toBe(401);
  }
  for (const path of ['/resign', '/handoff']) {
    expect((await post(face.url, path, {})).status, path).toBe(401);
  }
  const headers = { authorization: `Bearer ${authToken}` };
  for (const path of ['/leader', '/status', '/history', '/locks']) {
    expect((await ask(face.url, path, { headers })).status, path).toBe(200);
  }
  await using listening = new Listening(face.url, headers);
  await listening.begun();
  expect((await post(face.url, '/resign', {}, headers)).status).toBe(202);
});

test('a request under a name that nobody allowed is refused, so that no page can make one up for us', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const contender = await election.lead('first');
  await using face = await served(contender, { allowedHosts: ['bot.internal'] });
  const under = async (host: string, path = '/leader') =>
    (await ask(face.url, path, { headers: { host } })).status;
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '[::2]:4040',
    'x@localhost',
  ]) {
    for (const path of ['/leader', '/', '/status'])
      expect([400, 421]).toContain(await under(host, path));
  }
  for (const host of [
    'localhost',
    'LOCALHOST:4040',
    '127.0.0.1:80',
    '[::1]',
    'bot.internal:4040',
  ]) {
    expect(await under(host), host).toBe(200);
  }
  // A probe of a platform comes under whatever name it has.
  expect(await under('10.0.0.1:4040', '/healthz')).toBe(200);
  await using open = await served(contender, { listen: '0.0.0.0:0', authToken });
  const url = open.url.replace('0.0.0.0', '127.0.0.1');
  const headers = { authorization: `Bearer ${authToken}` };
  const openly = async (host: string) =>
    (await ask(url, '/leader', { headers: { ...headers, host } })).status;
  expect(await openly('10.0.0.1:4040')).toBe(200);
  expect(await openly('evil.example')).toBe(421);
});

test('a page of another site changes nothing', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  await using face = await served({ controller });
  const host = new URL(face.url).host;
  const refused: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://${host}.evil.example` },
    { 'sec-fetch-site': 'same-origin', origin: 'http://evil.example' },
  ];
  for (const headers of refused) {
    expect((await post(face.url, '/resign', {}, headers)).status, JSON.stringify(headers)).toBe(
      403,
    );
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', '']) {
    const answer = await post(face.url, '/resign', '{}', { 'content-type': type });
    expect(answer.status, type).toBe(415);
  }
  const asked = await ask(face.url, '/resign', {
    method: 'OPTIONS',
    headers: { origin: 'http://x' },
  });
  expect(asked.status).toBe(404);
  for (const answer of [asked, await ask(face.url, '/'), await ask(face.url, '/leader')]) {
    const names = Object.keys(answer.headers);
    expect(names.filter((name) => name.startsWith('access-control'))).toEqual([]);
  }
  expect(controller.state).toBe('active');
  const headers = { 'sec-fetch-site': 'same-origin', origin: `http://${host}` };
  expect((await post(face.url, '/resign', {}, headers)).status).toBe(202);
});

test('the page may load nothing from elsewhere, and nobody may frame or keep what is told', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const database = { connectionString: election.url };
  await using face = await served(await election.lead('first'), { database });
  expect((await ask(face.url, '/')).headers).toMatchObject({
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  });
  for (const path of [
    '/leader',
    '/healthz',
    '/readyz',
    '/metrics',
    '/status',
    '/history',
    '/locks',
  ]) {
    expect((await ask(face.url, path)).headers['cache-control'], path).toBe('no-store');
  }
});

test('what is too large is refused: body and headers', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  await using face = await served({ controller });
  const large = { name: 'x'.repeat(17_000) };
  expect(await post(face.url, '/resign', large)).toMatchObject({
    status: 413,
    body: { error: { code: 'BODY_TOO_LARGE' } },
  });
  const chunked = new Raw(
    face.url,
    'POST /resign HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  );
  expect(await chunked.closed()).toMatch(/^HTTP\/1.1 411 /);
  const headers = { 'x-large': 'x'.repeat(17_000) };
  expect((await ask(face.url, '/leader', { headers })).status).toBe(431);
  expect(controller.state).toBe('active');
});

test('what is no request is refused, and disturbs nobody', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const contender = await election.lead('first');
  await using face = await served(contender, { logger: contender.story.logger });
  const get = (rest: string) => `GET ${rest}\r\nConnection: close\r\n\r\n`;
  const said = [
    '\0\0\0\0\r\n\r\n',
    'hello\r\n\r\n',
    'GET /leader HTTP/9.9\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', // the beginning of TLS
    get('/leader HTTP/1.1'), // without a host
    get('/leader HTTP/1.1\r\nHost: a b'),
    get('/leader HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1'),
    get('/leader HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked'),
    get('/%00%ff/../../etc/passwd HTTP/1.1\r\nHost: localhost'),
    get('/leader\\..\\ HTTP/1.1\r\nHost: localhost'),
    get('/status?name=%E0%A4%A HTTP/1.1\r\nHost: localhost'),
    'CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'TRACE /leader HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    'GET /leader HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  ];
  for (const request of said) {
    const raw = new Raw(face.url, request);
    raw.socket.end();
    const text = await raw.closed();
    if (request.includes('Upgrade')) expect(text).toMatch(/^(HTTP\/1.1 200 |$)/);
    else expect(text, JSON.stringify(request)).toMatch(/^(HTTP\/1.1 (4\d\d|501) |$)/);
  }
  for (const body of [
    '{',
    '[]',
    'null',
    '"bot"',
    '{"nmae":"bot"}',
    '{"name":7}',
    '{"name":""}',
    '{"force":"yes"}',
    '{"wait":1}',
    '{"__proto__":{}}',
  ]) {
    const answer = await post(face.url, '/resign', body);
    expect(answer.status, body).toBe(400);
    expect(answer.body.error.code, body).toBe('LOCKD_INVALID_OPTION');
  }
  expect(await ask(face.url, '/leader')).toMatchObject({ status: 200 });
  expect(contender.story.logged('could not')).toEqual([]);
});

test('a thousand connections that say nothing keep nobody out, and hold up no beat', async () => {
  await using election = await holdElection({ ttlMs: 6_000, heartbeatMs: 200 });
  const first = await election.lead('first');
  await using face = await served(first, { headersTimeoutMs: 1_000 });
  const idle = Array.from({ length: 1_000 }, () => new Raw(face.url));
  expect((await ask(face.url, '/healthz')).status).toBe(200);
  await election.beats(4);
  // The one that came first made room.
  await until(() => idle.filter(({ isClosed }) => isClosed).length >= 1);
  expect(await ask(face.url, '/leader')).toMatchObject({ status: 200 });
  expect(first.story.of('passive')).toEqual([]);
  await Promise.all(idle.map((raw) => raw.closed()));
  expect((await ask(face.url, '/healthz')).status).toBe(200);
});

test('where there is no room left for one more, the one that asks nothing goes, and not the one that listens', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await using face = await served(await election.lead('first'), { maxConnections: 3 });
  await using listening = new Listening(face.url);
  await listening.begun();
  const silent = [new Raw(face.url), new Raw(face.url)];
  await until(() => silent.every(({ socket }) => !socket.connecting));
  expect((await ask(face.url, '/leader')).status).toBe(200);
  await silent[0]?.closed();
  expect(silent[1]?.isClosed).toBe(false);
  expect(listening.isOver).toBe(false);
  for (const raw of silent) raw.socket.destroy();
});

test('whoever is slow to say what it wants is cut off', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await using face = await served(await election.lead('first'), { headersTimeoutMs: 300 });
  const slow = new Raw(face.url, 'GET /leader HTTP/1.1\r\nHost: localhost\r\n');
  const dripping = setInterval(() => slow.socket.write('x: y\r\n'), 50);
  try {
    expect(await slow.closed()).toMatch(/^(HTTP\/1.1 408 |$)/);
  } finally {
    clearInterval(dripping);
  }
});

test.each([
  [{ listen: 'nowhere' }, '`listen` to be `host:port`'],
  [{ listen: '127.0.0.1' }, '`listen` to be `host:port`'],
  [{ listen: '127.0.0.1:99999' }, '`listen` to be `host:port`'],
  [{ listen: ':4040' }, '`listen` to be `host:port`'],
  [{ listen: 'unix:relative.sock' }, 'absolute path'],
  [{ listen: `unix:/${'x'.repeat(200)}` }, 'absolute path'],
  [{ listen: '0.0.0.0:0' }, 'an `authToken` with it'],
  [{ listen: '[::]:0' }, 'an `authToken` with it'],
  [{ listen: 'bot.internal:0' }, 'an `authToken` with it'],
  [{ authToken: 'too-short' }, '`authToken` to be 16 or more'],
  [{ authToken: 'with a space in between it' }, '`authToken` to be 16 or more'],
  [{ allowedHosts: ['http://bot'] }, '`allowedHosts` to be host names'],
  [{ promiseMs: -1 }, '`promiseMs` to be from 0 ms'],
  [{ maxConnections: 0 }, '`maxConnections` to be a whole number'],
  [{ headersTimeoutMs: 0 }, '`headersTimeoutMs` to be from'],
  [{ registri: undefined }, 'Did you mean `registry`?'],
])('what does not fit is refused before anything listens: %j', async (options, message) => {
  const { SingletonLockController } = await import('../../src/index.ts');
  const controller = new SingletonLockController({ name: 'led' });
  const refusal = served({ controller }, options as ServeOptions);
  await expect(refusal).rejects.toMatchObject({ code: 'LOCKD_INVALID_OPTION' });
  await expect(refusal).rejects.toThrow(message);
  if ('authToken' in options) await expect(refusal).rejects.not.toThrow(options.authToken);
  expect(controller.eventNames()).toEqual([]);
});
