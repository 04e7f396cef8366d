import { afterAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { startTestCluster } from '../support/cluster.ts';
import type { Incident, Incidents } from './incident.ts';
import { addresses } from './incidents/addresses.ts';
import { leaders } from './incidents/leaders.ts';
import { locks } from './incidents/locks.ts';
import { overlap } from './incidents/overlap.ts';
import { resources } from './incidents/resources.ts';
import { schema } from './incidents/schema.ts';
import { server } from './incidents/server.ts';
import { type Section, sections } from './page.ts';
import { Reading } from './reading.ts';
import { openStage } from './stage.ts';

const incidents: Incidents = {
  ...overlap,
  ...leaders,
  ...locks,
  ...addresses,
  ...server,
  ...schema,
  ...resources,
};

let runbookCluster: Promise<Cluster> | undefined;

afterAll(async () => {
  await (await runbookCluster)?.[Symbol.asyncDispose]();
});

/** What is run, and what is said to come of it. */
const proven = ['sh', 'sql', 'text', 'log'];

test('each section that shows a command or what comes of one is staged, and no other', () => {
  const shown = sections.filter(({ blocks }) =>
    blocks.some(({ language }) => proven.includes(language)),
  );
  expect(Object.keys(incidents).sort()).toEqual(shown.map(({ heading }) => heading).sort());
});

describe('what RUNBOOK.md says is shown is shown, and what it says mends it mends it', () => {
  for (const section of sections) {
    const incident = incidents[section.heading];
    if (incident === undefined) continue;
    if (incident.missing !== undefined) console.log(`Not staged here: ${incident.missing}`);
    const staged = incident.missing === undefined ? test.concurrent : test.skip;
    staged(section.heading, () => play(section, incident), 90_000);
  }
});

async function play(section: Section, incident: Incident): Promise<void> {
  if ('playAlone' in incident) {
    let page: Reading | undefined;
    await incident.playAlone((stage, url) => {
      page = new Reading(section, stage, url);
      return page;
    });
    expect(page).toBeDefined();
    await page?.ends();
    return;
  }
  await using stage = await openStage(
    incident.server === 'runbook' ? await ownServer() : undefined,
  );
  const page = new Reading(section, stage);
  await incident.play(stage, page);
  await page.ends();
}

async function ownServer(): Promise<string> {
  runbookCluster ??= startTestCluster({
    settings: {
      max_prepared_transactions: '5',
      log_lock_waits: 'on',
      deadlock_timeout: '100ms',
    },
  });
  return (await runbookCluster).url();
}
