/** Where to listen, and under which names a request may come. */
import { BlockList, isIP } from 'node:net';
import { expect } from '../core/checks.ts';

export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

const forms = '`listen` to be `host:port`, `[address]:port` or `unix:/path`';

/** What the system keeps of the path of a unix socket, less its end. */
const longestPath = 107;

/** `127.0.0.1:4040`, `[::1]:0`, `unix:/run/lockd.sock` */
export function parseAddress(listen: string): Address {
  expect(typeof listen === 'string', forms, listen);
  if (listen.startsWith('unix:')) {
    const path = listen.slice('unix:'.length);
    const isPath = /^\/[^\0]+$/.test(path) && Buffer.byteLength(path) <= longestPath;
    expect(isPath, `${forms}, with an absolute path of at most ${longestPath} bytes`, listen);
    return { path };
  }
  const [, inBrackets, plain, digits] =
    /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(listen) ?? [];
  const [host = '', port] = [inBrackets ?? plain, Number(digits)];
  const isHost = inBrackets === undefined || isIP(inBrackets) === 6;
  expect(host !== '' && isHost && port <= 65_535, forms, listen);
  return { host, port };
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Only programs of this machine can reach it. */
export function isLocal(address: Address): boolean {
  if ('path' in address || address.host.toLowerCase() === 'localhost') return true;
  const family = isIP(address.host);
  return family !== 0 && loopback.check(address.host, family === 6 ? 'ipv6' : 'ipv4');
}

const inUrl = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);

export const urlOf = (address: Address): string =>
  'path' in address ? `unix:${address.path}` : `http://${inUrl(address.host)}:${address.port}`;

/**
 * Whether a request may come under this `Host`. A page anywhere can give its own name our address, and
 * its visitors' browsers would let it read our answers: what it cannot do is come under another name.
 */
export function hostCheck(
  address: Address,
  others: readonly string[],
): (host: string | undefined) => boolean {
  const own = 'path' in address ? [] : [inUrl(address.host)];
  const names = ['localhost', '127.0.0.1', '[::1]', ...own, ...others];
  const allowed = new Set(names.map((name) => name.toLowerCase()));
  // Of an address beyond loopback we know one name of many: probes and scrapers come under the pod's.
  const isOpen = !isLocal(address);
  return (host = '') => {
    const name = host.replace(/:\d*$/, '').toLowerCase();
    return allowed.has(name) || (isOpen && isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0);
  };
}
