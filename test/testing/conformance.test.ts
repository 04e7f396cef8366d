import { describe } from 'vitest';
import { campaign } from './conformance/campaign.ts';
import { leaving } from './conformance/leaving.ts';
import { inMemory, onPostgres } from './conformance/place.ts';
import { sessions } from './conformance/sessions.ts';
import { useServer } from './conformance/stage.ts';

/** The cases are the same: whatever passes here on one server only is not a case. */
describe.each([
  { server: 'the server in memory', create: inMemory },
  { server: 'PostgreSQL', create: onPostgres },
])('$server', ({ create }) => {
  useServer(create);
  campaign();
  leaving();
  sessions();
});
