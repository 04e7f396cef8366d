/** What a timeline shows: terms and the times without one, cut to a window. Times are the server's, in ms. */
import { reasonText } from './words.js';

/**
 * `terms` as the server tells them, the oldest first; `leader` as the latest picture has it, because a
 * leader that is silent has not ended its term.
 */
export function itemsOf(terms, leader, fromMs, nowMs) {
  const items = [];
  let endOfLast;
  for (const term of terms) {
    const isLast = term === terms.at(-1);
    const startedAt = Date.parse(term.startedAt);
    const endedAt = endOf(term, isLast, leader);
    if (term.gapMs > 0) items.push(gap(startedAt - term.gapMs, startedAt, false));
    else if (term.gapMs === null && endOfLast < startedAt) {
      items.push(gap(endOfLast, startedAt, false));
    }
    items.push({
      is: 'term',
      key: `term ${term.token}`,
      token: term.token,
      label: term.label,
      instance: term.instance,
      startMs: startedAt,
      endMs: endedAt ?? nowMs,
      isOpen: endedAt === undefined,
      reason: endedAt === undefined ? undefined : reasonOf(term),
    });
    endOfLast = endedAt;
  }
  if (endOfLast !== undefined && endOfLast < nowMs) items.push(gap(endOfLast, nowMs, true));
  return items
    .filter(({ endMs }) => endMs > fromMs)
    .map((item) => ({ ...item, fromMs: Math.max(fromMs, item.startMs) }));
}

const gap = (startMs, endMs, isOpen) => ({
  is: 'gap',
  key: `gap ${startMs}`,
  startMs,
  endMs,
  isOpen,
});

function endOf({ endedAt, token }, isLast, leader) {
  if (endedAt !== null) return Date.parse(endedAt);
  const isLeaders = isLast && leader?.token === token;
  // As its successor will count it: from the last beat.
  if (isLeaders && leader.state === 'silent') return Date.parse(leader.lapsesAt) - leader.ttlMs;
  if (isLeaders && leader.endedAt !== null) return Date.parse(leader.endedAt);
  return undefined;
}

const reasonOf = ({ reason, endedAt }) => (endedAt === null ? 'silent' : reasonText(reason));

/** How long nobody led in the window, as far as anything is known of it. */
export function tallyOf(items) {
  const gaps = items.filter(({ is }) => is === 'gap');
  const lengths = gaps.map(({ fromMs, endMs }) => endMs - fromMs);
  return {
    terms: items.length - gaps.length,
    gaps: gaps.length,
    gapMs: lengths.reduce((sum, each) => sum + each, 0),
    longestMs: Math.max(0, ...lengths),
  };
}

const hues = 6;

/**
 * Colours and letters by label. A label has the colour it hashes to, so that it is the same tomorrow, or
 * the next free one where another label on the page has that.
 */
export class Liveries {
  #byLabel = new Map();

  of(label) {
    const known = this.#byLabel.get(label);
    if (known !== undefined) return known;
    const taken = [...this.#byLabel.values()].map(({ hue }) => hue);
    let hue = hashOf(label) % hues;
    for (let tries = 0; taken.includes(hue) && tries < hues; tries += 1) hue = (hue + 1) % hues;
    const livery = { hue, letter: letterOf(this.#byLabel.size) };
    this.#byLabel.set(label, livery);
    return livery;
  }
}

/** A, B, … Z, AA, AB, … */
const letterOf = (index) =>
  (index >= 26 ? letterOf(Math.floor(index / 26) - 1) : '') +
  String.fromCharCode(65 + (index % 26));

/** FNV-1a. */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}

/** Puts texts in a row so that none covers another; the weightiest are placed first. */
export function placed(wishes, width) {
  const taken = [];
  const found = [];
  for (const wish of [...wishes].sort((one, other) => other.weight - one.weight)) {
    if (wish.width > width) continue;
    const x = Math.min(Math.max(wish.x, 0), width - wish.width);
    const isFree = taken.every(([from, to]) => x + wish.width + 8 <= from || to + 8 <= x);
    if (!isFree) continue;
    taken.push([x, x + wish.width]);
    found.push({ ...wish, x });
  }
  return found;
}

const minute = 60_000;
const hour = 60 * minute;
const steps = [
  5 * minute,
  10 * minute,
  30 * minute,
  hour,
  2 * hour,
  4 * hour,
  6 * hour,
  24 * hour,
  48 * hour,
];

/** Round times of day, as the browser's zone has them, with room for their texts. */
export function ticksOf(fromMs, nowMs, width, textWidth = 64) {
  const stepMs =
    steps.find((step) => ((nowMs - fromMs) / step) * textWidth <= width) ?? steps.at(-1);
  const zoneMs = new Date(nowMs).getTimezoneOffset() * minute;
  const ticks = [];
  for (let at = Math.ceil((fromMs - zoneMs) / stepMs) * stepMs + zoneMs; at < nowMs; at += stepMs) {
    ticks.push(at);
  }
  return { stepMs, ticks };
}
