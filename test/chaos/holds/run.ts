import { copyFile } from 'node:fs/promises';
import { now } from '../../support/story.ts';
import type { ItemVerdict } from '../checker.ts';
import type { Fault } from '../fault.ts';
import { inWords, type Planned, planned } from '../plan.ts';
import { Stalls } from '../stalls.ts';
import type { HoldBook, Tenure } from './book.ts';
import { type Clash, clashes, judgeEntries, misplaced } from './checker.ts';
import { HoldStage, type HoldStageSettings } from './stage.ts';

export interface HoldRunSettings extends HoldStageSettings {
  readonly seed: number;
  /** Of those in which the fault struck. */
  readonly rounds: number;
  /** Begins with this round of the plan. */
  readonly first?: number;
  readonly minutes?: number;
  readonly faults: readonly Fault[];
  readonly signal?: AbortSignal;
  /** Where all claims are copied to in the end. */
  readonly keep?: string;
  told?(round: HoldRound): void;
  /** Ends early: a control has shown what it is for. */
  isEnough?(found: readonly Clash[]): boolean;
}

export interface HoldRound extends Planned {
  readonly whom: string;
  /** From the end of the fault until every resource was had again, in every mode. */
  readonly recoveryMs: number;
  readonly stalledMs: number;
  /** Known by the end of it. */
  readonly clashes: readonly Clash[];
}

export interface HoldRun {
  readonly settings: HoldRunSettings;
  readonly rounds: readonly HoldRound[];
  /** How many draws found nothing to hit. */
  readonly missed: number;
  readonly isAborted: boolean;
  readonly book: HoldBook;
  readonly clashes: readonly Clash[];
  readonly misplaced: readonly Tenure[];
  readonly entries: ReadonlyMap<string, ItemVerdict>;
  readonly leftovers: readonly string[];
  /** What everybody had said by the end of a round with clashes. */
  readonly evidence: readonly string[];
  readonly stuck: Error | undefined;
  readonly seconds: number;
}

/** One of a few faults, and one of a few processes to hit: so many misses in a row are no bad luck. */
const mostDraws = 25;

/** Plays the rounds one after the other. Nothing is left of it, whatever happens. */
export async function playHolds(settings: HoldRunSettings): Promise<HoldRun> {
  const begunAt = now();
  const rounds: HoldRound[] = [];
  const evidence: string[] = [];
  let missed = 0;
  let stuck: Error | undefined;
  await using stage = await HoldStage.open(settings);
  using stalls = new Stalls();
  const { first = 1, minutes = Number.POSITIVE_INFINITY, isEnough } = settings;
  const isAborted = (): boolean => settings.signal?.aborted === true;
  const isDone = () =>
    isAborted() ||
    stuck !== undefined ||
    isEnough?.(rounds.at(-1)?.clashes ?? []) === true ||
    now() - begunAt > minutes * 60_000;
  for (let number = first; number < first + settings.rounds && !isDone(); number += 1) {
    try {
      const round = await playUntilStruck(stage, settings, number, stalls, () => {
        missed += 1;
      });
      if (round.clashes.length > (rounds.at(-1)?.clashes.length ?? 0)) {
        evidence.push([inWords(round), ...stage.instances.map((it) => it.tail(200))].join('\n\n'));
      }
      rounds.push(round);
      settings.told?.(round);
    } catch (error) {
      stuck = new Error(`Round ${number}: ${(error as Error).message}`, { cause: error });
    }
  }
  let leftovers: readonly string[] = [];
  try {
    await stage.end();
    leftovers = await stage.leftovers();
  } catch (error) {
    stuck ??= error as Error;
  }
  if (settings.keep !== undefined) await copyFile(stage.file, settings.keep);
  const book = stage.read();
  return {
    settings,
    rounds,
    missed,
    isAborted: isAborted(),
    book,
    clashes: clashes(book.tenures),
    misplaced: misplaced(book.tenures),
    entries: judgeEntries(await stage.entries(), book.entered, stage.mayBeLost),
    leftovers,
    evidence,
    stuck,
    seconds: (now() - begunAt) / 1000,
  };
}

/** A round without a fault says nothing: another one is drawn. */
async function playUntilStruck(
  stage: HoldStage,
  { seed, faults, ttlMs }: HoldRunSettings,
  number: number,
  stalls: Stalls,
  missed: () => void,
): Promise<HoldRound> {
  for (let draw = 1; draw <= mostDraws; draw += 1) {
    const plan = planned(seed, number, faults, ttlMs, draw);
    const round = await playRound(stage, plan, stalls);
    if (round !== undefined) return round;
    missed();
  }
  throw new Error(`in ${mostDraws} draws no fault found anything to hit`);
}

async function playRound(
  stage: HoldStage,
  plan: Planned,
  stalls: Stalls,
): Promise<HoldRound | undefined> {
  await plan.fault.prepare?.(stage, plan.details);
  stalls.takeLongestMs();
  const struck = await plan.fault.strike(stage, plan.details);
  const overAt = now();
  await stage.settle();
  if (struck === undefined) return undefined;
  return {
    ...plan,
    whom: struck.whom ?? '',
    recoveryMs: stage.recoveredAt(overAt) - overAt,
    stalledMs: stalls.takeLongestMs(),
    clashes: clashes(stage.read().tenures),
  };
}
