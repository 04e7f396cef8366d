/** One name's terms, drawn to scale. */
import { put, Rows, svgElement, write } from './elements.js';
import { placed, ticksOf } from './terms.js';
import { span, tickText } from './words.js';

const top = 20;
const bandHeight = 34;
const bottom = 20;
const axis = 20;
const height = top + bandHeight + bottom + axis;

/** What is shorter than this is still seen, and what is shorter than that still hit. */
const visible = 2;
const hittable = 10;

export class Lane {
  #svg = svgElement('svg', { class: 'timeline', role: 'group', height });
  #ticks = svgElement('g', { class: 'axis', 'aria-hidden': 'true' });
  #bars = svgElement('g', {});
  #texts = svgElement('g', { class: 'texts', 'aria-hidden': 'true' });
  #rows;
  #items = [];
  #current;
  #widths = new Map();
  #pen = document.createElement('canvas').getContext('2d');
  #liveries;

  /** `chosen` hears which item somebody points at or has gone to; undefined: none any more. */
  constructor(parent, liveries, chosen) {
    this.#liveries = liveries;
    this.#svg.append(this.#ticks, this.#bars, this.#texts);
    parent.append(this.#svg);
    this.#rows = new Rows(this.#bars, (item) => this.#newBar(item.key, chosen));
    // Not on the drawing itself: with a listener for the focus it would be a stop of its own.
    parent.addEventListener('keydown', (event) => this.#walk(event));
    parent.addEventListener('pointerleave', () => chosen(undefined));
    parent.addEventListener('focusout', () => chosen(undefined));
  }

  get width() {
    return this.#svg.parentElement.clientWidth;
  }

  draw(items, fromMs, nowMs, title, describe) {
    const width = this.width;
    if (width === 0) return;
    const scale = { width, x: (ms) => ((ms - fromMs) / (nowMs - fromMs)) * width };
    put(this.#svg, 'viewBox', `0 0 ${width} ${height}`);
    put(this.#svg, 'width', width);
    put(this.#svg, 'aria-label', `${title}. Arrow keys go from one to the next.`);
    // Gaps last, so that they lie on top.
    this.#items = items;
    const isThere = items.some(({ key }) => key === this.#current);
    if (!isThere) this.#current = items.at(-1)?.key;
    const drawn = [...items].sort((one, other) => order[one.is] - order[other.is]);
    this.#rows.show(
      drawn.map((item) => ({
        ...item,
        scale,
        text: describe(item),
        isEntry: item.key === this.#current,
      })),
      ({ key }) => key,
    );
    this.#drawTexts(items, scale);
    this.#drawAxis(fromMs, nowMs, scale);
  }

  #newBar(key, chosen) {
    const shape = svgElement('rect', { class: 'shape', y: top, height: bandHeight });
    const target = svgElement('rect', { class: 'target', y: top - 4, height: bandHeight + 8 });
    const name = svgElement('text', { class: 'inside', y: top + bandHeight / 2 + 4 });
    const root = svgElement('g', { role: 'img' }, shape, target, name);
    root.addEventListener('pointerenter', () => chosen(key));
    root.addEventListener('focus', () => chosen(key));
    return {
      root,
      show: (item) => {
        const { scale, fromMs, endMs } = item;
        const start = scale.x(fromMs);
        const length = Math.max(visible, scale.x(endMs) - start);
        const x = Math.min(start, scale.width - length);
        put(
          root,
          'class',
          item.is === 'gap' ? 'gap' : `term hue-${this.#liveries.of(item.label).hue}`,
        );
        put(root, 'data-open', item.isOpen);
        put(root, 'data-key', key);
        put(root, 'tabindex', item.isEntry ? 0 : -1);
        put(root, 'aria-label', item.text);
        put(shape, 'x', x.toFixed(1));
        put(shape, 'width', length.toFixed(1));
        const wide = Math.max(hittable, length);
        put(target, 'x', (x - (wide - length) / 2).toFixed(1));
        put(target, 'width', wide.toFixed(1));
        put(name, 'x', (x + 7).toFixed(1));
        write(name, item.is === 'gap' ? '' : this.#fitting(item.label, length - 14));
      },
    };
  }

  /** The label, or as much of it as tells it apart, or its letter. */
  #fitting(label, room) {
    if (this.#widthOf(label) <= room) return label;
    const { letter } = this.#liveries.of(label);
    return this.#widthOf(letter) <= room ? letter : '';
  }

  #drawTexts(items, scale) {
    const gaps = items
      .filter(({ is }) => is === 'gap')
      .map((item) => {
        const text = span(item.endMs - item.startMs);
        const width = this.#widthOf(text, 600);
        const middle = (scale.x(item.fromMs) + scale.x(item.endMs)) / 2;
        return { text, width, x: middle - width / 2, weight: item.endMs - item.startMs };
      });
    const reasons = items
      .filter(({ reason }) => reason !== undefined)
      .map(({ reason, endMs }) => {
        const text = reason.length > 32 ? `${reason.slice(0, 30)}…` : reason;
        const width = this.#widthOf(text);
        // Its end is at its right edge, as a flag hangs from its mast.
        return { text, width, x: scale.x(endMs) - width, weight: endMs };
      });
    const row = (wishes, y, kind) =>
      placed(wishes, scale.width).map(({ x, text }) =>
        svgElement('text', { class: kind, x: x.toFixed(1), y }, text),
      );
    this.#texts.replaceChildren(
      ...row(gaps, top - 7, 'gap-length'),
      ...row(reasons, top + bandHeight + 14, 'reason'),
    );
  }

  #drawAxis(fromMs, nowMs, { width, x }) {
    const { stepMs, ticks } = ticksOf(fromMs, nowMs, width);
    const y = top + bandHeight + bottom;
    const line = svgElement('line', { x1: 0, x2: width, y1: y, y2: y });
    const marks = ticks.flatMap((at) => {
      const text = tickText(at, stepMs);
      const middle = x(at);
      const half = this.#widthOf(text) / 2;
      const mark = svgElement('line', { x1: middle, x2: middle, y1: y, y2: y + 4 });
      if (middle < half || middle > width - half - 34) return [mark];
      return [mark, svgElement('text', { class: 'tick', x: middle, y: y + 16 }, text)];
    });
    const now = svgElement('text', { class: 'now', x: width, y: y + 16 }, 'now');
    this.#ticks.replaceChildren(line, ...marks, now);
  }

  #walk(event) {
    const at = this.#items.findIndex(({ key }) => key === this.#current);
    const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.#items.length - 1 };
    const to = this.#items[steps[event.key]];
    if (to === undefined) return;
    event.preventDefault();
    this.#current = to.key;
    for (const bar of this.#bars.children) {
      const isIt = bar.dataset.key === to.key;
      put(bar, 'tabindex', isIt ? 0 : -1);
      if (isIt) bar.focus();
    }
  }

  #widthOf(text, weight = 400) {
    const key = `${weight} ${text}`;
    const known = this.#widths.get(key);
    if (known !== undefined) return known;
    const { fontSize, fontFamily } = getComputedStyle(this.#svg);
    this.#pen.font = `${weight} ${fontSize} ${fontFamily}`;
    if (this.#widths.size > 2000) this.#widths.clear();
    const width = this.#pen.measureText(text).width;
    this.#widths.set(key, width);
    return width;
  }
}

const order = { term: 0, gap: 1 };
