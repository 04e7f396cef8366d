/** The verbs that ask a leader to leave: `resign` and `handoff`. */
import { type Command, Option } from 'commander';
import {
  type Answering,
  addCommonOptions,
  asking,
  commonOptions,
  duration,
  ownDuration,
} from './options.ts';
import { examples, expectNoAddress } from './words.ts';

export function addLeavingVerbs(program: Command, answering: Answering): void {
  addCommonOptions(
    program.command('resign').summary('ask the leader to finish its work and let go'),
    asking,
  )
    .description(
      'Asks the leader to resign: it closes its gate, finishes the work in flight and lets go. Exits 0 when asked (with --wait: when it has let go), 1 if nobody leads, 2 if it could not tell or the time was over.',
    )
    .argument('<name>', 'what is led')
    .addOption(new Option('--wait', 'until the leader has let go, then say who leads'))
    .addOption(duration('--timeout', 'how long to wait (default: drain timeout + TTL)'))
    .addHelpText('after', examples('resign bot', 'resign bot --wait --timeout 60s'))
    .action(
      answering(async (command) => {
        const { resign } = await import('./resign.ts');
        const { wait, timeout } = command.opts();
        const options = { ...commonOptions(command), isWaiting: wait === true, timeoutMs: timeout };
        return resign(expectNoAddress(command.processedArgs[0]), options);
      }),
    );

  addCommonOptions(
    program.command('handoff').summary('hand leadership to one instance in particular'),
    asking,
  )
    .description(
      'Hands leadership of NAME to one instance that waits: it is asked whether it is ready, then the leader finishes its work and lets go, and the seat is kept for it. Where it does not come, whoever led before leads again. Exits 0 when asked (with --wait: when it leads), 1 if nobody leads, nobody may, or leadership stayed where it was, 2 if it could not tell or the time was over.',
    )
    .argument('<name>', 'what is led')
    .addOption(new Option('--to <instance>', 'its label, or its instance or the beginning of it'))
    .addOption(
      new Option('--newest', 'the highest priority, the newest version (default)').conflicts('to'),
    )
    .addOption(new Option('--wait', 'until it leads, then say how long nobody did'))
    .addOption(
      ownDuration('--timeout', 'to get ready, and for --wait (default: 30s + drain timeout + TTL)'),
    )
    .addHelpText('after', examples('handoff bot --wait', 'handoff bot --to bot-7 --wait'))
    .action(
      answering(async (command) => {
        const { handoff } = await import('./handoff.ts');
        const { to, wait, timeout } = command.opts();
        const options = { ...commonOptions(command), to, isWaiting: wait === true };
        return handoff(expectNoAddress(command.processedArgs[0]), {
          ...options,
          timeoutMs: timeout,
        });
      }),
    );
}
