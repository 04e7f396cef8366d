// For `node --import`: a witness takes its time to load, and tells so in a file.
import { register } from 'node:module';

const hooks = `
  import { writeFileSync } from 'node:fs';
  import { setTimeout as pause } from 'node:timers/promises';

  export async function load(url, context, next) {
    if (url.endsWith('/witness-process.js')) {
      writeFileSync(process.env.SLOW_WITNESS, 'loading');
      await pause(1_000);
    }
    return next(url, context);
  }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
