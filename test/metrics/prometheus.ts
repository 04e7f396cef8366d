import { existsSync } from 'node:fs';
import { get } from 'node:http';
import { parse } from 'yaml';
import { read } from '../docs/pages.ts';
import { TestProcess } from '../support/processes.ts';

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

export const rulesFile = 'ops/alerts.yml';

export const rules: readonly Rule[] = parse(read(rulesFile)).groups.flatMap(
  (group: { readonly rules: readonly Rule[] }) => group.rules,
);

/** What Debian's package `prometheus` installs. */
export const programs = { prometheus: '/usr/bin/prometheus', promtool: '/usr/bin/promtool' };
export const isInstalled = Object.values(programs).every((path) => existsSync(path));

export interface Said {
  readonly code: number | null;
  readonly output: string;
}

export async function promtool(args: readonly string[], input = ''): Promise<Said> {
  await using child = new TestProcess(programs.promtool, args);
  child.write(input);
  child.closeStdin();
  const { code } = await child.closed;
  return { code, output: [...child.stdout, ...child.stderr].join('\n') };
}

/** On a connection of its own, which does not outlive the test. */
export function fetched(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve(text)).on('error', reject);
    }).on('error', reject);
  });
}
