// Two programs under PM2: one that lockd starts where it leads, and one that has lockd in it.
//
//   DATABASE_URL=postgres://… pm2 start ecosystem.config.cjs
//   pm2 restart telegram-bot --parallel 1   # one after the other: without it two go at the same time

// PM2 kills 1.6 s after its SIGINT unless it is told otherwise: in the middle of the work, and the next one waits
// for the lease. This is more than --grace, and than the drain timeout of the library, 25 s both.
const killTimeoutMs = 35_000;

module.exports = {
  apps: [
    {
      name: 'telegram-bot',
      script: 'node_modules/.bin/lockd',
      args: 'run telegram-bot --grace 25s -- node bot.js',
      interpreter: 'none', // what runs is lockd; the command may be in any language
      exec_mode: 'fork',
      instances: 2, // one works, one stands by
      kill_timeout: killTimeoutMs,
      treekill: false, // to lockd alone, which passes it on to the command
    },
    {
      name: 'billing',
      script: 'billing.js',
      exec_mode: 'cluster',
      instances: 4, // each of them a candidate with two connections, and one leads
      kill_timeout: killTimeoutMs,
    },
  ],
};
