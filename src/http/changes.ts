/** What changes something: `POST /resign` and `POST /handoff`. */
import type { Context, Hono } from 'hono';
import { checkName, expect } from '../core/checks.ts';
import type { SingletonLockController } from '../core/controller.ts';
import { LockdError } from '../core/errors.ts';
import { toJson } from '../core/json.ts';
import { type Names, refuseUnknown } from '../core/known.ts';
import type { Logger } from '../core/log.ts';
import type { Handoff } from '../postgres/handoff.ts';
import type { Resignation } from '../postgres/resign.ts';
import type { Behind } from './behind.ts';
import { type Env, ownChange, unserved } from './protect.ts';
import type { HandoffQuestion, ResignQuestion } from './wire.ts';

const ofResign: Names<ResignQuestion> = { name: true, force: true, wait: true };
const ofHandoff: Names<HandoffQuestion> = { name: true, to: true, newest: true, wait: true };

const resignStatus = { nobody: 409, asked: 202, resigned: 200, 'timed-out': 504 } as const;

const handoffStatus = {
  nobody: 409,
  'no-candidate': 409,
  leads: 200,
  'under-way': 409,
  declined: 409,
  returned: 409,
  asked: 202,
  'handed-over': 200,
  'timed-out': 504,
} as const;

export function addChanges(
  app: Hono<Env>,
  controller: SingletonLockController,
  behind: Behind | undefined,
  logger: Logger,
): void {
  app.post('/resign', ownChange, async (context) => {
    const asked = await bodyOf<ResignQuestion>(context, ofResign);
    const { name = controller.name, force = false, wait = false } = asked;
    const { instance, label } = controller;
    const { state, token } = controller.standing();
    const isOwn = name === controller.name && (state === 'active' || state === 'draining');
    logger.info({ name, force, ...whoAsks(context) }, 'asked over HTTP to resign');
    expect(!force || isOwn, '`force` only where this instance leads', force);
    if (behind !== undefined && !force) {
      const answer: Resignation = await behind.resign(name, wait);
      return context.json(toJson(answer), resignStatus[answer.outcome]);
    }
    if (name !== controller.name) return unserved(context);
    if (!isOwn) return context.json({ outcome: 'nobody' }, resignStatus.nobody);
    void controller.resign({ force }); // its drain may outlast whoever asks
    const answer = { outcome: 'asked', asked: { instance, label, token }, isHeard: true } as const;
    return context.json(toJson(answer), resignStatus.asked);
  });

  app.post('/handoff', ownChange, async (context) => {
    const asked = await bodyOf<HandoffQuestion>(context, ofHandoff);
    const { name = controller.name, to, newest = false, wait = true } = asked;
    expect(!newest || to === undefined, '`to` or `newest`, and not both', `${to}`);
    logger.info({ name, to, ...whoAsks(context) }, 'asked over HTTP to hand over');
    if (behind === undefined) return unserved(context);
    const by = `${controller.label} over HTTP`;
    const answer: Handoff = await behind.handOff(name, { to, by, isWaiting: wait });
    return context.json(toJson(answer), handoffStatus[answer.outcome]);
  });
}

const whoAsks = (context: Context<Env>): { readonly from: string } => ({
  from: context.env.incoming.socket.remoteAddress ?? 'unix socket',
});

const types = {
  name: 'string',
  to: 'string',
  force: 'boolean',
  newest: 'boolean',
  wait: 'boolean',
};

/** Nothing at all is an empty question. */
async function bodyOf<Question extends object>(
  context: Context<Env>,
  known: Names<Question>,
): Promise<Question> {
  const text = await context.req.text();
  const body = text.trim() === '' ? {} : parsed(text);
  refuseUnknown(body, known, 'in this question');
  for (const [name, value] of Object.entries(body)) {
    const type = types[name as keyof typeof types];
    expect(typeof value === type, `\`${name}\` to be a ${type}`, value);
    if (name === 'name') checkName(value);
  }
  return body as Question;
}

function parsed(text: string): object {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  } catch {}
  throw new LockdError('LOCKD_INVALID_OPTION', 'Expected a JSON object, such as {"name": "bot"}.');
}
