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
