import type pg from 'pg';
import { isLockdError, LockdError, messageOf } from '../core/errors.ts';
import type { DatabaseOptions } from './connection.ts';

/**
 * The hosts that were named, as libpq takes them: `h1:5432,h2:5433` in the address, `host` and `port`,
 * or PGHOST and PGPORT. Of several that one counts which is the primary when we connect.
 */
export class Hosts {
  /** One at least. */
  readonly all: readonly pg.ClientConfig[];
  #found = 0;

  constructor(all: readonly pg.ClientConfig[]) {
    this.all = all;
  }

  /** The one that was the primary last; as long as none was, the first. */
  get found(): pg.ClientConfig {
    return this.all[this.#found] as pg.ClientConfig;
  }

  /**
   * What `open` makes of the first host that does not refuse, beginning with the one found last. Where
   * there are several, a failover may be under way, so that trying again later may help.
   */
  async first<Opened>(open: (config: pg.ClientConfig) => Promise<Opened>): Promise<Opened> {
    const { length } = this.all;
    const errors: unknown[] = [];
    for (let index = this.#found; errors.length < length; index = (index + 1) % length) {
      try {
        const opened = await open(this.all[index] as pg.ClientConfig);
        this.#found = index;
        return opened;
      } catch (error) {
        if (length === 1) throw error;
        errors.push(error);
      }
    }
    throw allRefused(errors);
  }
}

function allRefused(errors: readonly unknown[]): LockdError {
  const codes = new Set(errors.map((error) => (isLockdError(error) ? error.code : undefined)));
  const [code = 'LOCKD_CONNECTION'] = codes.size === 1 ? codes : [];
  const isRetryable = errors.some(
    (error) => isLockdError(error) && (error.isRetryable || error.code === 'LOCKD_REPLICA'),
  );
  return new LockdError(
    code,
    `None of the ${errors.length} hosts is a primary that lets us in: ${errors.map(messageOf).join('; ')}`,
    { cause: new AggregateError(errors), isRetryable },
  );
}

export const hostsOf = (named: Pick<DatabaseOptions, 'connectionString' | 'connection'>): Hosts =>
  new Hosts(configsOf(named));

function configsOf({
  connectionString,
  connection,
}: Pick<DatabaseOptions, 'connectionString' | 'connection'>): readonly pg.ClientConfig[] {
  const base = { ...connection, ...(connectionString === undefined ? {} : { connectionString }) };
  if (connectionString !== undefined) {
    const addresses = addressesOf(connectionString);
    return addresses.map((address) => ({ ...base, connectionString: address }));
  }
  const host = connection?.host ?? process.env['PGHOST'] ?? '';
  if (!host.includes(',')) return [base];
  const port = String(connection?.port ?? process.env['PGPORT'] ?? '');
  return paired(host, port).map((pair) => ({ ...base, ...pair }));
}

/** One for each host of `postgres://user@h1:1,h2:2/db` or `postgres:///db?host=h1,h2&port=1,2`. */
function addressesOf(address: string): readonly string[] {
  const [, scheme = '', login = '', hosts = '', rest = ''] =
    /^(postgres(?:ql)?:\/\/)((?:[^/?#]*@)?)([^/?#]*)(.*)$/is.exec(address) ?? [];
  if (hosts.includes(',')) return hosts.split(',').map((host) => `${scheme}${login}${host}${rest}`);
  const [path = '', query = ''] = rest.split('?', 2);
  const parameters = new URLSearchParams(query);
  const named = parameters.get('host') ?? '';
  if (!named.includes(',')) return [address];
  return paired(named, parameters.get('port') ?? '').map(({ host, port }) => {
    const own = new URLSearchParams(parameters);
    own.set('host', host);
    if (port === undefined) own.delete('port');
    else own.set('port', String(port));
    return `${scheme}${login}${hosts}${path}?${own}`;
  });
}

/** As libpq: one port for all hosts, or one for each. */
function paired(hosts: string, ports: string): { host: string; port?: number }[] {
  const perHost = ports === '' ? [] : ports.split(',').map(Number);
  return hosts.split(',').map((host, index) => {
    const port = perHost.length > 1 ? perHost[index] : perHost[0];
    return { host: host.trim(), ...(port === undefined ? {} : { port }) };
  });
}
