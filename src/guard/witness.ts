import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { LockdError } from '../core/errors.ts';
import type { Settled } from '../core/options.ts';
import type { Witness } from '../core/runtime.ts';
import type { DatabaseOptions } from '../postgres/connection.ts';

/** What the witness process is told: once, with each beat, when it asks, at the end. */
export type ToWitness =
  | {
      readonly is: 'begin';
      readonly host: { readonly pid: number; readonly started: string };
      readonly candidate: Settled['candidate'];
      readonly connectTimeoutMs: number;
      readonly reconnectMaxMs: number;
      readonly database: DatabaseOptions;
      /** It is asked for at each connection: a function cannot travel. */
      readonly hasPasswordFunction: boolean;
    }
  | { readonly is: 'vouch'; readonly token: string; readonly until: number }
  | { readonly is: 'password'; readonly password: string | undefined }
  | { readonly is: 'reconnect' }
  /** Stopped in order: there is nothing to testify. */
  | { readonly is: 'bye' };

export interface ToHost {
  readonly is: 'password';
}

/**
 * A small process beside the host that survives its death and testifies to it, so that a crash is
 * taken over in milliseconds and not in a lease. It ends nothing and decides nothing; when it is
 * lost itself, a crash costs the lease, as without it.
 */
export function witnessProcess(
  { candidate, rules, logger }: Settled,
  { connectionString, connection, schema }: DatabaseOptions,
): Witness {
  let child: ChildProcess | undefined;
  return {
    async start() {
      const program = witnessProgram();
      // Loaded here: a controller without a guard has no use for child processes.
      const { fork } = await import('node:child_process');
      const { startedOf } = await import('./group.ts');
      const started = startedOf(process.pid);
      if (started === undefined) {
        throw new LockdError(
          'LOCKD_GUARD',
          'Expected `/proc` or `ps` to show this process, or a guard could take it for dead. Install procps, or leave `guard` out.',
        );
      }
      const { password, ...rest } = connection ?? {};
      const hasPasswordFunction = typeof password === 'function';
      const forked = fork(program, {
        detached: true,
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        serialization: 'advanced',
        execArgv: [],
      });
      child = forked;
      await spawned(forked);
      forked.on('error', () => {}); // a send that came too late
      forked.on('message', async () => {
        const asked = async () => (hasPasswordFunction ? await password() : undefined);
        // Our own sessions ask the same function, and say what is wrong with it.
        const answer: unknown = await asked().catch(() => undefined);
        tell(forked, {
          is: 'password',
          password: typeof answer === 'string' ? answer : undefined,
        });
      });
      forked.once('exit', (exitCode, signal) => {
        if (child === forked) logger.warn({ exitCode, signal }, 'lost the witness');
      });
      introduce(forked, {
        is: 'begin',
        host: { pid: process.pid, started },
        candidate,
        connectTimeoutMs: rules.connectTimeoutMs,
        reconnectMaxMs: rules.reconnectMaxMs,
        database: {
          // Left out where it was: a key without a value is an address that was lost.
          ...(connectionString === undefined ? {} : { connectionString }),
          schema,
          connection: hasPasswordFunction ? rest : connection,
        },
        hasPasswordFunction,
      });
      forked.unref();
      forked.channel?.unref();
    },
    vouch(token, until) {
      if (child !== undefined) tell(child, { is: 'vouch', token: String(token), until });
    },
    reconnect() {
      if (child !== undefined) tell(child, { is: 'reconnect' });
    },
    async stop() {
      const stopped = child;
      child = undefined;
      if (stopped === undefined || stopped.exitCode !== null || stopped.signalCode !== null) return;
      const exited = new Promise((resolve) => stopped.once('exit', resolve));
      stopped.ref();
      tell(stopped, { is: 'bye' });
      // One that is frozen would hold up our end, and has nothing left to say.
      const timer = setTimeout(() => stopped.kill('SIGKILL'), rules.callTimeoutMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

function witnessProgram(): URL {
  // Some bundlers know `new URL(…, import.meta.url)`: they would copy the file, without what it imports.
  const here: string | undefined = import.meta.url;
  if (here !== undefined) {
    const program = new URL('./witness-program.js', here);
    if (existsSync(program)) return program;
  }
  throw new LockdError(
    'LOCKD_GUARD',
    'Expected witness-program.js beside the code of lockd: `guard: true` starts it, and a bundle leaves it behind. Mark `lockd` as external in the bundler, or leave `guard` out.',
  );
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) =>
      reject(
        new LockdError('LOCKD_GUARD', `The guard process could not be started: ${cause.message}.`, {
          cause,
        }),
      ),
    );
  });
}

function introduce(child: ChildProcess, message: ToWitness): void {
  try {
    tell(child, message);
  } catch (cause) {
    throw new LockdError(
      'LOCKD_GUARD',
      'Expected `connection` to hold plain data with `guard: true`: it travels to another process. Leave functions out.',
      { cause },
    );
  }
}

function tell(child: ChildProcess, message: ToWitness): void {
  if (child.connected) child.send(message, () => {});
}
