import { type RequestOptions, request } from 'node:http';

/** Whether an engine answers a ping: far cheaper than to let testcontainers look for one. */
export async function dockerAnswers(): Promise<boolean> {
  const where = engine(process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock');
  if (where === undefined) return false;
  return new Promise((resolve) => {
    request({ ...where, path: '/_ping', timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('timeout', function (this: ReturnType<typeof request>) {
        this.destroy(new Error('no answer'));
      })
      .on('error', () => resolve(false))
      .end();
  });
}

function engine(host: string): RequestOptions | undefined {
  if (!URL.canParse(host)) return undefined;
  const { protocol, pathname, hostname, port } = new URL(host);
  if (protocol === 'unix:') return { socketPath: pathname };
  if (protocol === 'tcp:') return { host: hostname, port };
  return undefined;
}
