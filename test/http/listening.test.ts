import { access, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { SingletonLockController } from '../../src/index.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startNode } from '../support/processes.ts';
import { ask, served } from './asking.ts';

const idle = () => ({ controller: new SingletonLockController({ name: 'led' }) });

test('a port that is taken is refused with what to do', async () => {
  await using face = await served(idle());
  const listen = new URL(face.url).host;
  await expect(served(idle(), { listen })).rejects.toMatchObject({
    code: 'LOCKD_INVALID_OPTION',
    message: `Expected \`listen\` to be an address that is free, got ${face.url}. Somebody listens there already: stop it, or choose another address.`,
  });
  expect((await ask(face.url, '/healthz')).status).toBe(200);
});

test('an address that is not of this machine is refused', async () => {
  const refusal = served(idle(), { listen: '192.0.2.1:0', authToken: 'x'.repeat(16) });
  await expect(refusal).rejects.toThrow(
    /got http:\/\/192\.0\.2\.1:0\. The system says: .*EADDRNOTAVAIL/,
  );
});

test('IPv6, and names of this machine', async () => {
  for (const listen of ['localhost:0', '[::1]:0']) {
    await using face = await served(idle(), { listen });
    expect(face.url).toMatch(/^http:\/\/(localhost|\[::1\]):\d+$/);
    expect((await ask(face.url, '/readyz')).status).toBe(503);
  }
});

test('a unix socket is there while it listens, and gone afterwards', async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/face.sock`;
  const face = await served(idle(), { listen: `unix:${path}` });
  expect(face.url).toBe(`unix:${path}`);
  expect((await ask(face.url, '/healthz')).status).toBe(200);
  await face.close();
  await expect(access(path)).rejects.toThrow('ENOENT');
});

test('a unix socket whose process has died makes room', async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/face.sock`;
  const listens = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('listens'))`;
  await writeFile(`${folder.path}/dead.cjs`, listens);
  await using dead = startNode(`${folder.path}/dead.cjs`);
  await dead.line(/listens/);
  await expect(served(idle(), { listen: `unix:${path}` })).rejects.toThrow('Somebody listens');
  dead.signal('SIGKILL');
  await dead.exited;
  await access(path); // it has left it behind
  await using face = await served(idle(), { listen: `unix:${path}` });
  expect((await ask(face.url, '/healthz')).status).toBe(200);
});

test('what is no socket is nobody’s to remove', async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/notes.txt`;
  await writeFile(path, 'of somebody');
  await expect(served(idle(), { listen: `unix:${path}` })).rejects.toThrow(
    /to be an address that is free, .* What is there is no socket: move it away/,
  );
  await access(path);
  const missing = `unix:${folder.path}/none/face.sock`;
  await expect(served(idle(), { listen: missing })).rejects.toThrow('The system says');
});
