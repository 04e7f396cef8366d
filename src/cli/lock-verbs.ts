/** The verbs about resources: `lock`, `locks` and `unlock`. */
import { type Command, Option } from 'commander';
import {
  type Answering,
  addCommonOptions,
  asking,
  commandOptions,
  commonOptions,
  duration,
  holding,
  option,
  ownDuration,
  ownNumber,
} from './options.ts';
import { afterDashes, examples, expectNoAddress } from './words.ts';

export function addLockVerbs(
  program: Command,
  argv: readonly string[],
  answering: Answering,
): void {
  addCommonOptions(
    program.command('lock').summary('run a command while it holds a resource'),
    holding,
    { lease: '--lease', logLevel: 'warn' },
  )
    .description(
      'Waits for RESOURCE and runs COMMAND, in any language, while it is held: by this one alone, or with --shared or --permits by several. The command is ended before anybody else can have what was lost. Exits as the command does; 1 where the resource was not free in time, 75 where it was lost.',
    )
    .usage('RESOURCE [options] -- COMMAND [ARGUMENT…]')
    .argument('<resource>', 'what is held: 1 to 200 characters')
    .argument('<command...>', 'after --, with its own options')
    .addOption(new Option('-s, --shared', 'beside other readers, and no writer'))
    .addOption(
      ownNumber(
        '--permits <n>',
        'one of n places; all who use it name the same n',
        1,
        10_000,
      ).conflicts('shared'),
    )
    .addOption(ownDuration('-w, --wait', 'give up after this (default: wait for ever)'))
    .addOption(new Option('-n, --nonblock', 'give up at once, as --wait 0').conflicts('wait'))
    .addOption(
      ownNumber('-E, --conflict-exit-code <n>', 'where it was not free (default: 1)', 0, 255),
    )
    .addOption(ownDuration('--ttl', 'end the command after this (default: no limit)'))
    .addOption(option('--owner <text>', 'who holds it; never twice (default: one for each call)'))
    .addOption(new Option('--reason <text>', 'why, for people'))
    .addOption(option('--migrate', 'bring the schema to this version first'))
    .addOption(duration('--grace', 'time between TERM and KILL for the command'))
    .addHelpText(
      'after',
      examples(
        'lock deploy -- ./deploy.sh',
        'lock order/7 -n -- ./bill.sh 7',
        'lock report --permits 3 --wait 10s --ttl 5m -- ./report.sh',
      ),
    )
    .action(
      answering(async (command) => {
        const [resource, words] = command.processedArgs as [string, string[]];
        expectNoAddress(resource);
        const started = afterDashes(words, argv, 'lock RESOURCE');
        const { shared, permits, wait, nonblock, ttl, owner, reason } = command.opts();
        const { lock } = await import('./lock.ts');
        return lock(resource, started, {
          ...commandOptions(command),
          mode: shared === true ? 'shared' : permits === undefined ? 'exclusive' : { permits },
          waitMs: nonblock === true ? 0 : wait,
          limitMs: ttl,
          owner,
          reason,
        });
      }),
    );

  addCommonOptions(
    program.command('locks').summary('what is held, by whom, since when, why, and who waits'),
    asking,
  )
    .description(
      'What is held, by whom, since when and why, and who waits for it. Exits 0 if anything is held (with --stale: for longer), 1 if nothing is, 2 if it could not tell.',
    )
    .addOption(ownDuration('--stale', 'only what has been held for longer'))
    .addHelpText('after', examples('locks', 'locks --stale 10m', 'locks --json | jq .resources'))
    .action(
      answering(async (command) => {
        const { locks } = await import('./locks.ts');
        return locks({ ...commonOptions(command), stalerThanMs: command.opts()['stale'] });
      }),
    );

  addCommonOptions(
    program
      .command('unlock')
      .summary('ask the holders of a resource to let go, and take it from them'),
    asking,
  )
    .description(
      'Asks whoever holds RESOURCE to let go, and takes it from those who have not when the grace is over: their tokens are stale then. Exits 0 when nobody of them holds it any more, 1 if nobody did, 2 if it could not tell.',
    )
    .argument('<resource>', 'what is held')
    .addOption(new Option('--reason <text>', 'why, for people').makeOptionMandatory())
    .addOption(new Option('--by <text>', 'who asks, for people (default: user@host)'))
    .addOption(ownDuration('--grace', 'how long they have to let go (default: 5s)'))
    .addHelpText(
      'after',
      examples(
        'unlock deploy --reason "hangs since noon"',
        'unlock deploy --reason hangs --grace 0',
      ),
    )
    .action(
      answering(async (command) => {
        const { unlock } = await import('./unlock.ts');
        const { by, reason, grace } = command.opts();
        const options = { ...commonOptions(command), by, reason, graceMs: grace };
        return unlock(expectNoAddress(command.processedArgs[0]), options);
      }),
    );
}
