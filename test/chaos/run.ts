import { copyFile } from 'node:fs/promises';
import { now } from '../support/story.ts';
import {
  closestShave,
  gaps,
  type ItemVerdict,
  judgeItems,
  longest,
  longestSilence,
  type Overlap,
  overlaps,
  recoveryAfter,
  shared,
} from './checker.ts';
import type { Span, Tenure } from './claim.ts';
import { boundOf, type Cause, type Fault } from './fault.ts';
import { inWords, type Planned, planned } from './plan.ts';
import { Stage, type StageSettings } from './stage.ts';
import { Stalls } from './stalls.ts';
import { isOver } from './verdict.ts';

export interface RunSettings extends StageSettings {
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
  told?(round: Round): void;
  missed?(plan: Planned): void;
  /** Ends early: a control has shown what it is for. */
  isEnough?(found: Findings): boolean;
}

export type Findings = Pick<Run, 'overlaps' | 'items'>;

export interface Round extends Planned {
  readonly cause: Cause;
  readonly whom: string;
  readonly struckAt: number;
  readonly settledAt: number;
  /** How many terms began. */
  readonly terms: number;
  /** The longest time in which nobody claimed to lead, when the leader changed. */
  readonly gap: Span | undefined;
  /** How long it took until somebody led again for good, as the cause counts it. */
  readonly recoveryMs: number | undefined;
  readonly boundMs: number;
  /** The longest time without a claim, also when the leader stayed. */
  readonly silenceMs: number;
  /** How long the machine stood still meanwhile. */
  readonly stalledMs: number;
  /** Overlaps that are known by the end of it. */
  readonly overlaps: readonly Overlap[];
}

export interface Run {
  readonly settings: RunSettings;
  readonly rounds: readonly Round[];
  /** Draws that found nothing to hit. */
  readonly missed: readonly Planned[];
  /** Stopped by a signal before it was over. */
  readonly isAborted: boolean;
  readonly tenures: readonly Tenure[];
  readonly overlaps: readonly Overlap[];
  readonly shared: readonly Tenure[];
  readonly closestShaveMs: number;
  readonly items: ItemVerdict;
  /** Stale writes that the fence has stopped. */
  readonly refused: number;
  /** What everybody had said by the end of a round that went wrong, or took far too long. */
  readonly evidence: readonly string[];
  /** What did not come back, or did not end. */
  readonly stuck: Error | undefined;
  readonly seconds: number;
}

/** One of a few faults, and one of a few instances to hit: so many misses in a row are no bad luck. */
const mostDraws = 25;

/** Plays the rounds one after the other. Nothing is left of it, whatever happens. */
export async function play(settings: RunSettings): Promise<Run> {
  const begunAt = now();
  const rounds: Round[] = [];
  const missed: Planned[] = [];
  const evidence: string[] = [];
  let stuck: Error | undefined;
  await using stage = await Stage.open(settings);
  using stalls = new Stalls();
  const { first = 1, minutes = Number.POSITIVE_INFINITY } = settings;
  let isEnough = false;
  const isAborted = (): boolean => settings.signal?.aborted === true;
  const judged = async (): Promise<ItemVerdict> =>
    judgeItems(await stage.servers.marked(), stage.ledger.read().acknowledged, stage.mayBeLost);
  const isDone = () =>
    isAborted() || stuck !== undefined || isEnough || now() - begunAt > minutes * 60_000;
  for (let number = first; number < first + settings.rounds && !isDone(); number += 1) {
    try {
      const round = await playUntilStruck(stage, settings, number, stalls, (plan) => {
        missed.push(plan);
        settings.missed?.(plan);
      });
      if (isSuspicious(round, rounds.at(-1))) {
        evidence.push([inWords(round), ...stage.instances.map((it) => it.tail(200))].join('\n\n'));
      }
      rounds.push(round);
      settings.told?.(round);
      if (settings.isEnough !== undefined) {
        isEnough = settings.isEnough({ overlaps: round.overlaps, items: await judged() });
      }
    } catch (error) {
      stuck = new Error(`Round ${number}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (settings.keep !== undefined) await copyFile(stage.ledger.file, settings.keep);
  try {
    await stage.end();
  } catch (error) {
    stuck ??= error as Error;
  }
  const book = stage.ledger.read();
  const tenures = book.tenures();
  return {
    settings,
    rounds,
    missed,
    isAborted: isAborted(),
    tenures,
    overlaps: overlaps(tenures),
    shared: shared(tenures),
    closestShaveMs: closestShave(tenures),
    refused: book.refused,
    items: await judged(),
    evidence,
    stuck,
    seconds: (now() - begunAt) / 1000,
  };
}

const isSuspicious = (round: Round, before: Round | undefined): boolean =>
  round.overlaps.length > (before?.overlaps.length ?? 0) || isOver(round);

/** A round without a fault says nothing: another one is drawn. */
async function playUntilStruck(
  stage: Stage,
  { seed, faults, ttlMs }: RunSettings,
  number: number,
  stalls: Stalls,
  missed: (plan: Planned) => void,
): Promise<Round> {
  for (let draw = 1; draw <= mostDraws; draw += 1) {
    const plan = planned(seed, number, faults, ttlMs, draw);
    const round = await playRound(stage, plan, stalls);
    if (round !== undefined) return round;
    missed(plan);
  }
  throw new Error(`in ${mostDraws} draws no fault found anything to hit`);
}

async function playRound(stage: Stage, plan: Planned, stalls: Stalls): Promise<Round | undefined> {
  await plan.fault.prepare?.(stage, plan.details);
  stalls.takeLongestMs();
  const struckAt = now();
  const struck = await plan.fault.strike(stage, plan.details);
  await stage.settle();
  if (struck === undefined) return undefined;
  const { cause, from, whom = '' } = struck;
  const settledAt = now();
  const tenures = stage.ledger.read().tenures();
  const all = gaps(tenures, struckAt);
  return {
    ...plan,
    cause,
    whom,
    struckAt,
    settledAt,
    terms: all.length,
    gap: longest(all),
    recoveryMs: recoveryAfter(all, from),
    boundMs: boundOf(cause, stage.settings.ttlMs),
    silenceMs: longestSilence(tenures, struckAt, settledAt),
    stalledMs: stalls.takeLongestMs(),
    overlaps: overlaps(tenures),
  };
}
