// Preloaded into a process: it finds that its machine has been asleep for as many seconds as a file
// says. The clock since boot goes on during a suspend, the monotonic clock and all timers do not.
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

const { SLEEPER_FILE } = process.env;
const { uptime } = os;

os.uptime = () => uptime() + Number(readFileSync(SLEEPER_FILE, 'utf8'));
syncBuiltinESMExports();
