/** What stands between us and the server. */
import { messageOf } from '../../core/errors.ts';
import { refuseTransactionPooling } from '../checks.ts';
import { Hosts } from '../hosts.ts';
import { Session } from '../session.ts';
import { type Check, note, ok, warning } from './finding.ts';

/** Of several, the one that is never reached is missed only at a failover. */
const hosts: Check = {
  name: 'hosts',
  async look({ patient, settings }) {
    const { all } = patient.hosts;
    if (all.length === 1) return undefined;
    const answers = await Promise.all(
      all.map((config) =>
        Session.open({ ...settings, hosts: new Hosts([config]) }).then(
          (session) => session.close(),
          (error) => messageOf(error),
        ),
      ),
    );
    const refusals = answers.filter((answer) => answer !== undefined);
    if (refusals.length === 0) return ok(`All ${all.length} hosts answer.`);
    return warning(
      `Of ${all.length} hosts ${refusals.length} cannot be connected to: ${refusals.join('; ')}`,
      'Check each host of the address: after a failover it may be the only one.',
    );
  },
};

/** A pooler announces a backend of its own invention; which kind it is, two connections prove. */
const pooler: Check = {
  name: 'pooler',
  async look(visit) {
    const session = await visit.session();
    const { rows } = await session.bounded('select pg_backend_pid() as backend');
    if (rows[0].backend === session.announcedBackend) {
      return ok('None: our backend is the one that the server announced.');
    }
    await refuseTransactionPooling(session, visit.settings);
    return note(
      'There is one, and it gives each connection a backend of its own, as in session mode.',
      'Connect directly where you can. Else let the pool have room for every session of lockd, and no time limit for clients or queries: docs/DATABASES.md.',
    );
  },
};

const proxy: Check = {
  name: 'proxy',
  async look(visit) {
    const { address, host, port } = await visit.undone(async (session) => {
      const { rows } = await session.bounded(
        'select host(inet_client_addr()) as host, inet_client_port() as port',
      );
      return { ...rows[0], address: session.address };
    });
    const [theirs, ours] = [placeOf(host, port), placeOf(address?.host, address?.port)];
    if (theirs === ours) return ok(`Nothing in between: by both ends we come from ${ours}.`);
    return note(
      `Something is in between: the server sees us at ${theirs}, we are at ${ours}. Address translation, a load balancer, a tunnel or a pooler.`,
      'Of a proxy or a load balancer, see that it does not cut a connection that says nothing for hours (in HAProxy `timeout client` and `timeout server`), as one of lockd’s does. Address translation is harmless.',
    );
  },
};

/** One of IPv4 may be written as one of IPv6. */
const placeOf = (host?: string | null, port?: number | null): string =>
  host ? `${host.replace(/^::ffff:/i, '')}:${port}` : 'a unix socket';

export const wayChecks: readonly Check[] = [hosts, pooler, proxy];
