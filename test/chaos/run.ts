import { copyFile } from 'node:fs/promises';
import { now } from '../support/story.ts';
import {
  closestShave,
  gaps,
  type ItemVerdict,
  judgeItems,
  longest,
  type Overlap,
  overlaps,
  shared,
} from './checker.ts';
import type { Span, Tenure } from './claim.ts';
import { boundOf, type Cause, type Fault } from './fault.ts';
import { inWords, type Planned, planned } from './plan.ts';
import { Stage, type StageSettings } from './stage.ts';
import { Stalls } from './stalls.ts';

export interface RunSettings extends StageSettings {
  readonly seed: number;
  readonly rounds: number;
  /** Begins with this round of the plan. */
  readonly first?: number;
  readonly minutes?: number;
  /** Ends early when so many overlaps are found: a control has shown what it is for. */
  readonly enough?: number;
  readonly faults: readonly Fault[];
  readonly signal?: AbortSignal;
  /** Where all claims are copied to in the end. */
  readonly keep?: string;
  told?(round: Round): void;
}

export interface Round extends Planned {
  readonly cause: Cause;
  readonly whom: string;
  readonly struckAt: number;
  readonly settledAt: number;
  /** How many terms began. */
  readonly terms: number;
  /** The longest time in which nobody claimed to lead, when the leader changed. */
  readonly gap: Span | undefined;
  /** How long it took until somebody led again, as the cause counts it. */
  readonly recoveryMs: number | undefined;
  readonly boundMs: number;
  /** How long the machine stood still meanwhile. */
  readonly stalledMs: number;
  /** Overlaps that are known by the end of it. */
  readonly overlaps: readonly Overlap[];
}

export interface Run {
  readonly settings: RunSettings;
  readonly rounds: readonly Round[];
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

/** Plays the rounds one after the other. Nothing is left of it, whatever happens. */
export async function play(settings: RunSettings): Promise<Run> {
  const begunAt = now();
  const rounds: Round[] = [];
  const evidence: string[] = [];
  let stuck: Error | undefined;
  await using stage = await Stage.open(settings);
  using stalls = new Stalls();
  const { first = 1, minutes = Number.POSITIVE_INFINITY } = settings;
  const { enough = Number.POSITIVE_INFINITY } = settings;
  const isOver = () =>
    settings.signal?.aborted === true ||
    stuck !== undefined ||
    now() - begunAt > minutes * 60_000 ||
    (rounds.at(-1)?.overlaps.length ?? 0) >= enough;
  for (let number = first; number < first + settings.rounds && !isOver(); number += 1) {
    const plan = planned(settings.seed, number, settings.faults, settings.ttlMs);
    try {
      const round = await playRound(stage, plan, stalls);
      if (isSuspicious(round, rounds.at(-1))) {
        evidence.push([inWords(plan), ...stage.instances.map((it) => it.tail(200))].join('\n\n'));
      }
      rounds.push(round);
      settings.told?.(round);
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
    tenures,
    overlaps: overlaps(tenures),
    shared: shared(tenures),
    closestShaveMs: closestShave(tenures),
    refused: book.refused,
    items: judgeItems(await stage.servers.marked(), book.acknowledged, stage.mayBeLost),
    evidence,
    stuck,
    seconds: (now() - begunAt) / 1000,
  };
}

const isSuspicious = (round: Round, before: Round | undefined): boolean =>
  round.overlaps.length > (before?.overlaps.length ?? 0) ||
  (round.recoveryMs ?? 0) > Math.max(1_000, round.boundMs * 1.5);

async function playRound(stage: Stage, plan: Planned, stalls: Stalls): Promise<Round> {
  await plan.fault.prepare?.(stage, plan.details);
  stalls.takeLongestMs();
  const struckAt = now();
  const { cause, from, whom = '' } = await plan.fault.strike(stage, plan.details);
  await stage.settle();
  const settledAt = now();
  const tenures = stage.ledger.read().tenures();
  const all = gaps(tenures, struckAt);
  const gap = longest(all);
  return {
    ...plan,
    cause,
    whom,
    struckAt,
    settledAt,
    terms: all.length,
    gap,
    recoveryMs: gap === undefined ? undefined : Math.max(0, gap.to - from),
    boundMs: boundOf(cause, stage.settings.ttlMs),
    stalledMs: stalls.takeLongestMs(),
    overlaps: overlaps(tenures),
  };
}
