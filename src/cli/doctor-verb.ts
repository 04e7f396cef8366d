import type { Command } from 'commander';
import {
  type Answering,
  addCommonOptions,
  asking,
  commonOptions,
  duration,
  ownNumber,
} from './options.ts';
import { examples, expectNoAddress } from './words.ts';

export function addDoctorVerb(program: Command, answering: Answering): void {
  addCommonOptions(
    program.command('doctor').summary('whether this database is fit for lockd, and what to do'),
    [...asking, 'ttl'],
  )
    .description(
      'Checks a database before the first deploy, and changes nothing: a line for each check, and its remedy. With NAME it says who leads it, too. Exits 0 if all is well, 1 if the worst is a warning, 2 if it is a problem.',
    )
    .argument('[name]', 'what is to be led')
    .addOption(
      ownNumber(
        '--instances <n>',
        'how many run at the same time, while a deploy overlaps, too (default: 2)',
        1,
        10_000,
      ),
    )
    .addOption(duration('--heartbeat', 'time between two beats (default: a fifth of the TTL)'))
    .addHelpText(
      'after',
      examples('doctor', 'doctor bot --instances 6', 'doctor --json | jq .worst'),
    )
    .action(
      answering(async (command) => {
        const { doctor } = await import('./doctor.ts');
        const { instances, heartbeat } = command.opts();
        return doctor(expectNoAddress(command.processedArgs[0]), {
          ...commonOptions(command),
          instances,
          heartbeatMs: heartbeat,
        });
      }),
    );
}
