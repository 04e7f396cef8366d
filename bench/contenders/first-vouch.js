// Preloaded into `lockd run`: says when the supervisor's gate opened. The log line says so, too, but
// in whole milliseconds. The supervisor vouches for a new token to its guard in the very step that
// opens the gate, before the command is started.
import { basename } from 'node:path';
import { now } from '../clock.js';

if (basename(process.argv[1] ?? '') === 'supervisor.js' && process.send !== undefined) {
  const send = process.send.bind(process);
  let token;
  process.send = (message, ...rest) => {
    if (message.is === 'vouch' && message.token !== token) {
      token = message.token;
      const at = now();
      setImmediate(() => process.stdout.write(`leading ${at} ${message.token}\n`));
    }
    return send(message, ...rest);
  };
}
