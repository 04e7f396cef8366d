import { expect, test } from 'vitest';
import {
  assertFence,
  migrate,
  readStatus,
  SingletonLockController,
  type SingletonLockOptions,
} from '../src/index.ts';

/** As from JavaScript, where no type warns of a typing error. */
const misspelt = (option: string): never => ({ [option]: undefined }) as never;

const create = (options: object) => (): SingletonLockController =>
  new SingletonLockController({ name: 'bot', ...options } as SingletonLockOptions);

test.each([
  ['ttl', 'ttlMs'],
  ['TTLms', 'ttlMs'],
  ['shcema', 'schema'],
  ['conectionString', 'connectionString'],
  ['drainTimeout', 'drainTimeoutMs'],
  ['fenceBlocker', 'fenceBlockers'],
  ['gard', 'guard'],
])('an unknown option is refused, with the one that was meant: %s, %s', (option, meant) => {
  expect(create({ [option]: 5 })).toThrow(
    expect.objectContaining({
      code: 'LOCKD_INVALID_OPTION',
      message: `There is no option \`${option}\` here. Did you mean \`${meant}\`?`,
    }),
  );
});

test('an unknown option that is like no other is refused with those there are', () => {
  expect(create({ onlyOnTuesdays: true })).toThrow(
    /^There is no option `onlyOnTuesdays` here. There are: `name`, .*`guard`\.$/,
  );
});

test.each([undefined, null, 'telegram-bot'])('options that are no object are refused: %s', (it) => {
  expect(() => new SingletonLockController(it as never)).toThrow(
    expect.objectContaining({
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringMatching(/^Expected options in an object, got \w+\.$/),
    }),
  );
});

test('an address that is empty is refused: a deployment may have lost its own', () => {
  expect(create({ connectionString: '' })).toThrow(
    expect.objectContaining({
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringContaining('PG*'),
    }),
  );
});

test('every option there is is accepted', () => {
  const options: Required<SingletonLockOptions> = {
    name: 'bot',
    label: 'a',
    metadata: {},
    priority: 1,
    appVersion: '1.2.3',
    eligible: true,
    onStandby: () => true,
    ttlMs: 10_000,
    heartbeatMs: 2_000,
    marginMs: 100,
    drainTimeoutMs: 1,
    takeover: 'safe',
    fenceBlockers: 'report',
    noticeIntervalMs: 1,
    firstWaitMs: 1,
    maxWaitMs: 1,
    waitFactor: 1,
    reconnectMaxMs: 1,
    connectTimeoutMs: 1,
    callTimeoutMs: 1,
    logger: console,
    clock: undefined,
    random: Math.random,
    connectionString: 'postgres://h/x',
    connection: {},
    schema: 'lockd',
    migrate: true,
    guard: false,
  };
  expect(create(options)().label).toBe('a');
});

const controller = create({})();
const term = { name: 'bot', token: 1n };
const client = { query: () => Promise.reject(new Error('must not be asked')) };

test.each<[string, string, string, () => Promise<unknown>]>([
  ['migrate', 'conectionString', 'connectionString', () => migrate(misspelt('conectionString'))],
  ['migrate', 'timeout', 'timeoutMs', () => migrate({}, misspelt('timeout'))],
  ['readStatus', 'shcema', 'schema', () => readStatus(misspelt('shcema'))],
  ['assertFence', 'shema', 'schema', () => assertFence(client, term, misspelt('shema'))],
  ['whenActive', 'singal', 'signal', () => controller.whenActive(misspelt('singal'))],
  ['terms', 'singal', 'signal', () => controller.terms(misspelt('singal')).next()],
  ['whileActive', 'singal', 'signal', () => controller.whileActive(() => {}, misspelt('singal'))],
])('%s() refuses an unknown option before it does anything: %s', async (_, option, meant, call) => {
  await expect(call()).rejects.toMatchObject({
    code: 'LOCKD_INVALID_OPTION',
    message: `There is no option \`${option}\` here. Did you mean \`${meant}\`?`,
  });
  expect(controller.state).toBe('stopped');
});

const methods = '`throwIfAborted`, `addEventListener`, `removeEventListener`';

test.each<[string, string, () => unknown]>([
  ['guard', '`guard` to be true or false, got "false".', create({ guard: 'false' })],
  ['migrate', '`migrate` to be true or false, got 1.', create({ migrate: 1 })],
  ['stop', '`force` to be true or false, got 1.', () => controller.stop({ force: 1 } as never)],
  ['stop', 'options in an object, got null.', () => controller.stop(null as never)],
  ['resign', 'options in an object, got null.', () => controller.resign(null as never)],
  ['gated', '`handler` to be a function, got 5.', () => controller.gated(5 as never)],
  ['whileActive', '`work` to be a function, got 5.', () => controller.whileActive(5 as never)],
  [
    'whenActive',
    `\`signal\` to be an object with the methods ${methods}, got 5.`,
    () => controller.whenActive({ signal: 5 as never }),
  ],
  [
    'whenActive',
    'the signal in an object, `{ signal }`, got an object.',
    () => controller.whenActive(AbortSignal.abort() as never),
  ],
  [
    'terms',
    'the signal in an object, `{ signal }`, got an object.',
    () => controller.terms(new AbortController().signal as never).next(),
  ],
  [
    'assertFence',
    '`client` to be an object with the methods `query`, got undefined.',
    () => assertFence(...([] as unknown as Parameters<typeof assertFence>)),
  ],
  [
    'assertFence',
    '`name` to be 1 to 200 well-formed characters without control characters, not only white space, got undefined.',
    () => assertFence(client, 5 as never),
  ],
  [
    'assertFence',
    '`token` to be a bigint, got 1.',
    () => assertFence(client, { name: 'bot', token: 1 } as never),
  ],
])('nonsense from JavaScript is refused, with what was expected: %s, %s', async (_, what, call) => {
  await expect((async () => call())()).rejects.toMatchObject({
    code: 'LOCKD_INVALID_OPTION',
    message: `Expected ${what}`,
  });
  expect(controller.state).toBe('stopped');
});

test('what is undefined is as what is not given', async () => {
  create({ guard: undefined, migrate: undefined, logger: undefined })();
  await controller.stop({ force: undefined });
  await controller.resign({ force: undefined });
});
