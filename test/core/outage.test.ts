import { expect, test } from 'vitest';
import type { Logger } from '../../src/core/log.ts';
import { setup } from './controllers.ts';

interface Line {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function notebook(): Logger & { readonly lines: Line[] } {
  const lines: Line[] = [];
  const keep = (level: keyof Logger) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } });
  const [debug, info, warn, error] = [keep('debug'), keep('info'), keep('warn'), keep('error')];
  return { lines, debug, info, warn, error };
}

test('a standby says that the database is away once, then about once a minute, and that it is back', async () => {
  const { clock, server, add } = setup();
  const logger = notebook();
  const [one, two] = [add(), add({ logger })];
  const warnings: string[] = [];
  two.on('warning', ({ code }) => warnings.push(code));
  await one.start();
  void two.start();
  await clock.advance(1_000);
  server.goDown();
  await clock.advance(130_000);

  const told = logger.lines.filter(({ message }) => message === 'could not campaign');
  const warned = told.filter(({ level }) => level === 'warn');
  expect(warned).toHaveLength(3);
  expect(warnings).toEqual(warned.map(({ fields }) => fields['code']));
  expect(told.length).toBeGreaterThan(130);

  server.comeUp();
  await clock.advance(5_000);
  const back = logger.lines.filter(({ message }) => message === 'campaigns again');
  expect(back).toMatchObject([{ level: 'info', fields: { failures: told.length } }]);
  expect(warnings).toHaveLength(3);
});
