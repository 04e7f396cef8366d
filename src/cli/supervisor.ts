/** The supervisor's program: started by the guard, never by hand. */

import { isLockdError, messageOf } from '../core/errors.ts';
import type { GuardChannel, ToGuard, ToSupervisor, WireRefusal } from '../guard/messages.ts';
import type { SuperviseSettings } from '../guard/settings.ts';
import { forwardedSignals, stopSignals } from '../guard/signals.ts';
import { supervise } from '../guard/supervisor.ts';
import { exitCodeOf } from './errors.ts';
import { createLog } from './log.ts';
import type { LogLevel } from './options.ts';
import { redact } from './output.ts';

export interface SupervisorProgram extends SuperviseSettings {
  readonly log: { readonly level: LogLevel; readonly isJson: boolean };
}

const channel: GuardChannel = {
  send: (message) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  },
  onMessage(hear) {
    process.on('message', (message) => hear(message as ToSupervisor));
    // A service manager may signal every process of the service; what it means is the same.
    for (const signal of stopSignals)
      process.on(signal, () => hear({ is: 'stop', signal, isAgain: false }));
    for (const signal of forwardedSignals)
      process.on(signal, () => hear({ is: 'forward', signal }));
  },
  onEnd: (ended) => process.once('disconnect', ended),
};

process.once('message', async (message: ToSupervisor) => {
  if (message.is !== 'begin') return;
  const settings = message.settings as SupervisorProgram;
  const logger = createLog({ ...settings.log, fields: { process: 'supervisor' } });
  const done = (exitCode: number, refusal?: WireRefusal): ToGuard => ({
    is: 'done',
    exitCode,
    refusal,
  });
  try {
    const exitCode = await supervise(settings, channel, logger);
    if (exitCode !== undefined) channel.send(done(exitCode));
  } catch (error) {
    const code = isLockdError(error) ? error.code : undefined;
    const reason = redact(messageOf(error));
    const exitCode = exitCodeOf(error, { isAsking: false });
    // Whoever wants a resource for a command is told by the guard, in one line.
    const isTold = settings.hold !== undefined && code !== undefined;
    if (!isTold) logger.error({ code, reason }, 'could not lead');
    channel.send(done(exitCode, isTold ? { code, message: reason } : undefined));
  }
  if (process.connected) process.disconnect();
});
