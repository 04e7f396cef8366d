/** Who led when, name by name: the drawing, what it comes to, and the same as a table. */
import { byId, copyOf, element, put, Rows, rebuild, write } from './elements.js';
import { Lane } from './lane.js';
import { itemsOf, Liveries, tallyOf } from './terms.js';
import { count, span, timeOfDay } from './words.js';

const hour = 3_600_000;
const ranges = {
  '1h': { ms: hour, text: 'the last hour' },
  '6h': { ms: 6 * hour, text: 'the last 6 hours' },
  '24h': { ms: 24 * hour, text: 'the last 24 hours' },
  '168h': { ms: 168 * hour, text: 'the last 7 days' },
};

const retryMs = 5_000;
const mostRows = 500;

export class Timeline {
  #page;
  #rows;
  #range = '1h';
  #names = [];
  #isLoading = false;

  constructor(page) {
    this.#page = page;
    const liveries = new Liveries();
    this.#rows = new Rows(byId('lanes'), () => new NameLane(page, liveries));
    byId('ranges').addEventListener('change', ({ target }) => {
      this.#range = target.value;
      this.show(this.#names);
    });
    new ResizeObserver(() => this.show(this.#names)).observe(byId('lanes'));
  }

  show(names) {
    this.#names = names;
    byId('terms').hidden = names.length === 0;
    const range = { since: this.#range, ...ranges[this.#range] };
    this.#rows.show(
      names.map((status) => ({ status, range })),
      ({ status }) => status.name,
    );
    void this.#load();
  }

  /** One question at a time, for names of which more may be known than is drawn. */
  async #load() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    try {
      for (;;) {
        const lane = this.#rows.all.find((each) => each.isDue);
        if (lane === undefined) return;
        await lane.load(this.#page.server);
      }
    } finally {
      this.#isLoading = false;
    }
  }
}

class NameLane {
  #parts;
  #page;
  #lane;
  #liveries;
  #status;
  #range;
  #terms;
  #loaded;
  #failure;
  #retryAt = 0;
  #drawn = {};
  #items = [];
  #chosen;

  constructor(page, liveries) {
    const { root, parts } = copyOf('lane');
    this.root = root;
    this.#parts = parts;
    this.#page = page;
    this.#liveries = liveries;
    this.#lane = new Lane(parts.drawing, liveries, (key) => {
      this.#chosen = key;
      this.#showDetail();
    });
  }

  /** What is known is of this: other news of the name, another term or its end, asks for more. */
  get #wanted() {
    const { leader } = this.#status;
    return [this.#range.since, leader?.token, leader?.endedAt].join();
  }

  get isDue() {
    if (this.#failure !== undefined && performance.now() < this.#retryAt) return false;
    return this.#loaded !== this.#wanted;
  }

  async load(server) {
    const wanted = this.#wanted;
    const query = new URLSearchParams({ name: this.#status.name, since: this.#range.since });
    try {
      this.#terms = (await server.json(`history?${query}`)).terms;
      this.#failure = undefined;
      this.#loaded = wanted;
    } catch (error) {
      this.#failure = error.message;
      this.#retryAt = performance.now() + retryMs;
    }
    this.#drawn = {};
    this.#draw();
  }

  show({ status, range }) {
    this.#status = status;
    this.#range = range;
    write(this.#parts.name, status.name);
    put(this.root, 'aria-label', `Terms of ${status.name}`);
    this.#draw();
  }

  #draw() {
    const parts = this.#parts;
    if (this.#terms === undefined) return this.#showDetail();
    const { leader, name } = this.#status;
    const nowMs = this.#page.serverNow();
    const fromMs = nowMs - this.#range.ms;
    const items = itemsOf(this.#terms, leader, fromMs, nowMs);
    const width = this.#lane.width;
    const pixels = Math.round((nowMs / this.#range.ms) * width);
    const isOpenGap = items.at(-1)?.is === 'gap';
    const key = [pixels, width, this.#range.ms, items.length, items.at(-1)?.key].join();
    if (this.#drawn.key === key && !isOpenGap) return;
    this.#drawn = { key };
    this.#items = items;
    const title = `Terms of ${name}, ${this.#range.text}`;
    this.#lane.draw(items, fromMs, nowMs, title, (item) => describe(item, nowMs));
    this.#showLegend(items);
    this.#showDetail();
    put(parts.table, 'aria-label', title);
    put(parts.table, 'tabindex', 0); // it scrolls
    rebuild(parts.table, [this.#terms, this.#range.ms, leader?.token, leader?.endedAt], () => [
      tableOf(items, title, nowMs),
    ]);
  }

  #showLegend(items) {
    const led = new Map();
    for (const { is, label, fromMs, endMs } of items) {
      if (is === 'term') led.set(label, (led.get(label) ?? 0) + endMs - fromMs);
    }
    const entries = [...led].map(([label, ms]) => ({ label, ms: span(ms) }));
    rebuild(this.#parts.legend, entries, () =>
      entries.map(({ label, ms }) => {
        const { hue, letter } = this.#liveries.of(label);
        const swatch = element('span', { class: `swatch hue-${hue}` }, letter);
        return element(
          'li',
          {},
          swatch,
          element('span', { class: 'label' }, label),
          element('span', { class: 'facts' }, `led ${ms}`),
        );
      }),
    );
  }

  /** Of what is pointed at; else what all of it comes to. */
  #showDetail() {
    const item = this.#items.find(({ key }) => key === this.#chosen);
    const tally = this.#terms === undefined ? 'Asking…' : tallyText(this.#items, this.#range);
    const detail = item === undefined ? tally : describe(item, this.#page.serverNow());
    write(this.#parts.detail, this.#failure ?? detail);
    put(this.#parts.detail, 'data-is', this.#failure !== undefined ? 'failed' : undefined);
  }
}

function describe({ is, label, token, startMs, endMs, isOpen, reason }, nowMs) {
  const from = timeOfDay(startMs, nowMs);
  const to = timeOfDay(endMs, nowMs);
  const length = span(endMs - startMs);
  if (is === 'gap') {
    return isOpen
      ? `No leader since ${from}, for ${length} now`
      : `No leader for ${length}, until ${to}`;
  }
  if (isOpen) return `${label} leads since ${from}, for ${length} now, with token ${token}`;
  return `${label} led for ${length}, from ${from} to ${to}, with token ${token}: ${reason}`;
}

function tallyText(items, { text }) {
  const { terms, gaps, gapMs, longestMs } = tallyOf(items);
  if (items.length === 0) return `No term in ${text}`;
  const led = count(terms, 'term', 'terms');
  if (gaps === 0) return `${led}, no time without a leader`;
  const without = `${led}, ${span(gapMs)} without a leader`;
  const longest = span(longestMs);
  return longest === span(gapMs) ? without : `${without}, ${longest} at the longest`;
}

/** The latest first. */
function tableOf(items, title, nowMs) {
  const rows = items
    .toReversed()
    .slice(0, mostRows)
    .map((item) => rowOf(item, nowMs));
  const left = items.length - rows.length;
  const more = left > 0 ? `; ${left} earlier ones are left out` : '';
  const heads = ['Leader', 'From', 'Until', 'For', 'Why it ended', 'Token'];
  return element(
    'table',
    {},
    element('caption', {}, `${title}, the latest first${more}`),
    element(
      'thead',
      {},
      element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head))),
    ),
    element('tbody', {}, ...rows),
  );
}

function rowOf({ is, label, token, startMs, endMs, isOpen, reason }, nowMs) {
  const times = [timeOfDay(startMs, nowMs), isOpen ? 'now' : timeOfDay(endMs, nowMs)];
  const length = isOpen ? '' : span(endMs - startMs);
  const cells = (from, until, lasted, why, itsToken) => [
    ...[from, until, lasted].map((text) => element('td', {}, text)),
    element('td', { class: 'why' }, why),
    element('td', {}, itsToken),
  ];
  if (is === 'gap') {
    const head = element('th', { scope: 'row' }, 'nobody');
    return element('tr', { class: 'gap-row' }, head, ...cells(...times, length, '', ''));
  }
  const head = element('th', { scope: 'row' }, label);
  return element('tr', {}, head, ...cells(...times, length, isOpen ? 'leads' : reason, token));
}
