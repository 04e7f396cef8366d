import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why no certificates can be made; undefined where they can. */
export async function opensslMissing(): Promise<string | undefined> {
  return run('openssl', ['version']).then(
    () => undefined,
    (error: Error) => `\`openssl\` does not run here: ${error.message}`,
  );
}

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority extends AsyncDisposable {
  /** The file that clients trust. */
  readonly path: string;
  readonly certificate: string;
  /** For a server under this name; with days below zero it has expired already. */
  issue(name: string, days?: number): Promise<Certificate>;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate authority of a test's own. */
export async function createAuthority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'lockd-ca-'));
  const at = (name: string) => join(folder, name);
  const [path, key] = [at('ca.crt'), at('ca.key')];
  await run('openssl', [
    ...['req', '-x509', ...newKey, '-subj', '/CN=lockd test authority'],
    ...['-days', '1', '-keyout', key, '-out', path],
  ]);
  return {
    path,
    certificate: await readFile(path, 'utf8'),
    async issue(name, days = 1) {
      const [own, request, extensions] = [at('own.key'), at('own.csr'), at('own.ext')];
      const kind = /^[\d.]+$/.test(name) ? 'IP' : 'DNS';
      await writeFile(extensions, `subjectAltName=${kind}:${name}\n`);
      await run('openssl', [
        ...['req', '-new', ...newKey, '-subj', '/CN=server', '-keyout', own, '-out', request],
      ]);
      const { stdout: certificate } = await run('openssl', [
        ...['x509', '-req', '-in', request, '-CA', path, '-CAkey', key, '-CAcreateserial'],
        ...['-extfile', extensions, '-days', `${days}`],
      ]);
      return { certificate, key: await readFile(own, 'utf8') };
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}
