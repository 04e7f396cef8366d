import { type Command, Option } from 'commander';
import {
  type Answering,
  addCommonOptions,
  appVersion,
  commandOptions,
  duration,
  leading,
  option,
  priority,
} from './options.ts';
import { examples, expectNoAddress } from './words.ts';

export function addServeVerb(program: Command, answering: Answering): void {
  addCommonOptions(
    program.command('serve').summary('an instance with an HTTP face, for hosts in any language'),
    leading,
  )
    .description(
      'Campaigns for NAME and says over HTTP whether it leads: to a host in any language, to probes, to Prometheus, and to people, on a page. TERM ends it in order.',
    )
    .argument('<name>', 'what is led: 1 to 200 characters')
    .addOption(option('--listen <address>', 'host:port or unix:/path (default: 127.0.0.1:4040)'))
    .addOption(
      option('--auth-token-file <file>', 'holds what callers have to know (else LOCKD_AUTH_TOKEN)'),
    )
    // Only its variable: a command line can be read by anybody on the machine.
    .addOption(option('--auth-token <token>', '').hideHelp())
    .addOption(
      option('--allowed-host <host>', 'a name requests may come under; may be repeated').argParser(
        (host: string, before: readonly string[] = []) => [...before, ...host.split(',')],
      ),
    )
    .addOption(
      duration('--promise', 'how long a 200 of /leader may be acted on, at most (default: 2s)'),
    )
    .addOption(new Option('--observe', 'never lead: only say who does'))
    .addOption(option('--migrate', 'bring the schema to this version first'))
    .addOption(duration('--heartbeat', 'time between two beats (default: a fifth of the TTL)'))
    .addOption(priority())
    .addOption(appVersion())
    .addHelpText(
      'after',
      examples(
        'serve bot',
        'serve bot --listen unix:/run/bot.sock',
        'serve bot --listen 0.0.0.0:4040 --auth-token-file /run/secrets/lockd',
      ),
    )
    .action(
      answering(async (command) => {
        const { serveName } = await import('./serve.ts');
        const { listen, authTokenFile, authToken, allowedHost, promise, observe } = command.opts();
        return serveName(expectNoAddress(command.processedArgs[0]), {
          ...commandOptions(command),
          listen,
          authTokenFile,
          authToken,
          isTokenOnCommandLine: command.getOptionValueSource('authToken') === 'cli',
          allowedHosts: allowedHost,
          promiseMs: promise,
          isObserving: observe === true,
        });
      }),
    );
}
