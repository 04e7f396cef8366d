import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { read, root } from '../docs/pages.ts';
import { isInstalled, promtool, type Rule, rules, rulesFile } from './prometheus.ts';

/** A name that leads on one of two instances; each sample is 15 s after the one before. */
interface Incident {
  readonly alert: string;
  readonly samples: Readonly<Record<string, string>>;
  /** Not yet at the first of these, but at the second. */
  readonly quietAt: string;
  readonly firesAt: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** What the templates of the annotations come to. */
  readonly says?: Readonly<Record<string, string>>;
}

const led = { name: 'led' };
const [a, b] = ['{name="led",instance="a"}', '{name="led",instance="b"}'];
const ttl = { [`lockd_ttl_seconds${a}`]: '10x100', [`lockd_ttl_seconds${b}`]: '10x100' };

const incidents: readonly Incident[] = [
  {
    alert: 'LockdSeveralLeaders',
    samples: { [`lockd_is_leader${a}`]: '1x100', [`lockd_is_leader${b}`]: '0x19 1x80' },
    quietAt: '5m15s',
    firesAt: '5m30s',
    labels: led,
    says: { $value: '2' },
  },
  {
    alert: 'LockdNoLeader',
    samples: { [`lockd_is_leader${a}`]: '1x19 0x80', [`lockd_is_leader${b}`]: '0x100' },
    quietAt: '5m45s',
    firesAt: '6m',
    labels: led,
  },
  {
    alert: 'LockdNoLeaderForLong',
    samples: { [`lockd_is_leader${a}`]: '1x19 0x80', [`lockd_is_leader${b}`]: '0x100' },
    quietAt: '9m45s',
    firesAt: '10m',
    labels: led,
  },
  {
    alert: 'LockdNothingReports',
    samples: { [`lockd_is_leader${a}`]: '1x19 stale' },
    quietAt: '9m45s',
    firesAt: '10m',
    labels: {},
  },
  {
    alert: 'LockdLongGap',
    samples: {
      ...ttl,
      [`lockd_leaderless_seconds_sum${a}`]: '0x20 25x80',
      [`lockd_leaderless_seconds_sum${b}`]: '0x60 40x40',
    },
    quietAt: '14m',
    firesAt: '16m',
    labels: led,
    says: { '$value | humanizeDuration': '1m 5s' },
  },
  {
    alert: 'LockdFlapping',
    samples: {
      [`lockd_transitions_total{name="led",instance="a",to="active",reason="elected"}`]:
        '0x4 1x4 2x4 3x100',
      [`lockd_transitions_total{name="led",instance="b",to="active",reason="elected"}`]:
        '0x20 1x4 2x4 3x100',
      [`lockd_transitions_total{name="led",instance="a",to="passive",reason="session-lost"}`]:
        '0x4 9x100',
    },
    quietAt: '7m',
    firesAt: '8m',
    labels: led,
    says: { '$value | humanize': '6' },
  },
  {
    alert: 'LockdRenewalsSlow',
    samples: {
      ...ttl,
      [`lockd_renewal_duration_seconds_bucket{name="led",instance="a",le="1"}`]: '0+10x40 400x60',
      [`lockd_renewal_duration_seconds_bucket{name="led",instance="a",le="2.5"}`]: '0+10x100',
      [`lockd_renewal_duration_seconds_bucket{name="led",instance="a",le="+Inf"}`]: '0+10x100',
    },
    quietAt: '12m',
    firesAt: '18m',
    labels: led,
    says: { '$value | humanizeDuration': '2.485s' },
  },
  {
    alert: 'LockdDrainOverdue',
    samples: { [`lockd_drain_overdue${a}`]: '0x19 1x80', [`lockd_drain_overdue${b}`]: '0x100' },
    quietAt: '4m45s',
    firesAt: '5m',
    labels: { ...led, instance: 'a' },
  },
  {
    alert: 'LockdNotConnected',
    samples: { [`lockd_connected${a}`]: '1x19 0x80', [`lockd_connected${b}`]: '1x100' },
    quietAt: '6m45s',
    firesAt: '7m',
    labels: { ...led, instance: 'a' },
  },
];

/** A deploy in which three instances take turns, drains and one crash among them. */
const goodNight = {
  ...ttl,
  [`lockd_is_leader${a}`]: '1x20 0x80',
  [`lockd_is_leader${b}`]: '0x19 1x39 0x40', // both for one scrape
  [`lockd_is_leader{name="led",instance="c"}`]: '0x61 1x40', // and none of all for another
  [`lockd_connected${a}`]: '1x30 0x4 1x60',
  [`lockd_drain_overdue${a}`]: '0x100',
  [`lockd_leaderless_seconds_sum${b}`]: '0x20 0.02x80',
  [`lockd_leaderless_seconds_sum{name="led",instance="c"}`]: '0x60 12x40',
  [`lockd_transitions_total{name="led",instance="b",to="active",reason="elected"}`]: '0x20 1x80',
  [`lockd_transitions_total{name="led",instance="c",to="active",reason="elected"}`]: '0x60 1x40',
  [`lockd_renewal_duration_seconds_bucket{name="led",instance="b",le="0.01"}`]: '0+10x100',
  [`lockd_renewal_duration_seconds_bucket{name="led",instance="b",le="+Inf"}`]: '0+10x100',
};

/** As Prometheus fills the templates. */
function rendered(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\{\{ ([^}]+) \}\}/g, (whole, template: string) => {
    return values[template] ?? `(no value for ${whole})`;
  });
}

function expected({ alert, labels = {}, says = {} }: Incident): object {
  const rule = rules.find((each) => each.alert === alert) as Rule;
  const values = Object.fromEntries(
    Object.entries(labels).map(([label, value]) => [`$labels.${label}`, value]),
  );
  const annotations = Object.entries(rule.annotations).map(([name, text]) => [
    name,
    rendered(text, { ...values, ...says }),
  ]);
  return {
    exp_labels: { ...rule.labels, ...labels },
    exp_annotations: Object.fromEntries(annotations),
  };
}

const seriesOf = (samples: Readonly<Record<string, string>>): object[] =>
  Object.entries(samples).map(([series, values]) => ({ series, values }));

/** A file for `promtool test rules`; JSON is YAML, too. */
const cases = [
  ...incidents.map((incident) => ({
    interval: '15s',
    input_series: seriesOf(incident.samples),
    alert_rule_test: [
      { alertname: incident.alert, eval_time: incident.quietAt, exp_alerts: [] },
      { alertname: incident.alert, eval_time: incident.firesAt, exp_alerts: [expected(incident)] },
    ],
  })),
  {
    interval: '15s',
    input_series: seriesOf(goodNight),
    alert_rule_test: rules.flatMap(({ alert }) =>
      Array.from({ length: 48 }, (_, at) => ({
        alertname: alert,
        eval_time: `${at * 30}s`,
        exp_alerts: [],
      })),
    ),
  },
];

describe('each alert', () => {
  const headings = [...read('RUNBOOK.md').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(/\s/g, '-'),
  );

  test.each(rules)('says how bad it is, what it is and where the runbook is: $alert', (rule) => {
    expect(rule.labels['severity']).toMatch(/^(warning|critical)$/);
    for (const text of ['summary', 'description']) expect(rule.annotations[text]).toMatch(/\w{3}/);
    const [page, anchor] = rule.annotations['runbook_url']?.split('#') ?? [];
    expect(page).toBe('RUNBOOK.md');
    expect(headings).toContain(anchor);
  });

  test('has an incident in which it fires', () => {
    expect(incidents.map(({ alert }) => alert)).toEqual(rules.map(({ alert }) => alert));
  });
});

describe.skipIf(!isInstalled)('by promtool (skipped where Prometheus is not installed)', () => {
  test('the rules are well-formed', async () => {
    const { code, output } = await promtool(['check', 'rules', rulesFile]);
    expect({ code, output }).toEqual({
      code: 0,
      output: expect.stringContaining(`SUCCESS: ${rules.length} rules found`),
    });
  });

  test('each fires in its incident and not before, and none in a night of good deploys', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lockd-test-'));
    const file = join(folder, 'incidents.yml');
    try {
      const text = {
        rule_files: [join(root, rulesFile)],
        evaluation_interval: '15s',
        tests: cases,
      };
      await writeFile(file, JSON.stringify(text));
      expect(await promtool(['test', 'rules', file])).toMatchObject({
        code: 0,
        output: expect.stringContaining('SUCCESS'),
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
