/** The verbs that look at who leads: `status`, `watch` and `history`. */
import type { Command } from 'commander';
import {
  type Answering,
  addCommonOptions,
  asking,
  commonOptions,
  ownDuration,
  ownNumber,
} from './options.ts';
import { examples, expectNoAddress } from './words.ts';

export function addLookingVerbs(program: Command, answering: Answering): void {
  addCommonOptions(
    program.command('status').summary('who leads, who waits, since when, and what is wrong'),
    asking,
  )
    .description(
      'Who leads, who waits, since when, and what is wrong. Exits 0 if NAME is led (without NAME: if each name in use is, and one at least), 1 if not, 2 if it could not tell. Unused is a name that nobody waits for and whose last leader was stopped in order, or has been silent for a day.',
    )
    .argument('[name]', 'only this one')
    .addHelpText(
      'after',
      examples('status', 'status bot', 'status bot --json | jq .names[0].isLed'),
    )
    .action(
      answering(async (command) => {
        const { status } = await import('./status.ts');
        return status(expectNoAddress(command.processedArgs[0]), commonOptions(command));
      }),
    );

  addCommonOptions(
    program.command('watch').summary('the same, live: as a picture, or a line for each change'),
    asking,
  )
    .description(
      'Who leads, who waits and what is wrong, until it is ended: in a terminal a picture that is kept up to date, else a line for each change. A database that goes away is waited for. Exits 0 when it is ended, 2 if it could not tell to begin with.',
    )
    .argument('[name]', 'only this one')
    .addOption(ownDuration('--interval', 'how often it looks (default: 1s)'))
    .addHelpText('after', examples('watch', 'watch bot --interval 250ms', 'watch --json | jq .is'))
    .action(
      answering(async (command) => {
        const { watch } = await import('./watch.ts');
        const name = expectNoAddress(command.processedArgs[0]);
        return watch(name, { ...commonOptions(command), intervalMs: command.opts()['interval'] });
      }),
    );

  addCommonOptions(
    program.command('history').summary('who led a name, how long, why it ended, and the gaps'),
    asking,
  )
    .description(
      'The terms of NAME, the newest last: who led, from when to when, why it ended, and how long nobody led before it. A thousand are kept. Exits 0 if there is any, 1 if nobody has led it (with --since: in this time), 2 if it could not tell.',
    )
    .argument('<name>', 'what is led')
    .addOption(ownDuration('--since', 'only terms of the last so-and-so long'))
    .addOption(ownNumber('--limit <n>', 'not more, the latest (default: 100)', 1, 1_000))
    .addHelpText(
      'after',
      examples('history bot', 'history bot --since 24h', 'history bot --json | jq .terms[-1]'),
    )
    .action(
      answering(async (command) => {
        const { history } = await import('./history.ts');
        const { since, limit } = command.opts();
        const options = { ...commonOptions(command), sinceMs: since, limit };
        return history(expectNoAddress(command.processedArgs[0]), options);
      }),
    );
}
