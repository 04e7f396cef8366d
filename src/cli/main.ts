/**
 * The command line. This file only reads it: each verb is a file of its own that is loaded when it
 * is called, so that `lockd --help` and `lockd status` do not wait for code they do not need.
 */
import { setImmediate } from 'node:timers/promises';
import { Command, CommanderError, Option } from 'commander';
import { version } from '../postgres/version.ts';
import { addDoctorVerb } from './doctor-verb.ts';
import { ExitCode, exitTable } from './exit-codes.ts';
import { addLeavingVerbs } from './leaving-verbs.ts';
import { addLockVerbs } from './lock-verbs.ts';
import { addLookingVerbs } from './looking-verbs.ts';
import {
  addCommonOptions,
  appVersion,
  asking,
  commandOptions,
  commonOptions,
  duration,
  leading,
  option,
  playing,
  priority,
} from './options.ts';
import { printable, redact } from './output.ts';
import { fail, failAsJson, isJsonAsked, onUnwritten } from './report.ts';
import { addServeVerb } from './serve-verb.ts';
import { refuseUnknownVariables, withNearestFlag } from './variables.ts';
import { afterDashes, examples, expectNoAddress, inOurVoice, nameFirst } from './words.ts';

/** Once per process; `argv` as `process.argv`. Resolves with the exit code when nothing is left to do. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = ExitCode.ok;
  const unwritten = onUnwritten((code) => {
    exitCode = code;
    process.exitCode = code; // it may come when everything has been said and done
  }, argv);
  process.stdout.on('error', unwritten);
  process.stderr.on('error', () => {}); // there is nowhere left to say it
  // Node has an exit code of its own for it, 1, which here means that nobody leads.
  process.once('uncaughtExceptionMonitor', () => {
    process.once('exit', () => {
      process.exitCode = ExitCode.internal;
    });
  });
  const program = commandLine(version, argv, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // It has said what it had to say. `--help` and `--version` come this way, too.
    exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
  await setImmediate(); // a stream tells what it could not write a moment later
  return exitCode;
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
      outputError: (text, write) => {
        const message = withNearestFlag(nameFirst(inOurVoice(text), argv), program, argv);
        if (isJsonAsked(argv)) failAsJson({ code: 'LOCKD_INVALID_OPTION', message }, argv[2]);
        else write(message);
      },
    })
    .addHelpText('after', `\n${whichDatabase}\n\n${exitTable()}`);

  const verb = (name: string, summary: string, shown: readonly string[] = asking): Command =>
    addCommonOptions(program.command(name).summary(summary), shown);

  verb('run', 'run a command only while this instance leads', leading)
    .description(
      'Campaigns for NAME and runs COMMAND, in any language, only while this instance leads.',
    )
    .usage('NAME [options] -- COMMAND [ARGUMENT…]')
    .argument('<name>', 'what is led: 1 to 200 characters')
    .argument('<command...>', 'after --, with its own options')
    .addOption(option('--migrate', 'bring the schema to this version first'))
    .addOption(duration('--heartbeat', 'time between two beats (default: a fifth of the TTL)'))
    .addOption(duration('--grace', 'time between TERM and KILL for the command'))
    .addOption(priority())
    .addOption(appVersion())
    .addHelpText('after', examples('run bot -- node bot.js', 'run cron --ttl 5s -- ./jobs.sh -v'))
    .action(
      answering(finish, async (command) => {
        const [name, words] = command.processedArgs as [string, string[]];
        expectNoAddress(name);
        const started = afterDashes(words, argv, 'run NAME');
        const { run } = await import('./run.ts');
        return run(name, started, commandOptions(command));
      }),
    );

  addServeVerb(program, (act) => answering(finish, act));

  addLookingVerbs(program, (act) => answering(finish, act));

  addLeavingVerbs(program, (act) => answering(finish, act));

  addLockVerbs(program, argv, (act) => answering(finish, act));

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
        if (role !== undefined) return printGrants(expectNoAddress(role), options);
        return migrate({ ...options, isChecking: check === true, isPrinting: print === true });
      }),
    );

  addDoctorVerb(program, (act) => answering(finish, act));

  verb('demo', 'see a handover and a crash, on this machine', playing)
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
      refuseUnknownVariables(command.parent ?? command);
      finish(await verb(command));
    } catch (error) {
      if (error instanceof CommanderError) throw error;
      finish(fail(error, command));
    }
  };
}

const whichDatabase = `Which database: --database-url, LOCKD_DATABASE_URL, DATABASE_URL, PGHOST and its kin; where none
of them is set, in a clone: a development database, whose data is kept.`;
