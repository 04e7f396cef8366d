/** What the database is asked for: status, history and locks. */
import type { Hono } from 'hono';
import { expect } from '../core/checks.ts';
import type { SingletonLockController } from '../core/controller.ts';
import { toJson } from '../core/json.ts';
import type { Behind } from './behind.ts';
import type { Env } from './protect.ts';
import type { HistoryAnswer, LocksAnswer, StatusAnswer } from './wire.ts';

const aDayMs = 24 * 60 * 60 * 1_000;

export function addQuestions(
  app: Hono<Env>,
  controller: SingletonLockController,
  behind: Behind,
): void {
  app.get('/status', async (context) => {
    const { name, instance, label } = controller;
    const names = await behind.status(context.req.query('name'));
    const standing = controller.standing(); // after the wait: it is of this moment
    const answer: StatusAnswer = toJson({ name, instance, label, standing, names });
    return context.json(answer);
  });

  app.get('/history', async (context) => {
    const { name = controller.name, since } = context.req.query();
    const terms = await behind.history(name, since === undefined ? aDayMs : durationOf(since));
    const answer: HistoryAnswer = toJson({ name, terms });
    return context.json(answer);
  });

  app.get('/locks', async (context) => {
    const answer: LocksAnswer = toJson(await behind.locks());
    return context.json(answer);
  });
}

const unitsMs = { m: 60_000, h: 60 * 60_000, d: aDayMs } as const;

/** `90m`, `24h`, `7d` */
function durationOf(since: string): number {
  const [, amount, unit] = /^(\d{1,6})([mhd])$/.exec(since) ?? [];
  expect(unit !== undefined, '`since` to be a duration such as 90m, 24h or 7d', since);
  return Number(amount) * unitsMs[unit as keyof typeof unitsMs];
}
