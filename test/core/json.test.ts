import { expect, test } from 'vitest';
import { type AsJson, toJson } from '../../src/core/json.ts';

test('tokens become strings, times ISO, and what is not known null; the rest stays as it is', () => {
  const written = toJson({
    token: 2n ** 63n - 1n,
    at: new Date(0),
    never: undefined,
    list: [1n, undefined, 'a', [new Date(1)]],
    own: { isLed: false, count: 1.5, nothing: null },
  });
  expect(written).toEqual({
    token: '9223372036854775807',
    at: '1970-01-01T00:00:00.000Z',
    never: null,
    list: ['1', null, 'a', ['1970-01-01T00:00:00.001Z']],
    own: { isLed: false, count: 1.5, nothing: null },
  });
  const token: string = written.token;
  expect(JSON.parse(JSON.stringify(written))).toEqual({ ...written, token });
});

test('a key of somebody else’s metadata is data, whatever it is called', () => {
  const metadata = JSON.parse('{"__proto__": {"isLed": true}, "constructor": 1}');
  const written = toJson(metadata) as AsJson<Record<string, unknown>>;
  expect(JSON.stringify(written)).toBe('{"__proto__":{"isLed":true},"constructor":1}');
  expect(({} as { isLed?: boolean }).isLed).toBeUndefined();
});

test('a time that is none is null, as JSON has it', () => {
  expect(toJson([new Date(Number.NaN)])).toEqual([null]);
});
