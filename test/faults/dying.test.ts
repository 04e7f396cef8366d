import { expect, test } from 'vitest';
import { Luck } from '../simulation/luck.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection } from '../support/election.ts';
import { Host } from '../support/host.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const ttlMs = 1_000;
const slackMs = 3_000;
/** From the first connection to the second beat: so many pieces go one way, and as many the other. */
const pieces = 32;

// LOCKD_TEST_KILLS=100 for more of them.
const kills = Number(process.env['LOCKD_TEST_KILLS'] ?? 6);

for (const seed of [1, 2, 3]) {
  test.concurrent(
    `killed at any point of its way to the seat, a process leaves nothing behind, and somebody leads in time (seed ${seed})`,
    async () => {
      await using election = await holdElection({ ttlMs });
      await using proxy = await startProxy(election.url);
      const luck = new Luck(seed, 'kills');
      for (let round = 0; round < kills; round += 1) {
        const isLed = luck.chance(0.4);
        const leader = isLed ? await election.lead(`leader ${round}`) : undefined;
        await killedOnItsWay(election, proxy, luck, `victim ${round}`);
        const killedAt = now();
        await leader?.controller.stop();
        const heir = election.enter(`heir ${round}`);
        await heir.controller.start();
        const active = await heir.story.next('active');
        expect(active.at - killedAt, `in round ${round}`).toBeLessThan(ttlMs + slackMs);
        await onlyTheHeirIsThere(election, heir);
        await heir.controller.stop();
      }
    },
    20_000 + kills * 8_000,
  );
}

/** At one of the pieces that it sends, or that are sent to it. */
async function killedOnItsWay(
  election: Election,
  proxy: FaultProxy,
  luck: Luck,
  label: string,
): Promise<void> {
  let left = Math.floor(luck.next() * pieces);
  const direction = luck.chance(0.5) ? 'to-server' : 'to-client';
  const piece = proxy.hold(direction, () => left-- === 0);
  await using victim = new Host({
    name: election.name,
    label,
    connectionString: proxy.url(),
    ttlMs,
  });
  await piece.arrived;
  victim.kill();
  await victim.process.exited;
  piece.release();
}

/** No session, no lock and no word of anybody who was killed. */
async function onlyTheHeirIsThere(election: Election, { label }: Contender): Promise<void> {
  const left = () =>
    query(
      election.url,
      `select application_name as who, 'session' as what from pg_stat_activity
       where datname = current_database() and application_name like 'lockd:%'
         and application_name <> $1
       union all
       select a.application_name, l.mode from pg_locks l left join pg_stat_activity a using (pid)
       where l.locktype = 'advisory' and a.application_name is distinct from $1
         and l.database = (select oid from pg_database where datname = current_database())`,
      [`lockd:${election.name}:${label}`],
    );
  await until(async () => (await left()).length === 0, {
    describe: 'nothing of the dead is left',
  });
}
