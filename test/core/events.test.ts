import { EventEmitter } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { Delivery } from '../../src/core/events.ts';
import { settle } from '../../src/testing/fake-clock.ts';

interface Events {
  one: [number];
  two: [string];
}

function setup() {
  const emitter = new EventEmitter();
  const failed = vi.fn();
  const delivery = new Delivery<{ [Name in keyof Events]: Events[Name] }>(emitter, failed);
  const told: unknown[] = [];
  return { emitter, failed, delivery, told };
}

const boom = new Error('boom');

describe('a delivery', () => {
  test('reaches every listener, in order, with the arguments and with the emitter as this', () => {
    const { emitter, delivery, told } = setup();
    emitter.on('one', function (this: unknown, value) {
      told.push(['first', value, this === emitter]);
    });
    emitter.on('one', (value) => told.push(['second', value]));
    delivery.send('one', 5);
    expect(told).toEqual([
      ['first', 5, true],
      ['second', 5],
    ]);
  });

  test('keeps the order for all, though a listener causes the next event', () => {
    const { emitter, delivery, told } = setup();
    emitter.on('one', () => delivery.send('two', 'caused'));
    emitter.on('one', () => told.push('one'));
    emitter.on('two', () => told.push('two'));
    delivery.send('one', 1);
    expect(told).toEqual(['one', 'two']);
  });

  test('honours once', () => {
    const { emitter, delivery, told } = setup();
    emitter.once('one', (value) => told.push(value));
    delivery.send('one', 1);
    delivery.send('one', 2);
    expect(told).toEqual([1]);
    expect(emitter.listenerCount('one')).toBe(0);
  });

  test('to nobody is nothing', () => {
    const { delivery, failed } = setup();
    delivery.send('one', 1);
    expect(failed).not.toHaveBeenCalled();
  });
});

describe('a listener that fails', () => {
  test('by throwing is reported and disturbs nobody', () => {
    const { emitter, delivery, failed, told } = setup();
    emitter.on('one', () => {
      throw boom;
    });
    emitter.on('one', (value) => told.push(value));
    delivery.send('one', 1);
    delivery.send('one', 2);
    expect(told).toEqual([1, 2]);
    expect(failed).toHaveBeenCalledTimes(2);
    expect(failed).toHaveBeenCalledWith('one', boom);
  });

  test('by rejecting is reported and disturbs nobody', async () => {
    const { emitter, delivery, failed, told } = setup();
    emitter.on('two', async () => {
      throw boom;
    });
    emitter.on('two', (value) => told.push(value));
    delivery.send('two', 'x');
    await settle();
    expect(told).toEqual(['x']);
    expect(failed).toHaveBeenCalledExactlyOnceWith('two', boom);
  });

  test('and whose failure cannot be reported does not silence the events that follow', () => {
    const { emitter, delivery, failed, told } = setup();
    failed.mockImplementation(() => {
      throw new Error('the log is full');
    });
    emitter.once('one', () => {
      throw boom;
    });
    emitter.on('two', (value) => told.push(value));
    try {
      delivery.send('one', 1);
    } catch {}
    delivery.send('two', 'later');
    expect(told).toEqual(['later']);
  });
});
