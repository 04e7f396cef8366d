import {
  type Metric,
  type OpenMetricsContentType,
  type PrometheusContentType,
  type Registry,
  register,
} from 'prom-client';
import { LockdError } from '../core/errors.ts';
import { refuseUnknown } from '../core/known.ts';

/** A registry of prom-client, of either format. */
export type MetricsRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>;

export interface ObserveOptions {
  /** Where the metrics are. Two copies of prom-client have two global ones. @default the global one */
  readonly registry?: MetricsRegistry | undefined;
}

/** All metrics of one kind of subject, which those on one registry share. */
export interface MetricSet<Subject> {
  readonly metrics: readonly Metric[];
  /** Returns what ends it, and takes its series away. Throws where others stand in its way. */
  observe(subject: Subject): () => void;
}

interface Shared<Subject> {
  readonly set: MetricSet<Subject>;
  /** As they were made: a registry of OpenMetrics takes `_total` off when it is read. */
  readonly names: readonly string[];
  users: number;
}

/** One set on each registry, for as long as something is observed there: then the registry is as it was. */
export function sharing<Subject>(
  make: () => MetricSet<Subject>,
): (subject: Subject, options: ObserveOptions | undefined) => Disposable {
  const sets = new WeakMap<MetricsRegistry, Shared<Subject>>();
  return (subject, options = {}) => {
    refuseUnknown(options, { registry: true });
    const { registry = register } = options;
    const shared = sets.get(registry) ?? made(make());
    enlist(shared, registry);
    const end = shared.set.observe(subject);
    sets.set(registry, shared);
    shared.users += 1;
    let isOver = false;
    return {
      [Symbol.dispose]() {
        if (isOver) return;
        isOver = true;
        end();
        shared.users -= 1;
        if (shared.users > 0) return;
        sets.delete(registry);
        delist(shared, registry);
      },
    };
  };
}

function made<Subject>(set: MetricSet<Subject>): Shared<Subject> {
  return { set, names: set.metrics.map(nameOf), users: 0 };
}

/** Anew where the host has cleared its registry meanwhile. All of them, or none. */
function enlist({ set, names }: Shared<unknown>, registry: MetricsRegistry): void {
  const missing = set.metrics.filter((metric, at) => {
    const name = names[at] as string;
    const found = registry.getSingleMetric(name);
    if (found === undefined || found === metric) return found === undefined;
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      `Expected \`registry\` to have no metric ${name} yet: another copy of lockd may be observing there. Give each a registry of its own.`,
    );
  });
  for (const metric of missing) registry.registerMetric(metric);
}

function delist({ set, names }: Shared<unknown>, registry: MetricsRegistry): void {
  for (const name of [...names, ...set.metrics.map(nameOf)]) {
    registry.removeSingleMetric(name);
  }
}

/** Its types leave the name out. */
const nameOf = (metric: Metric): string => (metric as unknown as { readonly name: string }).name;
