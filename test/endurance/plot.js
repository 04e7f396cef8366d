const size = { width: 300, height: 90, gap: 24, columns: 3 };

/** One small chart for each thing that was counted, from zero, so that flat looks flat. */
export function plot(phases) {
  const charts = phases.flatMap(({ name, samples }) =>
    Object.keys(samples[0])
      .filter((what) => what !== 'ms')
      .map((what) => ({
        title: `${name}: ${what}`,
        points: samples.map((sample) => [sample.ms, sample[what]]),
      })),
  );
  const rows = Math.ceil(charts.length / size.columns);
  const width = size.columns * (size.width + size.gap) + size.gap;
  const height = rows * (size.height + 2 * size.gap) + size.gap;
  const body = charts.map((chart, index) => {
    const x = size.gap + (index % size.columns) * (size.width + size.gap);
    const y = size.gap + Math.floor(index / size.columns) * (size.height + 2 * size.gap);
    return `<g transform="translate(${x} ${y})">${draw(chart)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    '<title>What was counted while leaders changed, and at rest</title>',
    `<rect width="100%" height="100%" fill="white"/>`,
    ...body,
    '</svg>\n',
  ].join('\n');
}

function draw({ title, points }) {
  const mostMs = points.at(-1)[0];
  const most = Math.max(1, ...points.map(([, value]) => value));
  const line = points.map(
    ([ms, value]) =>
      `${((ms / mostMs) * size.width).toFixed(1)},${(size.height * (1 - value / most)).toFixed(1)}`,
  );
  return [
    `<text y="-6">${title}, up to ${most}</text>`,
    `<rect width="${size.width}" height="${size.height}" fill="none" stroke="#ccc"/>`,
    `<polyline points="${line.join(' ')}" fill="none" stroke="#036"/>`,
  ].join('');
}
