import { LockdError } from '../core/errors.ts';
import { nearestOf } from '../core/known.ts';

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/** Parameters that must be one of these; `pg` takes anything, and may then connect without TLS. */
const words: Readonly<Record<string, readonly string[]>> = {
  sslmode: sslModes,
  sslnegotiation: ['postgres', 'direct'],
  channel_binding: ['disable', 'prefer', 'require'],
  target_session_attrs: ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'],
};

/** What libpq takes and what `pg` takes. Poolers and other libraries have more of their own. */
const parameters = [
  ...['host', 'port', 'user', 'password', 'passfile', 'connect_timeout', 'client_encoding'],
  ...['options', 'application_name', 'fallback_application_name', 'keepalives', 'keepalives_idle'],
  ...['keepalives_interval', 'keepalives_count', 'tcp_user_timeout', 'replication', 'gssencmode'],
  ...['gssdelegation', 'gsslib', 'krbsrvname', 'ssl', 'sslmode', 'sslnegotiation'],
  ...['sslcompression', 'sslcert', 'sslkey', 'sslkeylogfile', 'sslpassword', 'sslcertmode'],
  ...['sslrootcert', 'sslcrl', 'sslcrldir', 'sslsni', 'ssl_min_protocol_version', 'requiressl'],
  ...['ssl_max_protocol_version', 'min_protocol_version', 'max_protocol_version', 'requirepeer'],
  ...['require_auth', 'channel_binding', 'target_session_attrs', 'load_balance_hosts'],
  ...['scram_client_key', 'scram_server_key', 'oauth_issuer', 'oauth_client_id', 'oauth_scope'],
  ...['oauth_client_secret', 'uselibpqcompat', 'statement_timeout', 'query_timeout'],
  ...['lock_timeout', 'idle_in_transaction_session_timeout', 'binary', 'db', 'encoding'],
];

/** libpq would go to another place than `pg`, which does not read these. */
const unread: Readonly<Record<string, string>> = {
  dbname: 'Put the database behind the host: postgres://user@host/database.',
  hostaddr: 'Put the address where the host stands: postgres://user@address/database.',
  service: 'Put what the service file says into the address.',
};

/** What `pg` takes without a word, though it means something else, or nothing. */
export function refuseMisread(address: string): void {
  if (!/^(postgres(ql)?:\/\/|socket:|\/)/i.test(address)) throw unreadable('does not begin so');
  if (address.startsWith('/')) return;
  const [, scheme = '', authority = '', path = '', query = ''] =
    /^(postgres(?:ql)?:\/\/|socket:)([^/?#]*)([^?#]*)\??([^#]*)/is.exec(address) ?? [];
  const asked = new URLSearchParams(query);
  if (address.includes('#')) throw unreadable('has a `#` in it');
  if (!/^socket:/i.test(scheme)) {
    refuseSplitPassword(authority, path, query);
    refusePortsOfAddress(authority, asked.get('port') ?? '');
  }
  refuseParameters(asked);
}

/** A password with a special character ends early, and the rest of it becomes a host or a database. */
function refuseSplitPassword(authority: string, path: string, query: string): void {
  const isSplit =
    /@.*@/s.test(authority) ||
    path.includes('@') ||
    (path === '' ? query : [...new URLSearchParams(query).keys()].join()).includes('@');
  if (isSplit) throw unreadable('has an `@` too many, or something special before it');
}

/** Without the value: where a password was split, it is a part of it. */
function refusePortsOfAddress(authority: string, named: string): void {
  const places = authority.replace(/^.*@/s, '').split(',');
  const own = places.map((place) => /^(?:\[[^\]]*\]|[^:]*):(.*)$/s.exec(place)?.[1] ?? '');
  const ports = [...own.filter(Boolean), ...(named === '' ? [] : named.split(','))];
  if (!ports.every(isPort)) throw unreadable('has a port that is not a number from 1 to 65535');
}

export function hasPort(address: string): boolean {
  const [, authority = '', query = ''] =
    /^postgres(?:ql)?:\/\/([^/?#]*)[^?#]*\??([^#]*)/is.exec(address) ?? [];
  const places = authority.replace(/^.*@/s, '').split(',');
  return new URLSearchParams(query).has('port') || places.every((place) => /:\d+$/.test(place));
}

export function refusePort(name: string, value: unknown): void {
  if (String(value).split(',').every(isPort)) return;
  throw invalid(
    `Expected \`${name}\` to be a port, a number from 1 to 65535, got ${JSON.stringify(String(value))}.`,
  );
}

const isPort = (port: string): boolean =>
  /^\s*\d{1,5}\s*$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;

/** One that nobody knows may be a pooler's; one that is nearly ours is a typing error. */
function refuseParameters(asked: URLSearchParams): void {
  for (const [name, value] of asked) {
    refuseWord(name, value);
    const elsewhere = unread[name];
    if (elsewhere !== undefined) {
      throw invalid(`The parameter \`${name}\` of an address is not read here. ${elsewhere}`);
    }
    if (name === 'connect_timeout' && !/^-?\d*$/.test(value)) {
      throw invalid(
        `Expected \`connect_timeout\` to be whole seconds, got ${JSON.stringify(value)}. Here \`connectTimeoutMs\` counts.`,
      );
    }
    if (parameters.includes(name)) continue;
    const nearest = nearestOf(name, parameters, mistyped) ?? anagramOf(name);
    const isAboutTls = /^(ssl|tls)/i.test(name) && !asked.has('sslmode') && !asked.has('ssl');
    if (nearest === undefined && !isAboutTls) continue;
    throw invalid(
      `There is no parameter \`${name}\` of an address. Did you mean \`${nearest ?? 'sslmode'}\`?`,
    );
  }
}

const mistyped = (name: string): number => Math.min(2, Math.floor(name.length / 3));

const lettersOf = (word: string): string => [...word.toLowerCase()].sort().join('');

const anagramOf = (word: string): string | undefined =>
  parameters.find((name) => lettersOf(name) === lettersOf(word));

function refuseWord(
  name: string,
  value: string,
  among: readonly string[] | undefined = words[name],
): void {
  if (among === undefined || value === '' || among.includes(value)) return;
  throw invalid(
    `Expected \`${name}\` to be one of ${among.join(', ')}, got ${JSON.stringify(value)}.`,
  );
}

export const refuseSslMode = (name: string, value: string | undefined): void =>
  refuseWord(name, value ?? '', sslModes);

export const invalid = (message: string): LockdError =>
  new LockdError('LOCKD_INVALID_OPTION', message);

/** Neither the address nor pg's words about it: both may hold the password. */
export const unreadable = (why: string, cause?: unknown): LockdError =>
  new LockdError(
    'LOCKD_INVALID_OPTION',
    `Expected a database address such as postgres://user@host:5432/database, got one that ${why}. Percent-encode what is special in user and password.`,
    { cause },
  );
