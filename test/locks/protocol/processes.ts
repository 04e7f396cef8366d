import { randomUUID } from 'node:crypto';
import type { Backend, useDatabase } from '../../postgres/backends.ts';

/** How a resource is asked for, as `ask_hold` has it. */
export type Use = 'exclusive' | 'shared' | number;

export interface Had {
  readonly request: string;
  readonly token: bigint;
  readonly slot: number;
}

/** A process as the server knows it: a lease, and one session to ask with. */
export class Holder {
  readonly backend: Backend;
  readonly process: number;
  readonly token: bigint;

  constructor(backend: Backend, process: number, token: bigint) {
    this.backend = backend;
    this.process = process;
    this.token = token;
  }

  static async begin(lockd: ReturnType<typeof useDatabase>): Promise<Holder> {
    const backend = await lockd.connect();
    const { seat } = await backend.one('select lockd.enroll($1) as seat', [
      `lockd:process:${randomUUID()}`,
    ]);
    return new Holder(backend, seat as number, await backend.lead(seat as number));
  }

  /** The quick way: undefined where one has to ask. Others beside it are taken in the same statement. */
  async take(resource: string, ...beside: string[]): Promise<Had | undefined> {
    const all = [resource, ...beside];
    const requests = all.map(() => randomUUID());
    const { tokens } = await this.backend.one(
      'select lockd.take_holds($1, $2, $3, $4, $5, $6)::text[] as tokens',
      [this.process, this.token, all, requests, all.map(() => 'me'), all.map(() => null)],
    );
    const [token] = (tokens ?? []) as (string | null)[];
    return token == null
      ? undefined
      : { request: requests[0] as string, token: BigInt(token), slot: 0 };
  }

  async ask(resource: string, use: Use, stays = true): Promise<Asked> {
    const request = randomUUID();
    const row = await this.backend.one(
      'select * from lockd.ask_hold($1, $2, $3, $4, $5, $6, $7, null, $8)',
      [
        this.process,
        this.token,
        resource,
        use === 'shared',
        typeof use === 'number' ? use : null,
        request,
        randomUUID(),
        stays,
      ],
    );
    return {
      status: row['status'] as string,
      request,
      token: BigInt((row['token'] as string | null) ?? 0),
      slot: row['slot'] as number,
    };
  }

  async leave(resource: string, { request }: { readonly request: string }): Promise<boolean> {
    const { left } = await this.backend.one('select lockd.leave($1, $2) as left', [
      resource,
      request,
    ]);
    return left as boolean;
  }

  /** What a process that waits does each second. */
  async look(...resources: string[]): Promise<void> {
    await this.backend.query('select lockd.serve_stuck($1)', [resources]);
  }

  /** What is held, as anybody sees it. */
  async holders(resource: string): Promise<string[]> {
    const rows = await this.backend.query(
      'select request from lockd.holding where resource = $1 order by slot',
      [resource],
    );
    return rows.map(({ request }) => request as string);
  }

  async end(by = 'confession'): Promise<void> {
    await this.backend.testify(this.process, this.token, by);
  }
}

export interface Asked extends Had {
  readonly status: string;
}
