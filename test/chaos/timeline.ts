import { overlaps } from './checker.ts';
import type { Span } from './claim.ts';
import type { Round, Run } from './run.ts';

const stripMs = 60_000;
const pixelsPerMs = 1200 / stripMs;
const laneHeight = 14;
const leftMargin = 80;
const topMargin = 16;

/**
 * Who led when, and what struck: strips of a minute, one lane for each instance. The number of a round
 * stands where it struck; what it was is told where the pointer rests.
 */
export function timeline(run: Run): string {
  const { rounds, tenures } = run;
  const labels = [...new Set(tenures.flatMap(({ labels }) => [...labels]))].sort();
  const begin = Math.min(...tenures.flatMap(({ spans }) => spans.map(({ from }) => from)));
  const end = Math.max(...tenures.flatMap(({ spans }) => spans.map(({ to }) => to)));
  const stripHeight = topMargin + labels.length * laneHeight + 16;
  const strips = Math.max(1, Math.ceil((end - begin) / stripMs));
  const draw = (span: Span, one: (piece: Piece) => string): string =>
    pieces(span, begin, stripHeight).map(one).join('');
  const height = labels.length * laneHeight;
  const parts = [
    ...rounds.flatMap((round) => [
      draw({ from: round.struckAt, to: round.settledAt }, ({ x, y, width }) =>
        rect({ x, y, width, height, fill: '#8881' }, title(round)),
      ),
      draw({ from: round.struckAt, to: round.struckAt }, ({ x, y }) =>
        text(x, y - 3, `${round.number}`),
      ),
      round.gap === undefined
        ? ''
        : draw(round.gap, ({ x, y, width }) =>
            rect({ x, y: y + height, width, height: 3, fill: '#d92' }, title(round)),
          ),
    ]),
    ...tenures.flatMap(({ labels: [label = ''], spans, token }) =>
      spans.map((span) =>
        draw(span, ({ x, y, width }) => {
          const top = y + labels.indexOf(label) * laneHeight + 2;
          const fill = colour(labels.indexOf(label));
          return rect({ x, y: top, width, height: laneHeight - 4, fill }, `${label} ${token}`);
        }),
      ),
    ),
    ...overlaps(tenures).map(({ at, ms }) =>
      draw({ from: at, to: at + ms }, ({ x, y, width }) =>
        rect({ x, y, width, height, fill: '#f00a' }, `overlap of ${ms.toFixed(1)} ms`),
      ),
    ),
    ...Array.from({ length: strips }, (_, strip) =>
      labels.map((label, lane) =>
        text(2, strip * stripHeight + topMargin + lane * laneHeight + 11, label),
      ),
    ).flat(),
  ];
  const size = `width="${leftMargin + 1210}" height="${strips * stripHeight}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="9">
<rect width="100%" height="100%" fill="white"/>
${parts.filter((part) => part !== '').join('\n')}
</svg>
`;
}

interface Piece {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** A stretch of time, cut where a strip ends. */
function pieces({ from, to }: Span, begin: number, stripHeight: number): Piece[] {
  const found: Piece[] = [];
  for (let at = from; at <= to; ) {
    const strip = Math.max(0, Math.floor((at - begin) / stripMs));
    const stripBegin = begin + strip * stripMs;
    const until = Math.min(to, stripBegin + stripMs);
    found.push({
      x: leftMargin + (at - stripBegin) * pixelsPerMs,
      y: strip * stripHeight + topMargin,
      width: Math.max(0.5, (until - at) * pixelsPerMs),
    });
    if (until >= to) break;
    at = until;
  }
  return found;
}

const title = ({ number, fault, whom, details }: Round): string =>
  `${number} ${fault.id} ${whom} ${JSON.stringify(details)}`;

const colour = (index: number): string => `hsl(${(index * 137) % 360} 60% 45%)`;

function rect(
  { x, y, width, height, fill }: Piece & { readonly height: number; readonly fill: string },
  about: string,
): string {
  const box = `x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${height}"`;
  return `<rect ${box} fill="${fill}"><title>${escaped(about)}</title></rect>`;
}

const text = (x: number, y: number, what: string): string =>
  `<text x="${x.toFixed(1)}" y="${y}">${escaped(what)}</text>`;

const escaped = (what: string): string =>
  what.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
