/** The socket: where it is, and what it is refused for. */
import { once } from 'node:events';
import { lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { LockdError } from '../core/errors.ts';
import { type Address, urlOf } from './address.ts';

/** Listens there, and answers with the address that it is: a port 0 is some other one then. */
export async function listen(server: Server, address: Address): Promise<Address> {
  try {
    await listenOnce(server, address);
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (!isTaken || !('path' in address)) throw refusal(address, error);
    await removeDead(address, error);
    await listenOnce(server, address).catch((again: unknown) => {
      throw refusal(address, again);
    });
  }
  const bound = server.address();
  if (typeof bound !== 'object' || bound === null || 'path' in address) return address;
  return { host: address.host, port: bound.port };
}

async function listenOnce(server: Server, address: Address): Promise<void> {
  server.listen('path' in address ? { path: address.path } : address);
  await once(server, 'listening');
}

/** A process that was killed leaves its socket behind. One that answers is somebody's. */
async function removeDead(address: { readonly path: string }, error: unknown): Promise<void> {
  const { path } = address;
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() === false) throw refusal(address, error, inTheWay);
  if (found === undefined || (await isAnswered(path))) throw refusal(address, error);
  await unlink(path);
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    // Only this says that nobody is there: one who is too busy, or another user's, is somebody.
    return (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}

const inTheWay = 'What is there is no socket: move it away, or choose another path.';

const taken = 'Somebody listens there already: stop it, or choose another address.';

function refusal(address: Address, cause: unknown, found?: string): LockdError {
  const { code = 'UNKNOWN', message } = cause as NodeJS.ErrnoException;
  const why = found ?? (code === 'EADDRINUSE' ? taken : `The system says: ${message}`);
  return new LockdError(
    'LOCKD_INVALID_OPTION',
    `Expected \`listen\` to be an address that is free, got ${urlOf(address)}. ${why}`,
    { cause },
  );
}
