/** These end `lockd run` in order; the command sees the same one first. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/** These are the command's business; a hang-up ends it all where the terminal is gone. */
export const forwardedSignals = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

/** Ctrl-Z, say: they would freeze the guard and not the supervisor, which has a session of its own. */
export const jobControlSignals = ['SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const;
