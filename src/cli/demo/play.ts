/** The play: four ways in which a leader goes, and what the next one makes of it. */
import { systemClock } from '../../core/clock.ts';
import { createItems, judgeItems, readHandover, type Verdict } from '../../postgres/demo-items.ts';
import { migrate } from '../../postgres/migrate.ts';
import { Instance } from './instance.ts';
import { outcome, type Timeline } from './timeline.ts';

export interface Act {
  readonly act: 'handover' | 'crash' | 'freeze' | 'pause';
  readonly leader: string;
  readonly successor: string;
  /** From the signal until the successor was heard to lead. */
  readonly activeMs: number;
  /** From the last item that the old leader finished to the first that the new one began. */
  readonly gapMs: number;
}

export interface PlayOptions {
  readonly connectionString: string;
  readonly schema: string;
  readonly ttlMs: number;
  readonly takeover: 'safe' | 'fast' | undefined;
  readonly timeline: Timeline;
  /** Aborted when nobody wants to see the rest. */
  readonly signal: AbortSignal;
}

/** More than can be done in the time. */
const queuedItems = 5_000;

/** A bit of ordinary life between the acts. */
const itemsBetween = 20;

export class Play {
  readonly #options: PlayOptions;
  readonly #timeline: Timeline;
  readonly #instances: Instance[] = [];
  readonly #acts: Act[] = [];

  constructor(options: PlayOptions) {
    this.#options = options;
    this.#timeline = options.timeline;
  }

  async run(): Promise<{ acts: readonly Act[]; verdict: Verdict }> {
    const { connectionString, schema, ttlMs, signal } = this.#options;
    signal.throwIfAborted(); // while the database was started
    await migrate({ connectionString, schema });
    await createItems(this.#options, queuedItems);
    this.#timeline.say('A starts: it campaigns, wins and works');
    const first = this.#start();
    await this.#by(first.works());

    await this.#act('1. Handover: SIGTERM, as a deploy does it', 'handover', async (leader) => {
      this.#timeline.say(`SIGTERM to ${leader.label}`);
      leader.terminate();
    });
    await this.#act(
      '2. Crash: kill -9 of the process that leads and of its worker, in the middle of an item',
      'crash',
      async (leader) => {
        await this.#by(leader.isBusy());
        this.#timeline.say(`SIGKILL to ${leader.label} and its worker`);
        leader.signalSupervisor('SIGKILL');
        leader.signalWorker('SIGKILL');
      },
    );
    await this.#act(
      `3. Freeze: the process that leads hangs. Its lease runs out within ${ttlMs} ms`,
      'freeze',
      async (leader) => {
        this.#timeline.say(`SIGSTOP to ${leader.label}, not to its guard and its worker`);
        leader.signalSupervisor('SIGSTOP');
      },
      async (leader) => {
        this.#timeline.say(`SIGCONT to ${leader.label}`);
        leader.signalSupervisor('SIGCONT');
        await this.#by(leader.exited());
        this.#timeline.say(`  nothing of ${leader.label} was left to wake up`);
      },
    );
    await this.#act(
      '4. Pause: all of the leader is suspended in the middle of an item, as with a paused container',
      'pause',
      async (leader) => {
        await this.#by(leader.isBusy());
        this.#timeline.say(`SIGSTOP to ${leader.label}, its guard and its worker`);
        leader.signalWorker('SIGSTOP');
        leader.signalSupervisor('SIGSTOP');
        leader.signalGuard('SIGSTOP');
      },
      (leader) => this.#thaw(leader),
    );

    await this.#by(this.#leader.finishes(itemsBetween));
    this.#timeline.say(`the demo is over: SIGTERM to ${this.#leader.label}`);
    await this.end(5_000);
    return { acts: this.#acts, verdict: await judgeItems(this.#options) };
  }

  /** Ends all instances, whatever has become of them. */
  async end(graceMs: number): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.end(graceMs)));
  }

  /** The one that was started last. */
  get #leader(): Instance {
    return this.#instances.at(-1) as Instance;
  }

  async #act(
    title: string,
    act: Act['act'],
    strike: (leader: Instance) => Promise<void>,
    after: (leader: Instance) => Promise<void> = async () => {},
  ): Promise<void> {
    const leader = this.#leader;
    this.#timeline.act(title);
    const successor = this.#start();
    await this.#by(successor.standsBy());
    this.#timeline.say(`${successor.label} has started and waits for its turn`);
    await this.#by(leader.finishes(itemsBetween));
    await strike(leader);
    const struckAt = systemClock.mono();
    await this.#by(successor.leads());
    const activeMs = systemClock.mono() - struckAt;
    await this.#by(successor.works());
    await this.#by(successor.finishes(1)); // so that what it has begun is on record
    const { gapMs } = await readHandover(this.#options, tokenOf(leader), tokenOf(successor));
    if (gapMs === undefined) throw new Error('A leader has left no trace in the table.');
    const played = { act, leader: leader.label, successor: successor.label, activeMs, gapMs };
    this.#acts.push(played);
    this.#timeline.say(outcome(successor.label, played));
    await after(leader);
  }

  /** Its worker first, to give it every chance. */
  async #thaw(leader: Instance): Promise<void> {
    this.#timeline.say(`SIGCONT to ${leader.label}'s worker: it tries to finish its item`);
    leader.signalWorker('SIGCONT');
    await this.#by(leader.isRefused());
    this.#timeline.say(
      `  the database refuses item ${leader.refusedItem}: ${leader.label}'s token is not the latest`,
    );
    leader.signalGuard('SIGCONT');
    leader.signalSupervisor('SIGCONT');
  }

  #start(): Instance {
    const { timeline, ...options } = this.#options;
    const label = String.fromCharCode(65 + this.#instances.length);
    const instance = new Instance({
      ...options,
      label,
      name: 'demo',
      logged: (line) => timeline.log(label, line),
    });
    this.#instances.push(instance);
    return instance;
  }

  /** Not for longer than the demo is wanted. */
  async #by<Value>(promise: Promise<Value>): Promise<Value> {
    const { signal } = this.#options;
    promise.catch(() => {}); // nobody waits for it any more once the demo is over
    signal.throwIfAborted();
    let abort = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
    });
    return Promise.race([promise, aborted]).finally(() =>
      signal.removeEventListener('abort', abort),
    );
  }
}

function tokenOf({ label, token }: Instance): bigint {
  if (token === undefined) throw new Error(`${label} has never led.`);
  return token;
}
