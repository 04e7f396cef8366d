import { isLockdError, LockdError, messageOf } from './errors.ts';
import type { Delivery } from './events.ts';
import type { Gate } from './gate.ts';
import type { Logger } from './log.ts';
import type { Host } from './runtime.ts';
import type { ControllerEvents } from './surface.ts';

/** What the machine tells, made into the gate's moves, log lines and events. */
export const hostOf = (
  gate: Gate,
  logger: Logger,
  delivery: Delivery<ControllerEvents>,
): Omit<Host, 'settle' | 'halt'> => ({
  openGate: (token, gapMs) => gate.open(token, gapMs),
  endTerm: (reason, cause) => gate.close(reason, cause),
  left: ({ token, isLost }) => gate.letGo(token, isLost),
  observe: ({ lease: { token, instance, label } }) => {
    logger.info({ token, leader: label }, 'observed a leader');
    delivery.send('observed', { token, instance, label });
  },
  beaten: (beat) => delivery.send('beat', beat),
  attempt: ({ attempt, waitMs }) => delivery.send('attempt', { attempt, waitMs }),
  warn: ({ code, message, error, fields }) => {
    const told = isLockdError(error) ? error.code : code;
    logger.warn({ code: told, ...fields }, message);
    const said = error === undefined ? message : `${message}: ${messageOf(error)}`;
    const warning = new LockdError(code, said, { cause: error ?? fields });
    delivery.send('warning', isLockdError(error) ? error : warning);
  },
});
