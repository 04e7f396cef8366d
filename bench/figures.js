/** Medians and tables. */

const sorted = (values) => [...values].sort((a, b) => a - b);

/** Nearest rank: with 20 values p95 is the second largest. */
function rank(values, share) {
  return sorted(values)[Math.max(0, Math.ceil(values.length * share) - 1)];
}

export function median(values) {
  const all = sorted(values);
  const middle = all.length / 2;
  return all.length % 2 === 1 ? all[Math.floor(middle)] : (all[middle - 1] + all[middle]) / 2;
}

export const summary = (values) => ({
  n: values.length,
  min: Math.min(...values),
  median: median(values),
  p95: rank(values, 0.95),
  max: Math.max(...values),
});

export const ms = (value) => (value === undefined ? '-' : value.toFixed(value < 100 ? 2 : 0));

/** Rows under a head; the first column left, the others right. */
export function table(head, rows) {
  const lines = [head, ...rows].map((cells) => cells.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => cells[column].length)));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
