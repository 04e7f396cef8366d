import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import type { SingletonLockController } from '../core/controller.ts';
import { LockdError, type LockdErrorCode } from '../core/errors.ts';
import type { EndReason } from '../core/machine/protocol.ts';
import type { ControllerEvents } from '../core/surface.ts';
import { gauges, type Observed } from './gauges.ts';
import { type MetricSet, type ObserveOptions, sharing } from './registry.ts';

/** Complete: a reason that the type has and this has not does not compile. */
const endReasons = Object.keys({
  stopped: true,
  resigned: true,
  'handed-over': true,
  'server-shutdown': true,
  'session-lost': true,
  'lease-lost': true,
  'deadline-passed': true,
} satisfies Record<EndReason, true>);

/** As labels: how one becomes leader, and how a leader stops being one. */
const transitions: readonly { readonly to: string; readonly reason: string }[] = [
  { to: 'active', reason: 'elected' },
  ...endReasons.map((reason) => ({ to: 'passive', reason })),
];

const seconds = {
  roundTrip: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  gap: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800],
  drain: [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 25, 60, 300],
};

const observe = sharing(() => new ElectionMetrics());

/**
 * Tells Prometheus what this controller knows of itself, without asking the database: gauges when they
 * are read, counters and histograms from now on. Each controller of a registry is a label `name`; a
 * second one of the same name is refused (`LOCKD_INVALID_OPTION`). Disposing of it takes its series away.
 */
export function observeController(
  controller: SingletonLockController,
  options?: ObserveOptions,
): Disposable {
  return observe(controller, options);
}

type Listeners = Partial<{
  [Name in keyof ControllerEvents]: (...args: ControllerEvents[Name]) => void;
}>;

class ElectionMetrics implements MetricSet<SingletonLockController> {
  readonly #observed = new Map<string, Observed>();
  readonly #gauges = gauges.map(
    ({ read, ...configuration }) =>
      new Gauge({
        ...configuration,
        labelNames: ['name'],
        registers: [],
        collect: this.#collector(read),
      }),
  );
  readonly #renewals = new Counter({
    name: 'lockd_renewals_total',
    help: 'Beats of the lease: kept, or refused or lost with their session.',
    labelNames: ['name', 'result'],
    registers: [],
  });
  readonly #renewalDuration = new Histogram({
    name: 'lockd_renewal_duration_seconds',
    help: 'From sending a beat to its answer, or to the end of its session.',
    labelNames: ['name'],
    buckets: seconds.roundTrip,
    registers: [],
  });
  readonly #transitions = new Counter({
    name: 'lockd_transitions_total',
    help: 'Terms of this instance that have begun (to="active") and ended (to="passive"), by reason.',
    labelNames: ['name', 'to', 'reason'],
    registers: [],
  });
  readonly #leaderless = new Histogram({
    name: 'lockd_leaderless_seconds',
    help: 'Time without a leader before a term of this instance, by the clock of the database.',
    labelNames: ['name'],
    buckets: seconds.gap,
    registers: [],
  });
  readonly #drainDuration = new Histogram({
    name: 'lockd_drain_duration_seconds',
    help: 'From the end of a term until its work in flight had finished.',
    labelNames: ['name'],
    buckets: seconds.drain,
    registers: [],
  });
  readonly #attempts = new Counter({
    name: 'lockd_watcher_attempts_total',
    help: 'Attempts of the watcher to take the seat.',
    labelNames: ['name'],
    registers: [],
  });
  readonly #notices = new Counter({
    name: 'lockd_passive_notices_total',
    help: 'Answers of passiveNotice() while PASSIVE: sent, or suppressed as one too many.',
    labelNames: ['name', 'result'],
    registers: [],
  });
  readonly #warnings = new Counter({
    name: 'lockd_warnings_total',
    help: 'Warnings of the controller, by the code of the error.',
    labelNames: ['name', 'code'],
    registers: [],
  });

  get metrics(): readonly Metric[] {
    return [
      ...this.#gauges,
      this.#renewals,
      this.#renewalDuration,
      this.#transitions,
      this.#leaderless,
      this.#drainDuration,
      this.#attempts,
      this.#notices,
      this.#warnings,
    ];
  }

  observe(controller: SingletonLockController): () => void {
    const { name } = controller;
    if (this.#observed.has(name)) throw alreadyObserved(name);
    const observed: Observed = { controller, hasOverrun: false };
    const codes = new Set<LockdErrorCode>();
    this.#observed.set(name, observed);
    this.#begin(name);
    const listeners = this.#listeners(observed, codes);
    for (const [event, listener] of Object.entries(listeners)) {
      controller.on(event as never, listener as never);
    }
    return () => {
      for (const [event, listener] of Object.entries(listeners)) {
        controller.off(event as never, listener as never);
      }
      this.#observed.delete(name);
      this.#forget(name, codes);
    };
  }

  #listeners(observed: Observed, codes: Set<LockdErrorCode>): Listeners {
    const { name } = observed.controller;
    return {
      active: ({ gapMs }) => {
        observed.hasOverrun = false;
        this.#transitions.inc({ name, to: 'active', reason: 'elected' });
        if (gapMs !== undefined) this.#leaderless.observe({ name }, gapMs / 1_000);
      },
      passive: (_, reason) => this.#transitions.inc({ name, to: 'passive', reason }),
      drained: ({ tookMs }) => this.#drainDuration.observe({ name }, tookMs / 1_000),
      beat: ({ roundTripMs, isKept }) => {
        this.#renewals.inc({ name, result: isKept ? 'kept' : 'lost' });
        this.#renewalDuration.observe({ name }, roundTripMs / 1_000);
      },
      attempt: () => this.#attempts.inc({ name }),
      notice: ({ isSent }) => this.#notices.inc({ name, result: isSent ? 'sent' : 'suppressed' }),
      warning: ({ code }) => {
        if (code === 'LOCKD_DRAIN_OVERRUN') observed.hasOverrun = true;
        codes.add(code);
        this.#warnings.inc({ name, code });
      },
    };
  }

  /** At zero: of a series that begins with its first event, Prometheus would not see that event. */
  #begin(name: string): void {
    for (const result of ['kept', 'lost']) this.#renewals.inc({ name, result }, 0);
    for (const result of ['sent', 'suppressed']) this.#notices.inc({ name, result }, 0);
    for (const transition of transitions) this.#transitions.inc({ name, ...transition }, 0);
    this.#attempts.inc({ name }, 0);
    for (const histogram of [this.#renewalDuration, this.#leaderless, this.#drainDuration]) {
      histogram.zero({ name });
    }
  }

  #forget(name: string, codes: ReadonlySet<LockdErrorCode>): void {
    for (const result of ['kept', 'lost']) this.#renewals.remove({ name, result });
    for (const result of ['sent', 'suppressed']) this.#notices.remove({ name, result });
    for (const transition of transitions) this.#transitions.remove({ name, ...transition });
    for (const code of codes) this.#warnings.remove({ name, code });
    const byName = [
      ...this.#gauges,
      this.#attempts,
      this.#renewalDuration,
      this.#leaderless,
      this.#drainDuration,
    ];
    for (const metric of byName) metric.remove({ name });
  }

  /** What is not known has no series: a zero would be a value. */
  #collector(read: (observed: Observed) => number | undefined): (this: Gauge<'name'>) => void {
    const all = this.#observed;
    return function collect() {
      for (const [name, observed] of all) {
        const value = read(observed);
        if (value === undefined) this.remove({ name });
        else this.set({ name }, value);
      }
    };
  }
}

const alreadyObserved = (name: string): LockdError =>
  new LockdError(
    'LOCKD_INVALID_OPTION',
    `Expected one observed controller of ${JSON.stringify(name)} on a registry, got a second one. Dispose of the first, or give this one a \`registry\` of its own.`,
  );
