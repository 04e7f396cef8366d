import type { MetricsRegistry } from '../../src/metrics/index.ts';

/** What Prometheus would read, by the text in front of the value: `lockd_is_leader{name="led"}`. */
export async function scraped(
  registry: MetricsRegistry,
): Promise<Readonly<Record<string, number>>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => /^[^#\s]/.test(line));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
