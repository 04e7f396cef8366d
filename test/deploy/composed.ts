import { parse } from 'yaml';
import { read } from '../docs/pages.ts';

export interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: unknown;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

export const composeFile = 'docker-compose.yml';

export const services: Readonly<Record<string, Service>> = parse(read(composeFile), {
  merge: true,
}).services;

/** Those that run this checkout, by their names. */
export const instances: readonly (readonly [name: string, service: Service])[] = Object.entries(
  services,
).filter(([, { command }]) => command?.some((word) => word.endsWith('lockd.js')));
