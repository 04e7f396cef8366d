import { isLockdError } from '../../../src/core/errors.ts';
import type { Lease } from '../../../src/core/machine/lease.ts';
import type { BidAnswer, Notice } from '../../../src/core/store.ts';
import type { Tally } from '../tally.ts';
import { type Call, callOf, campaigners, holder, type Side, type Step } from './trace.ts';

/** What one side has answered and has yet to answer, in words that both sides share. */
class Transcript {
  readonly side: Side;
  readonly answers = new Map<number, Promise<string>>();
  readonly settled = new Map<number, string>();
  readonly #tokens: bigint[] = [0n];

  constructor(side: Side) {
    this.side = side;
  }

  get previous(): bigint {
    return this.#tokens.at(-2) ?? 0n;
  }

  async lease(): Promise<Lease> {
    const lease = await this.side.lease();
    if (!this.#tokens.includes(lease.token)) this.#tokens.push(lease.token);
    return lease;
  }

  ask(session: number, call: Call): void {
    const answer = this.side.ask(session, call).then(
      (value) => this.#inWords(call, value),
      (error: unknown) => (isLockdError(error) ? error.code : String(error)),
    );
    this.answers.set(session, answer);
    void answer.then((words) => {
      if (this.answers.get(session) === answer) this.settled.set(session, words);
    });
  }

  forget(session: number): void {
    this.answers.delete(session);
    this.settled.delete(session);
  }

  /** Tokens differ from clock to clock: which one it was, in the order they were seen in. */
  token(token: bigint | undefined): string {
    if (token === undefined) return 'none';
    if (!this.#tokens.includes(token)) this.#tokens.push(token);
    const isGrown = this.#tokens.every((other, at, all) => at === 0 || other > (all[at - 1] ?? 0n));
    return `${isGrown ? '' : 'not grown: '}token ${this.#tokens.indexOf(token)}`;
  }

  leaseInWords({ token, beat, ttlMs, label, isEnded, recorded, server, beatAgeMs }: Lease): string {
    const isOfServer = JSON.stringify(recorded) === JSON.stringify(server);
    const history = recorded === undefined ? 'none' : isOfServer ? 'this' : 'other';
    const age = beatAgeMs === undefined ? 'no beat' : 'a beat';
    return `${this.token(token)} ${age} ${beat} ${ttlMs} ${label} ${isEnded ? 'ended' : 'runs'}, history ${history}`;
  }

  noticeInWords({ kind, token, reason }: Notice): string {
    return `${kind} ${this.token(token)} ${reason}`;
  }

  #inWords(call: Call, value: unknown): string {
    if (call.do === 'attempt') {
      const { isGranted, lease } = value as { isGranted: boolean; lease: Lease };
      return `${isGranted ? 'granted' : 'busy'}: ${this.leaseInWords(lease)}`;
    }
    if (call.do === 'read') return this.leaseInWords(value as Lease);
    if (call.do === 'takeover') return this.#bidInWords(value as BidAnswer);
    return call.do === 'fence' || call.do === 'commit' ? 'done' : String(value);
  }

  #bidInWords(answer: BidAnswer): string {
    if (answer.outcome === 'taken') return `taken, ${this.token(answer.token)}`;
    if (answer.outcome === 'changed') return 'changed';
    const blockers = answer.blockers.map((pid) => this.side.sessionOf(pid)).sort();
    return `blocked by ${blockers.join(', ')}`;
  }
}

/** Plays a trace on both sides, call by call; the first difference, in words. */
export async function difference(
  trace: readonly Step[],
  simulated: Side,
  real: Side,
  tally: Tally,
): Promise<string | undefined> {
  const sides = [new Transcript(simulated), new Transcript(real)] as const;
  const [mine, theirs] = sides;
  const fenced = new Set<number>();
  const calls = new Map<number, string>();
  let lastGranted = 0;
  for (const [index, drawn] of trace.entries()) {
    const step = drawn.session === holder ? { ...drawn, session: lastGranted } : drawn;
    if (step.do !== 'kill' && mine.answers.has(step.session)) continue;
    if (step.session >= campaigners && step.do !== 'kill') {
      if (fenced.has(step.session) !== (step.do === 'commit')) continue;
    }
    const wasWaiting = mine.answers.size > 0 ? ' while others wait' : '';
    calls.set(step.session, `${step.do}${wasWaiting}`);
    const where = `at step ${index}, ${JSON.stringify(step)}`;
    for (const side of sides) {
      const call = callOf(step, await side.lease(), side.previous);
      if (call !== undefined) side.ask(step.session, call);
      else {
        side.forget(step.session);
        await side.side.kill(step.session);
      }
    }
    if (step.do === 'kill' || step.do === 'commit') fenced.delete(step.session);
    await simulated.settle(0);
    for (const [session, words] of [...mine.settled].sort()) {
      const answer = await within(theirs.answers.get(session));
      if (answer !== words)
        return `${where}: session ${session} simulated ${words}; real ${answer}`;
      if (words.startsWith('granted')) lastGranted = session;
      tally.count(calls.get(session) ?? '', answer.split(/[:,] | by |token/)[0] as string);
      if (words === 'done' && step.do === 'fence') fenced.add(session);
      for (const side of sides) side.forget(session);
    }
    await real.settle(mine.answers.size);
    for (const words of theirs.settled.values())
      return `${where}: only the real one answers ${words}`;
    const [lease, realLease] = [
      mine.leaseInWords(await mine.lease()),
      theirs.leaseInWords(await theirs.lease()),
    ];
    if (lease !== realLease) return `${where}: the row is simulated ${lease}; real ${realLease}`;
    const told = simulated.notices.map((notice) => mine.noticeInWords(notice)).join('; ');
    const reallyTold = real.notices.map((notice) => theirs.noticeInWords(notice)).join('; ');
    if (told !== reallyTold) return `${where}: told simulated ${told}; real ${reallyTold}`;
  }
  return undefined;
}

/** No answer at all is one to compare, too: a bound, which nothing waits out that goes right. */
async function within(answer: Promise<string> | undefined): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('nothing within 5 s'), 5_000);
  });
  try {
    return await Promise.race([answer ?? 'nothing', silence]);
  } finally {
    clearTimeout(timer);
  }
}
