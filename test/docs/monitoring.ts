import { Registry } from 'prom-client';
import { memoryLockManager } from '../../src/core/locks/memory.ts';
import { observeController, observeLocks } from '../../src/metrics/index.ts';
import { FakeClock, MemoryServer, testController } from '../../src/testing/index.ts';
import { rules } from '../metrics/prometheus.ts';

/** As they are registered. */
export function metrics(): string {
  const registry = new Registry();
  const server = new MemoryServer({ clock: new FakeClock() });
  observeController(testController({ server, name: 'bot' }), { registry });
  observeLocks(memoryLockManager({}), { registry });
  const all = registry.getMetricsAsArray() as unknown as readonly Facts[];
  return tableOf(
    ['metric', 'kind', 'labels', 'what it is'],
    all.map(({ name, type, labelNames, help }) => {
      return [`\`${name}\``, type, labelNames.map((label) => `\`${label}\``).join(', '), help];
    }),
  );
}

/** What the types of prom-client leave out. */
interface Facts {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** As Prometheus reads them. */
export function alerts(): string {
  return tableOf(
    ['alert', 'severity', 'for', 'fires on', 'see'],
    rules.map(({ alert, labels, expr, annotations, for: wait = 'at once' }) => {
      const [page, anchor = ''] = annotations['runbook_url']?.split('#') ?? [];
      const link = `[${anchor.replaceAll('-', ' ')}](../${page}#${anchor})`;
      return [`\`${alert}\``, labels['severity'] ?? '', wait, `\`${expr}\``, link];
    }),
  );
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
