// A command for `lockd run`: as long as it lives it claims to lead, and works on items.
import { now, say } from './claims.js';
import { workOnItems } from './items.js';

const { LOCKD_NAME: name, LOCKD_TOKEN: token } = process.env;
const finishMs = Number(process.argv[2]);

// Since it was started: how long a command takes to load is no matter of who started it.
say('claim', now() - process.uptime() * 1e3, token);
setInterval(() => say('claim', now(), token), 3);
process.once('exit', () => say('claim', now(), token)); // up to the very end
process.once('SIGTERM', () => setTimeout(() => process.exit(), finishMs));
await workOnItems({
  term: () => ({ name, token }),
  fence: (client) => client.query('select lockd.fence($1, $2)', [name, token]),
});
