import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { now } from '../../support/story.ts';
import { until } from '../../support/wait.ts';
import { chosen, drawFor, drawWho, type Fault, pick } from '../fault.ts';
import { maxConnections } from '../servers.ts';

/** An administrator's pg_terminate_backend: of one instance's sessions, of all of them, or of everybody. */
export const terminate: Fault = {
  id: 'terminate',
  weight: 4,
  draw: (luck) => ({
    ...drawWho(luck),
    which: pick(luck, ['seat', 'other', 'its', 'all', 'everybody']),
  }),
  async strike(stage, details) {
    const victim = chosen(stage, details);
    if (victim === undefined) return undefined;
    const { instance, leads } = victim;
    const { which } = details;
    const isHit = leads || which === 'all' || which === 'everybody';
    const from = now();
    const its = await stage.backends(instance);
    let struck: number;
    if (which === 'seat') struck = await stage.terminate(its.slice(0, 1));
    else if (which === 'other') struck = await stage.terminate(its.slice(-1));
    else if (which === 'its') struck = await stage.terminate(its);
    else struck = await stage.terminateAll(which === 'everybody' ? '%' : 'lockd:%');
    if (struck === 0) return undefined;
    return { cause: isHit ? 'lost session' : 'standby only', from, whom: instance.label };
  },
};

/** No connection is to be had for a while, and those that lockd had are gone. */
export const noConnections: Fault = {
  id: 'no-connections',
  weight: 2,
  draw: (luck, ttlMs) => ({ ...drawFor(luck, ttlMs, 0.3, 1.5), isAll: luck.chance(0.5) }),
  async strike(stage, { forMs, isAll }) {
    const { url } = stage.servers;
    const { leader } = stage;
    if (leader === undefined) return undefined;
    const whose = isAll === true ? 'lockd:%' : `lockd:%:${leader.label}`;
    // One of ours is there before: once there are no connections, nobody could be terminated.
    const [admin] = (await connect(url, 1)) as [pg.Client];
    const fillers: pg.Client[] = [];
    let struck = 0;
    try {
      // Whoever is ended leaves a place that it may be back in before we are.
      const isShut = async (): Promise<boolean> => {
        fillers.push(...(await connect(url, maxConnections)));
        const { rowCount } = await admin.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where application_name like $1',
          [whose],
        );
        struck += rowCount ?? 0;
        return rowCount === 0;
      };
      await until(isShut, { timeoutMs: 30_000 });
      await pause(Number(forMs));
    } finally {
      await Promise.all([admin, ...fillers].map((client) => client.end().catch(() => {})));
    }
    if (struck === 0) return undefined;
    return { cause: 'outage', from: now(), whom: isAll === true ? 'everybody' : leader.label };
  },
};

/** So many connections, or as many as are to be had. */
async function connect(url: string, most: number): Promise<pg.Client[]> {
  const clients: pg.Client[] = [];
  while (clients.length < most) {
    const client = new pg.Client({ connectionString: url, application_name: 'filler' });
    client.on('error', () => {});
    try {
      await client.connect();
    } catch {
      break; // too many clients already
    }
    clients.push(client);
  }
  return clients;
}
