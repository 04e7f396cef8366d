import { describe, expect, test, vi } from 'vitest';
import { LockdError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { setup } from './controllers.ts';

const full = new LockdError('LOCKD_UNAVAILABLE', 'too many connections', { isRetryable: true });
const reset = new Error('reset');

/** A controller, and the codes of its warnings: of the event, and of the line with this message. */
function warned(message: string) {
  const { clock, server, add } = setup();
  const lines: unknown[] = [];
  const warn = (fields: object, said: string): void => {
    if (said === message) lines.push((fields as { code?: unknown }).code);
  };
  const one = add({ logger: { ...silentLogger, warn } });
  const events: LockdError[] = [];
  one.on('warning', (warning) => events.push(warning));
  return { clock, server, one, lines, events };
}

describe('a session that could not be had', () => {
  test('is warned about with the code of why, in the log and to listeners', async () => {
    const { server, one, lines, events } = warned('could not campaign');
    vi.spyOn(server, 'openSeat').mockRejectedValue(full);
    await one.start();
    expect(lines).toEqual(['LOCKD_UNAVAILABLE']);
    expect(events).toEqual([full]);
    await one.stop();
  });

  test('for a reason without a code is a connection that failed, by its cause', async () => {
    const { server, one, lines, events } = warned('could not campaign');
    vi.spyOn(server, 'openSeat').mockRejectedValue(reset);
    await one.start();
    expect(lines).toEqual(['LOCKD_CONNECTION']);
    expect(events).toMatchObject([{ code: 'LOCKD_CONNECTION', cause: reset }]);
    await one.stop();
  });

  test('to register is one line with the code of why, and leads all the same', async () => {
    const { clock, server, one, lines } = warned('could not register');
    vi.spyOn(server, 'openControl').mockRejectedValue(full);
    await one.start();
    await clock.advance(5_000);
    expect(lines).toEqual(['LOCKD_UNAVAILABLE']);
    expect(one.isActive()).toBe(true);
    await one.stop();
  });
});
