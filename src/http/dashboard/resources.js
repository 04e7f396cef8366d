/** Who holds which resource, and who waits for it in which order. */
import { byId, element, rebuild, since } from './elements.js';
import { count, modeText } from './words.js';

const heads = ['What', 'Owner', 'Process', 'How', 'For', 'Why'];

export function showResources({ holdings, waitings, held, waited }) {
  const found = resourcesOf(holdings, waitings);
  byId('no-resources').hidden = found.length > 0;
  byId('resource-table').hidden = found.length === 0;
  const left = held + waited - holdings.length - waitings.length;
  rebuild(byId('resource-table'), [found, held, waited], () => [
    tableOf(found, held, waited, left),
  ]);
}

/** What somebody waits for comes first: it is what one looks for at night. */
function resourcesOf(holdings, waitings) {
  const found = new Map();
  const at = (resource) => {
    const one = found.get(resource) ?? { resource, holders: [], waiters: [] };
    found.set(resource, one);
    return one;
  };
  for (const holding of holdings) at(holding.resource).holders.push(stable(holding));
  for (const waiting of waitings) at(waiting.resource).waiters.push(stable(waiting));
  return [...found.values()].sort(
    (one, other) =>
      other.waiters.length - one.waiters.length || (one.resource < other.resource ? -1 : 1),
  );
}

/** Without what changes all the time, so that rows are only made anew when something has happened. */
const stable = ({ owner, label, mode, slot, since: from, details, request }) => ({
  owner,
  label,
  mode,
  slot,
  since: from,
  reason: details?.reason ?? null,
  ttlMs: details?.ttlMs ?? null,
  request,
});

/** Roles are said as well: where the table is laid out as a list, browsers forget that it is one. */
function tableOf(found, held, waited, left) {
  const facts = `${count(held, 'hold', 'holds')}, ${count(waited, 'wait', 'waits')}`;
  const more = left > 0 ? `; ${left} of them are not shown, and lockd locks tells all` : '';
  return element(
    'table',
    { class: 'stacks', role: 'table' },
    element('caption', {}, `${facts}${more}`),
    element(
      'thead',
      { role: 'rowgroup' },
      row({}, ...heads.map((head) => element('th', { scope: 'col', role: 'columnheader' }, head))),
    ),
    ...found.map(groupOf),
  );
}

function groupOf({ resource, holders, waiters }) {
  const head = { scope: 'rowgroup', role: 'rowheader', colspan: heads.length };
  return element(
    'tbody',
    { role: 'rowgroup' },
    row({ class: 'group' }, element('th', head, resource)),
    ...holders.map((holder) => standingRow('holds', holder)),
    ...waiters.map((waiter, index) => standingRow(`waits, ${ordinal(index + 1)}`, waiter)),
  );
}

function standingRow(what, { owner, label, mode, slot, since: from, reason }) {
  const kind = what === 'holds' ? 'holds' : 'waits';
  const cells = [
    element('span', { class: `tag ${kind}` }, what),
    ownerText(owner),
    label ?? '',
    modeText(mode, kind === 'holds' ? slot : undefined),
    since(from),
    reason ?? '',
  ];
  return row(
    {},
    ...cells.map((cell, index) =>
      element('td', { role: 'cell', 'data-head': heads[index], 'data-none': cell === '' }, cell),
    ),
  );
}

/** Who has not been given a name has a long number, of which the beginning is enough. */
const ownerText = (owner) =>
  /^#[0-9a-f-]{36}$/.test(owner)
    ? element('span', { title: owner }, `${owner.slice(0, 9)}…`)
    : owner;

const row = (attributes, ...cells) => element('tr', { role: 'row', ...attributes }, ...cells);

const ordinal = (number) =>
  number === 1 ? 'next' : number === 2 ? '2nd' : number === 3 ? '3rd' : `${number}th`;
