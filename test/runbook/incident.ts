import type { Reading } from './reading.ts';
import type { Stage } from './stage.ts';

/** What a section of the runbook is about, made to happen. */
export type Incident = Shared | Alone;

interface Shared {
  /** Why it cannot be staged on this machine; undefined where it can. */
  readonly missing?: string | undefined;
  /** The runbook's: prepared transactions, a log of who waits, roles of its own. @default 'shared' */
  readonly server?: 'shared' | 'runbook';
  readonly play: (stage: Stage, page: Reading) => Promise<void>;
}

/** One that breaks its server, or needs two. */
interface Alone {
  readonly missing?: string | undefined;
  /** `url`: what DATABASE_URL is while the section is read, if that is not the stage's. */
  readonly playAlone: (open: (stage: Stage, url?: string) => Reading) => Promise<void>;
}

/** By the heading of its section. */
export type Incidents = Readonly<Record<string, Incident>>;
