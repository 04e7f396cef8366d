import { startCli } from './processes.ts';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The built CLI, run to its end, with no database named but by `args` and `env`. */
export async function lockd(args: readonly string[], env: Environment = {}): Promise<Outcome> {
  await using child = startCli(args, { env: { ...unnamed(), ...env } });
  child.closeStdin();
  const { code } = await child.closed;
  return { code, stdout: child.stdout.join('\n'), stderr: child.stderr.join('\n') };
}

/** What whoever runs the tests has set must not decide anything. */
export function unnamed(): Environment {
  const names = Object.keys(process.env).filter((name) => /^(PG|LOCKD_|DATABASE_URL$)/.test(name));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
