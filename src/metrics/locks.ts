import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import { LockdError } from '../core/errors.ts';
import type { LockManager } from '../core/locks/manager.ts';
import type { Outcome, ResourceStats } from '../core/locks/stats.ts';
import type { Mode } from '../core/locks/store.ts';
import type { LockEvents, LockOperation } from '../core/locks/surface.ts';
import { type MetricSet, type ObserveOptions, sharing } from './registry.ts';

/** Permits of any number are one mode: who chooses names and numbers does not choose how many series there are. */
const modes = ['exclusive', 'shared', 'permits'] as const;
type ModeLabel = (typeof modes)[number];

const modeOf = (mode: Mode): ModeLabel => (typeof mode === 'string' ? mode : 'permits');

/** In the words of `stats()`: `3 permits`. */
const modeIn = ({ mode }: ResourceStats): ModeLabel =>
  modes.find((each) => each === mode) ?? 'permits';

const buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3_600];

const observe = sharing(() => new LockMetrics());

/**
 * Tells Prometheus what this manager does, from now on; what it holds now is counted, too. Resources and
 * owners are no labels. Managers of one registry are counted together.
 */
export function observeLocks(manager: LockManager, options?: ObserveOptions): Disposable {
  return observe(manager, options);
}

class LockMetrics implements MetricSet<LockManager> {
  readonly #observed = new Set<LockManager>();
  readonly #active = new Gauge({
    name: 'lockd_holds_active',
    help: 'Resource locks that are held.',
    labelNames: ['mode'],
    registers: [],
  });
  readonly #counters = {
    acquired: counter('acquisitions', 'Resource locks that were had.'),
    'timed out': counter(
      'timeouts',
      'Not had because others held them: refused, overdue, given up.',
    ),
    failed: counter('failures', 'Not had for another reason: a deadlock, a wrong mode, no answer.'),
    released: counter('releases', 'Resource locks given back by their holders.'),
    lost: counter('losses', 'Resource locks that ended otherwise than by release().'),
  } satisfies Record<Outcome, Counter<'mode'>>;
  readonly #contentions = counter('contentions', 'Waits that began because others held it.');
  readonly #wait = new Histogram({
    name: 'lockd_hold_wait_seconds',
    help: 'How long was waited for what was had.',
    labelNames: ['mode'],
    buckets,
    registers: [],
  });
  readonly #duration = new Histogram({
    name: 'lockd_hold_duration_seconds',
    help: 'How long was held what is not held any more.',
    labelNames: ['mode'],
    buckets,
    registers: [],
  });

  constructor() {
    for (const mode of modes) {
      this.#active.set({ mode }, 0);
      for (const each of [...Object.values(this.#counters), this.#contentions])
        each.inc({ mode }, 0);
      for (const each of [this.#wait, this.#duration]) each.zero({ mode });
    }
  }

  get metrics(): readonly Metric[] {
    const counters = Object.values(this.#counters);
    return [this.#active, ...counters, this.#contentions, this.#wait, this.#duration];
  }

  observe(manager: LockManager): () => void {
    if (this.#observed.has(manager)) throw alreadyObserved();
    this.#observed.add(manager);
    /** Of this manager alone, to be taken off again. */
    const active = new Map<ModeLabel, number>();
    const add = (mode: ModeLabel, count: number): void => {
      active.set(mode, (active.get(mode) ?? 0) + count);
      this.#active.inc({ mode }, count);
    };
    // Neither misses anything nor counts it twice: nothing happens between this and the listening.
    for (const resource of manager.stats().resources) add(modeIn(resource), resource.holders);
    const counted = ({ what, mode, tookMs }: LockOperation): void =>
      this.#count(what, modeOf(mode), tookMs, add);
    const contended = ({ mode }: LockEvents['resource.contended'][0]): void =>
      this.#contentions.inc({ mode: modeOf(mode) });
    manager.on('resource.operation', counted).on('resource.contended', contended);
    return () => {
      manager.off('resource.operation', counted).off('resource.contended', contended);
      this.#observed.delete(manager);
      for (const [mode, count] of active) this.#active.dec({ mode }, count);
    };
  }

  #count(
    what: Outcome,
    mode: ModeLabel,
    tookMs: number,
    add: (mode: ModeLabel, count: number) => void,
  ): void {
    this.#counters[what].inc({ mode });
    if (what === 'acquired') {
      this.#wait.observe({ mode }, tookMs / 1_000);
      add(mode, 1);
    } else if (what === 'released' || what === 'lost') {
      this.#duration.observe({ mode }, tookMs / 1_000);
      add(mode, -1);
    }
  }
}

function counter(of: string, help: string): Counter<'mode'> {
  return new Counter({
    name: `lockd_hold_${of}_total`,
    help,
    labelNames: ['mode'],
    registers: [],
  });
}

const alreadyObserved = (): LockdError =>
  new LockdError(
    'LOCKD_INVALID_OPTION',
    'Expected a lock manager that is not observed on this registry yet. Dispose of the first observation before the next.',
  );
