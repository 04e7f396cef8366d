import type { Luck } from '../simulation/luck.ts';
import type { Ground } from './ground.ts';
import type { Instance } from './instance.ts';

/** What a gap is put down to, and so how long it may be. */
export type Cause =
  | 'clean stop'
  | 'crash beside a guard'
  | 'lost session'
  | 'restart of the server'
  | 'silence'
  | 'promotion'
  | 'outage'
  | 'all restarted'
  | 'standby only'
  | 'frozen command';

/** What a process may be silent for because the machine was busy with others. */
const noiseMs = 250;

/** The leader has no part in it: its term goes on. */
export const mustStay = (cause: Cause): boolean =>
  cause === 'standby only' || cause === 'frozen command';

/**
 * How long until somebody leads again, in ms, from when the fault struck or, where nobody can lead
 * meanwhile, from when it was over. Where the leader must stay, how long it may be silent.
 */
export function boundOf(cause: Cause, ttlMs: number): number {
  switch (cause) {
    case 'clean stop':
    case 'crash beside a guard':
    case 'lost session':
    case 'restart of the server':
      return 1_000;
    case 'silence':
    case 'promotion':
    case 'outage':
      return ttlMs + 1_000;
    case 'all restarted':
      return ttlMs + 2_000; // with the start of all the processes
    case 'standby only':
      return noiseMs;
    case 'frozen command':
      return Number.POSITIVE_INFINITY; // it is the command that claims to lead
  }
}

/** What was drawn for one round, before anybody knew who would lead: words and numbers. */
export type Details = Readonly<Record<string, string | number | boolean>>;

export interface Struck {
  readonly cause: Cause;
  /** What the recovery is counted from. */
  readonly from: number;
  /** Whom it hit, for the report. */
  readonly whom?: string;
}

export interface Fault {
  readonly id: string;
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  draw(luck: Luck, ttlMs: number): Details;
  /** Before the clock runs. */
  prepare?(stage: Ground, details: Details): Promise<void>;
  /**
   * Does it and, where it lasts, waits for its end. What is left of it the stage takes back.
   * Undefined when there was nothing to hit.
   */
  strike(stage: Ground, details: Details): Promise<Struck | undefined>;
}

export const pick = <T>(luck: Luck, choices: readonly T[]): T =>
  choices[Math.floor(luck.next() * choices.length)] as T;

/** Mostly the leader: a fault of a standby changes nothing, or should not. */
export const drawWho = (luck: Luck): Details => ({
  who: luck.chance(0.8) ? 'leader' : 'standby',
  number: Math.floor(luck.next() * 60),
});

/** A share of the TTL, in whole ms, on both sides of it. */
export const drawFor = (luck: Luck, ttlMs: number, least = 0.15, most = 2.2): Details => ({
  forMs: Math.round(ttlMs * luck.between(least, most)),
});

export interface Victim {
  readonly instance: Instance;
  readonly leads: boolean;
}

/** Whom it hits, known before anything is awaited. Undefined while nobody leads or it is down itself. */
export function chosen(stage: Ground, { who, number }: Details): Victim | undefined {
  const { leader } = stage;
  if (leader === undefined) return undefined;
  const others = stage.instances.filter((instance) => instance !== leader);
  const instance = who === 'standby' ? others[Number(number) % others.length] : leader;
  return instance?.isRunning === true ? { instance, leads: instance === leader } : undefined;
}
