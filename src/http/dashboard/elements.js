/**
 * How the page is written to. Labels, reasons and names are anybody's text: they become text nodes and
 * attribute values, and nothing of theirs is ever parsed.
 */

const svgNamespace = 'http://www.w3.org/2000/svg';

/** `element('p', { class: 'who' }, 'text', another)`; undefined and null are left out. */
export const element = (tag, attributes, ...children) =>
  dressed(document.createElement(tag), attributes, children);

export const svgElement = (tag, attributes, ...children) =>
  dressed(document.createElementNS(svgNamespace, tag), attributes, children);

function dressed(node, attributes = {}, children = []) {
  for (const [name, value] of Object.entries(attributes)) put(node, name, value);
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

/** Only where it changes: a selection and a reader's place are kept. */
export function put(node, name, value) {
  if (value === undefined || value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const text = value === true ? '' : String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const byId = (id) => document.getElementById(id);

/** A copy of a template, and its parts by the names they have there. */
export function copyOf(id) {
  const root = byId(id).content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const part of root.querySelectorAll('[data-is]')) parts[part.dataset.is] = part;
  return { root, parts };
}

/** A time by the server's clock whose age is counted on; see `tickAges`. */
export const since = (iso) => element('time', { datetime: iso, 'data-since': iso });

/**
 * Rows that stay the same elements as long as they have the same key, so that nobody loses the focus or a
 * selection to the next picture. `make` is called for a new key; what it returns has a `root`.
 */
export class Rows {
  #rows = new Map();
  #parent;
  #make;

  constructor(parent, make) {
    this.#parent = parent;
    this.#make = make;
  }

  show(items, keyOf) {
    const keys = new Set(items.map(keyOf));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.root.remove();
      this.#rows.delete(key);
    }
    let place = this.#parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      const row = this.#rows.get(key) ?? this.#make(item);
      this.#rows.set(key, row);
      if (row.root === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(row.root, place);
      row.show(item);
    }
  }

  get all() {
    return [...this.#rows.values()];
  }
}

/** Rebuilds what is inside only when what it is made of has changed. */
export function rebuild(parent, facts, build) {
  const key = JSON.stringify(facts);
  if (parent.shownFacts === key) return;
  parent.shownFacts = key;
  parent.replaceChildren(...build());
}
