/** How what lockd knows is written as JSON, wherever it is. */

/** What `toJson` makes of a value. */
export type AsJson<Value> = unknown extends Value
  ? unknown
  : Value extends bigint | Date
    ? string
    : Value extends undefined
      ? null
      : Value extends string | number | boolean | null
        ? Value
        : Value extends readonly (infer Item)[]
          ? AsJson<Item>[]
          : { [Key in keyof Value]-?: AsJson<Value[Key]> };

/**
 * Tokens are bigints: they travel as strings, because JSON readers round large numbers. Times are in
 * ISO 8601. What is not known is null rather than left out.
 */
export function toJson<Value>(value: Value): AsJson<Value> {
  return plainly(value) as AsJson<Value>;
}

function plainly(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object') return value;
  // As JSON itself asks: a date has its own idea of how it is written, and so may others.
  if ('toJSON' in value && typeof value.toJSON === 'function') return plainly(value.toJSON());
  if (Array.isArray(value)) return value.map(plainly);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainly(member)]));
}
