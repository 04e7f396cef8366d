import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { type Group, groupOf } from './group.ts';

/**
 * The command waits behind a small stub that becomes it only on a word: so there is no instant in
 * which a kill of supervisor or guard leaves a command running that the other one does not know.
 * End of file instead of the word: whoever would have said it is dead, and the stub leaves.
 */
const script = `# lockd-stub
IFS= read -r LOCKD_WORD <&3 || exit 70
exec 3<&-
lockd_refuse() { printf 'lockd: %s: %s\\n' "$1" "$2" >&2; exit "$3"; }
lockd_bar() {
  lockd_refuse "$1" 'permission denied: chmod +x it, or put its interpreter before it' 126
}
case $1 in
  */*)
    [ -e "$1" ] || lockd_refuse "$1" 'command not found' 127
    [ ! -d "$1" ] || lockd_refuse "$1" 'is a directory: name the program in it' 126
    [ -x "$1" ] || lockd_bar "$1" ;;
  *) command -v -- "$1" >/dev/null 2>&1 || {
    set -f
    IFS=:
    for lockd_folder in $PATH; do
      [ ! -f "\${lockd_folder:-.}/$1" ] || lockd_bar "\${lockd_folder:-.}/$1"
    done
    lockd_refuse "$1" 'command not found' 127
  } ;;
esac
exec "$@"`;

export interface Stub {
  readonly child: ChildProcess;
  /** Process group and session of its own. */
  readonly group: Group;
  /** Becomes the command. */
  go(): void;
}

export async function spawnStub(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Stub> {
  const [file, ...args] = [
    ...((await hasParentDeathSignal()) ? ['setpriv', '--pdeathsig', 'TERM'] : []),
    'sh',
    '-c',
    script,
    'lockd', // what the shell says then is in our name
    ...command,
  ];
  const child = spawn(file as string, args, {
    env,
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => {
      const word = child.stdio[3] as Writable;
      word.on('error', () => {}); // the stub died before the word: its exit says so
      resolve({
        child,
        group: groupOf(child.pid as number),
        go: () => word.end('go\n'),
      });
    });
  });
}

let parentDeathSignal: Promise<boolean> | undefined;

/**
 * The kernel itself sends TERM, more than once even, when the supervisor dies. util-linux; asked once,
 * best while nobody waits for the command.
 */
export function hasParentDeathSignal(): Promise<boolean> {
  parentDeathSignal ??= new Promise((resolve) => {
    if (process.platform !== 'linux') resolve(false);
    else execFile('setpriv', ['--pdeathsig', 'TERM', 'true'], (error) => resolve(error === null));
  });
  return parentDeathSignal;
}
