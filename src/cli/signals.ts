/** These end `lockd run` in order; the command sees the same one first. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/** These are the command's business. */
export const forwardedSignals = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
