import { Luck } from '../simulation/luck.ts';
import type { Details, Fault } from './fault.ts';

export interface Planned {
  readonly number: number;
  readonly fault: Fault;
  readonly details: Details;
}

/**
 * One round of the plan that a seed stands for. Each is drawn by itself, so that it is the same
 * whatever the number of rounds. The first ones take every fault once, the others by weight.
 *
 * @param draw Above 1: what comes instead of a draw that found nothing to hit.
 */
export function planned(
  seed: number,
  number: number,
  faults: readonly Fault[],
  ttlMs: number,
  draw = 1,
): Planned {
  const luck = new Luck(seed, draw === 1 ? `round ${number}` : `round ${number}, draw ${draw}`);
  const fault = shuffled(seed, faults)[number - 1] ?? byWeight(luck, faults);
  return { number, fault, details: fault.draw(luck, ttlMs) };
}

function shuffled(seed: number, faults: readonly Fault[]): Fault[] {
  const luck = new Luck(seed, 'order');
  const places = faults.map((fault) => ({ fault, place: luck.next() }));
  return places.sort((a, b) => a.place - b.place).map(({ fault }) => fault);
}

function byWeight(luck: Luck, faults: readonly Fault[]): Fault {
  let left = luck.next() * faults.reduce((sum, { weight }) => sum + weight, 0);
  for (const fault of faults) {
    left -= fault.weight;
    if (left < 0) return fault;
  }
  return faults[0] as Fault;
}

export const inWords = ({ number, fault, details }: Planned): string =>
  [
    `${number}`.padStart(4),
    fault.id,
    ...Object.entries(details).map(([key, value]) => `${key}=${value}`),
  ].join(' ');
