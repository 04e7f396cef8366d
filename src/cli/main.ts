/**
 * The command line. This file only reads it: each verb is a file of its own that is loaded when it
 * is called, so that `lockd --help` and `lockd status` do not wait for code they do not need.
 */
import { Command, CommanderError, Option } from 'commander';
import { isLockdError, messageOf } from '../core/errors.ts';
import { version } from '../postgres/version.ts';
import { exitCodeOf, usageError } from './errors.ts';
import { ExitCode, exitTable } from './exit-codes.ts';
import { addCommonOptions, commonOptions, duration, option, runOptions } from './options.ts';
import { printable, printJson, redact, say } from './output.ts';

/** Once per process; `argv` as `process.argv`. Resolves with the exit code when nothing is left to do. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', forgiveClosedPipe);
  let exitCode: number = ExitCode.ok;
  const program = commandLine(await version(), argv, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // It has said what it had to say. `--help` and `--version` come this way, too.
    return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
}

type Finish = (exitCode: number) => void;

function commandLine(lockd: string, argv: readonly string[], finish: Finish): Command {
  const program = new Command('lockd')
    .description('PostgreSQL leader election: exactly one works, and hands over in milliseconds.')
    .version(lockd, '--version')
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeErr: (text) => process.stderr.write(printable(redact(text))),
      outputError: (text, write) => write(inOurVoice(text)),
    })
    .addHelpText('after', `\n${whichDatabase}\n\n${exitTable()}`);

  const verb = (name: string, summary: string, isLeading = false): Command =>
    addCommonOptions(program.command(name).summary(summary), { isLeading });

  verb('run', 'run a command only while this instance leads', true)
    .description(
      'Campaigns for NAME and runs COMMAND, in any language, only while this instance leads.',
    )
    .usage('NAME [options] -- COMMAND [ARGUMENT…]')
    .argument('<name>', 'what is led: 1 to 200 characters')
    .argument('<command...>', 'after --, with its own options')
    .addOption(option('--migrate', 'bring the schema to this version first'))
    .addOption(duration('--heartbeat', 'time between two beats (default: a fifth of the TTL)'))
    .addOption(duration('--grace', 'time between TERM and KILL for the command'))
    .addHelpText('after', examples('run bot -- node bot.js', 'run cron --ttl 5s -- ./jobs.sh -v'))
    .action(
      answering(finish, async (command) => {
        const [name, words] = command.processedArgs as [string, string[]];
        const started = afterDashes(words, argv);
        const { run } = await import('./run.ts');
        return run(name, started, runOptions(command));
      }),
    );

  verb('status', 'who leads, who waits, since when, and what is wrong')
    .description(
      'Who leads, who waits, since when, and what is wrong. Exits 0 if NAME is led (without NAME: if each name in use is, and one at least), 1 if not, 2 if it could not tell. Unused is a name that nobody waits for and whose last leader was stopped in order, or has been silent for a day.',
    )
    .argument('[name]', 'only this one')
    .addHelpText(
      'after',
      examples('status', 'status bot', 'status bot --json | jq .names[0].isLed'),
    )
    .action(
      answering(finish, async (command) => {
        const { status } = await import('./status.ts');
        return status(command.processedArgs[0], commonOptions(command));
      }),
    );

  verb('resign', 'ask the leader to finish its work and let go')
    .description(
      'Asks the leader to resign: it closes its gate, finishes the work in flight and lets go. Exits 0 when asked (with --wait: when it has let go), 1 if nobody leads, 2 if it could not tell or the time was over.',
    )
    .argument('<name>', 'what is led')
    .addOption(new Option('--wait', 'until the leader has let go, then say who leads'))
    .addOption(duration('--timeout', 'how long to wait (default: drain timeout + TTL)'))
    .addHelpText('after', examples('resign bot', 'resign bot --wait --timeout 60s'))
    .action(
      answering(finish, async (command) => {
        const { resign } = await import('./resign.ts');
        const { wait, timeout } = command.opts();
        const options = { ...commonOptions(command), isWaiting: wait === true, timeoutMs: timeout };
        return resign(command.processedArgs[0], options);
      }),
    );

  verb('migrate', 'bring the schema to this version')
    .description('Brings the schema to this version: all or nothing, safe to run at any time.')
    .addOption(new Option('--check', 'change nothing; exit with 1 if anything is missing'))
    .addOption(
      new Option('--print', 'change nothing; print what is missing, as SQL').conflicts('check'),
    )
    .addOption(
      new Option(
        '--print-grants <role>',
        'what a role needs that does not own the schema, as SQL',
      ).conflicts(['check', 'print']),
    )
    .addHelpText(
      'after',
      examples('migrate', 'migrate --print > lockd.sql', 'migrate --print-grants bot | psql app'),
    )
    .action(
      answering(finish, async (command) => {
        const { migrate, printGrants } = await import('./migrate.ts');
        const options = commonOptions(command);
        const { check, print, printGrants: role } = command.opts();
        if (role !== undefined) return printGrants(role, options);
        return migrate({ ...options, isChecking: check === true, isPrinting: print === true });
      }),
    );

  verb('demo', 'see a handover and a crash, on this machine', true)
    .description(
      'Starts instances on this machine, ends them in several ways, and says what happens.',
    )
    .addHelpText('after', examples('demo'))
    .action(
      answering(finish, async (command) => {
        const { demo } = await import('./demo.ts');
        return demo(commonOptions(command));
      }),
    );

  return program;
}

/** Runs a verb; what it throws becomes one sentence and an exit code. */
function answering(
  finish: Finish,
  verb: (command: Command) => Promise<number>,
): (...read: unknown[]) => Promise<void> {
  return async (...read) => {
    const command = read.at(-1) as Command;
    try {
      finish(await verb(command));
    } catch (error) {
      if (error instanceof CommanderError) throw error;
      finish(fail(error, command));
    }
  };
}

/** These ask a question: where they fail, the answer is "could not tell". */
const askingVerbs = new Set(['status', 'resign']);

function fail(error: unknown, command: Command): number {
  const message = redact(messageOf(error));
  if (commonOptions(command).isJson) {
    const code = isLockdError(error) ? error.code : 'INTERNAL';
    printJson({ error: { code, message } });
  }
  say(`lockd: ${message}`);
  if (!isLockdError(error) && command.opts()['logLevel'] === 'debug') say(stackOf(error));
  return exitCodeOf(error, { isAsking: askingVerbs.has(command.name()) });
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? '') : '');

/** Without the dashes an option of the command would be taken for one of ours. */
function afterDashes(words: readonly string[], argv: readonly string[]): string[] {
  const dashes = argv.indexOf('--');
  const command = argv.slice(dashes + 1).slice(-words.length);
  if (dashes === -1 || command.length < words.length) {
    throw usageError('Expected -- between NAME and the command: lockd run NAME -- COMMAND');
  }
  // `lockd run -- --odd-name -- command`
  return command[0] === '--' ? command.slice(1) : command;
}

/** Not with the value: an address glued to a misspelt flag has a password in it. */
const inOurVoice = (text: string): string =>
  text.replace(/^error: /, 'lockd: ').replace(/'(--?[^'=]+)=[^\n]*'/, "'$1'");

const examples = (...lines: string[]): string =>
  ['', 'Examples:', ...lines.map((line) => `  $ lockd ${line}`)].join('\n');

const whichDatabase = `Which database: --database-url, LOCKD_DATABASE_URL, DATABASE_URL, PGHOST and its kin; where none
of them is set, a PostgreSQL of its own for development, whose data is kept.`;

/** `lockd status | head -1` is no error. It may come when everything has been said and done. */
function forgiveClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
