/**
 * How the server's values are read: as `pg` does by itself. Its own parsers belong to the whole process,
 * and hosts change them: times that stay text, numbers that become bigints.
 */
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't', // boolean
  21: Number, // smallint
  23: Number, // integer
  26: Number, // oid
  114: (text) => JSON.parse(text), // json
  700: Number, // real
  701: Number, // double precision
  1007: (text) => listOf(text).map(Number), // integer[]
  1000: (text) => listOf(text).map((item) => item === 't'), // boolean[]
  1016: (text) => listOf(text).map((item) => (item === 'NULL' ? undefined : BigInt(item))), // bigint[]
  3802: (text) => JSON.parse(text), // jsonb
};

/** Of an array whose items hold neither commas nor quotes. */
const listOf = (text: string): string[] => (text === '{}' ? [] : text.slice(1, -1).split(','));

const asText = (text: string): string => text;

export const types = {
  // biome-ignore lint/suspicious/noExplicitAny: as `pg` wants it
  getTypeParser: (oid: number): any => parsers[oid] ?? asText,
};
