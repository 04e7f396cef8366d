// Everything that is exported, each once, in the types a caller would give it. Compiled, never run.
import {
  assertFence,
  type ControllerEvents,
  type ControllerOptions,
  type ControllerState,
  type DatabaseOptions,
  type EndReason,
  type Fault,
  type FaultCode,
  type Gated,
  type InstanceStatus,
  isLockdError,
  type Leader,
  type LeaderStatus,
  type LeaveOptions,
  LockdError,
  type LockdErrorCode,
  type LockManager,
  type Logger,
  type Migrated,
  migrate,
  type NameStatus,
  type Queryable,
  readStatus,
  type SessionFacts,
  SingletonLockController,
  type SingletonLockOptions,
  type Term,
  type WaitOptions,
} from 'lockd';
import {
  type LeaderAnswer,
  type Served,
  type ServeOptions,
  type StatusAnswer,
  serve,
} from 'lockd/http';
import {
  type MetricsRegistry,
  type ObserveOptions,
  observeController,
  observeLocks,
} from 'lockd/metrics';
import { type TraceOptions, traceController, traceLocks } from 'lockd/tracing';

const database: DatabaseOptions = { connection: { host: 'db', password: async () => 'secret' } };
const logger: Logger = console;
const sizes: Omit<ControllerOptions, 'name'> = { ttlMs: 5_000, takeover: 'safe', logger };
const options: SingletonLockOptions = { ...database, ...sizes, name: 'bot', migrate: true };

export async function everything(client: Queryable, signal: AbortSignal): Promise<Fault[]> {
  const migrated: Migrated = await migrate(database);
  const files: readonly string[] = migrated.applied;
  await using lock = new SingletonLockController(options);
  const onPassive = (...[term, reason]: ControllerEvents['passive']): void => {
    const why: EndReason = reason;
    console.log(term.name, why, files);
  };
  const onObserved = ({ token }: Leader): bigint => token;
  const code = (error: LockdError): LockdErrorCode => error.code;
  lock.on('passive', onPassive).on('observed', onObserved).on('warning', code);
  await lock.start();
  const state: ControllerState = lock.state;
  const wait: WaitOptions = { signal };
  const first: Term = await lock.whenActive(wait);
  for await (const term of lock.terms(wait)) await term.signal.throwIfAborted();
  await lock.whileActive(async (term) => assertFence(client, term), { signal });
  const answer: Gated<number> = await lock.gated(async (chat: string) => chat.length)(state);
  if (answer.ran) console.log(answer.value.toFixed(), first.validForMs());
  else if (lock.passiveNotice('chat')) console.log(await lock.track(Promise.resolve('busy')));
  const leave: LeaveOptions = { force: true };
  await lock.resign(leave);
  await lock.stop().catch((error: unknown) => {
    if (isLockdError(error) && error instanceof LockdError) console.log(error.code);
  });
  return (await readStatus(database, 'bot')).flatMap(faultsOf);
}

function faultsOf({ leader, waiting, seat, faults }: NameStatus): readonly Fault[] {
  const people: readonly (LeaderStatus | InstanceStatus | undefined)[] = [leader, ...waiting];
  const session: SessionFacts | undefined = seat;
  const codes: FaultCode[] = faults.map((fault) => fault.code);
  console.log(people.length, session?.backend, codes);
  return faults;
}

export async function watched(
  lock: SingletonLockController,
  locks: LockManager,
  registry: MetricsRegistry,
): Promise<void> {
  const observe: ObserveOptions = { registry };
  const trace: TraceOptions = { logger };
  using _lock = observeController(lock, observe);
  using _locks = observeLocks(locks, observe);
  using _terms = await traceController(lock, trace);
  using _holds = await traceLocks(locks, trace);
}

export async function faced(lock: SingletonLockController): Promise<readonly string[]> {
  const options: ServeOptions = { database, listen: 'unix:/run/bot.sock', promiseMs: 500 };
  await using face: Served = await serve(lock, options);
  const ask = async (path: string): Promise<unknown> => (await fetch(`${face.url}${path}`)).json();
  const leader = (await ask('/leader')) as LeaderAnswer;
  const { names } = (await ask('/status')) as StatusAnswer;
  const token: string | undefined = names[0]?.leader?.token;
  return 'token' in leader ? [leader.token, `${leader.validForMs}`] : [`${token}`];
}
