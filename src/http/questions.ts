/** What the database is asked for: status, history and locks. */
import type { Context, Hono } from 'hono';
import { expect } from '../core/checks.ts';
import type { SingletonLockController } from '../core/controller.ts';
import { toJson } from '../core/json.ts';
import { refuseUnknown } from '../core/known.ts';
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
    const { name: asked } = queryOf<'name'>(context, { name: true });
    const names = await behind.status(asked);
    const standing = controller.standing(); // after the wait: it is of this moment
    const answer: StatusAnswer = toJson({ name, instance, label, standing, names });
    return context.json(answer);
  });

  app.get('/history', async (context) => {
    const known = { name: true, since: true } as const;
    const { name = controller.name, since } = queryOf<'name' | 'since'>(context, known);
    const terms = await behind.history(name, since === undefined ? aDayMs : durationOf(since));
    const answer: HistoryAnswer = toJson({ name, terms });
    return context.json(answer);
  });

  app.get('/locks', async (context) => {
    queryOf<never>(context, {});
    const answer: LocksAnswer = toJson(await behind.locks());
    return context.json(answer);
  });
}

/** With a typing error in it another question would be answered. */
function queryOf<Name extends string>(
  context: Context<Env>,
  known: Readonly<Record<Name, true>>,
): Partial<Record<Name, string>> {
  const query = context.req.query();
  refuseUnknown(query, known, 'in this question');
  return query as Partial<Record<Name, string>>;
}

const unitsMs = { m: 60_000, h: 60 * 60_000, d: aDayMs } as const;

/** `90m`, `24h`, `7d` */
function durationOf(since: string): number {
  const [, amount, unit] = /^(\d{1,6})([mhd])$/.exec(since) ?? [];
  expect(unit !== undefined, '`since` to be a duration such as 90m, 24h or 7d', since);
  return Number(amount) * unitsMs[unit as keyof typeof unitsMs];
}
