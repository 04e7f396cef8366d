const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `10s`, `1.5s`, `250ms`, `5m` or `1h`. A bare number is refused: nobody can tell its unit. */
export function parseDuration(text: string): number | undefined {
  const { amount, unit } =
    /^(?<amount>\d{1,9}(?:\.\d{1,3})?)(?<unit>ms|s|m|h)$/.exec(text)?.groups ?? {};
  if (amount === undefined || unit === undefined) return undefined;
  const durationMs = Number(amount) * unitsMs[unit as keyof typeof unitsMs];
  const wholeMs = Math.round(durationMs);
  return Math.abs(durationMs - wholeMs) < 1e-6 ? wholeMs : undefined;
}

/** For people: two units at most. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  const seconds = durationMs / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
