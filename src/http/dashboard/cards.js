/** A card per name: who leads, for how much longer without another beat, who waits, what is wrong. */
import { copyOf, element, put, Rows, rebuild, since, write } from './elements.js';
import { reasonText, span, timeOfDay } from './words.js';

const states = {
  leading: { mark: '●', text: 'led' },
  silent: { mark: '▲', text: 'leader silent' },
  ended: { mark: '○', text: 'nobody leads' },
  never: { mark: '○', text: 'never led' },
  unused: { mark: '–', text: 'not in use' },
};

/** A clock that is further off than this is worth a word. */
const oddClockMs = 1000;

export class Cards {
  #rows;

  constructor(parent, page) {
    this.#rows = new Rows(parent, () => new Card(page));
  }

  show(names) {
    this.#rows.show(names, ({ name }) => name);
  }

  /** Several times a second. `isCurrent`: what was seen last is still fresh. */
  tick(isCurrent) {
    for (const card of this.#rows.all) card.tick(isCurrent);
  }
}

class Card {
  #parts;
  #page;
  #status;
  #faults;
  #sweep;
  #isCurrent = true;

  constructor(page) {
    const { root, parts } = copyOf('card');
    this.root = root;
    this.#parts = parts;
    this.#page = page;
    this.#faults = new Rows(parts.faults, () => new FaultItem());
    const offer = (button, ask) =>
      button.addEventListener('click', () => {
        if (!button.hasAttribute('aria-disabled')) ask(this.#status);
      });
    offer(parts.resign, (status) => page.askToResign(status));
    offer(parts['hand-off'], (status) => page.askToHandOff(status));
  }

  show(status) {
    const before = this.#status;
    this.#status = status;
    const { name, leader, waiting, faults, isLed, isInUse } = status;
    const parts = this.#parts;
    const state = isInUse ? (leader?.state ?? 'never') : 'unused';
    put(this.root, 'data-state', state);
    put(this.root, 'aria-label', name);
    write(parts.name, name);
    rebuild(parts.state, state, () => [
      element('span', { 'aria-hidden': 'true' }, states[state].mark),
      ` ${states[state].text}`,
    ]);
    this.#faults.show(faults, ({ code, about }) => `${code} ${about}`);
    parts.faults.hidden = faults.length === 0;
    this.#showLeader(status);
    write(parts['waiting-title'], waiting.length === 0 ? 'Waiting' : `Waiting (${waiting.length})`);
    rebuild(parts.waiting, [waiting, isLed], () => waitingItems(status));
    const isSameBeat =
      before?.leader?.token === leader?.token && before?.leader?.lapsesAt === leader?.lapsesAt;
    if (!isSameBeat || this.#sweep === undefined) this.#restartSweep();
    this.#offerOrders();
  }

  #showLeader({ leader, isLed, readAt }) {
    const parts = this.#parts;
    write(parts.who, isLed ? leader.label : 'Nobody leads');
    const { instance, host, pid, state } = leader ?? {};
    const isHere = instance !== undefined && instance === this.#page.servedBy?.instance;
    const version = leader?.version && `lockd ${leader.version}`;
    const where = [host, pid && `pid ${pid}`, leader?.appVersion, version].filter(Boolean);
    if (isHere) where.push('serves this page');
    rebuild(parts.where, [isLed, leader?.label, where, state, leader?.endedReason], () => {
      if (isLed) return [where.join(' · ')];
      if (leader === null) return ['Nobody ever has.'];
      if (state === 'silent') return [`${leader.label} led last, and no beat of it comes.`];
      return [`${leader.label} led last: ${reasonText(leader.endedReason)}.`];
    });
    parts.lease.hidden = !isLed;
    if (isLed) write(parts.ttl, `of ${span(leader.ttlMs)}`);
    const facts = leader === null ? {} : factsOf(leader, Date.parse(readAt));
    rebuild(parts.facts, facts, () =>
      Object.entries(facts).flatMap(([term, value]) => [
        element('dt', {}, term),
        element('dd', {}, ...[value].flat().map((it) => (it?.since ? since(it.since) : it))),
      ]),
    );
  }

  /** What cannot be asked now keeps its place in the order of the keyboard. */
  #offerOrders() {
    const { isLed, waiting } = this.#status;
    const { resign, 'hand-off': handOff } = this.#parts;
    const canResign = isLed && this.#isCurrent;
    const hasHeir = waiting.some(({ isEligible }) => isEligible);
    put(resign, 'aria-disabled', canResign ? undefined : 'true');
    put(handOff, 'aria-disabled', canResign && hasHeir ? undefined : 'true');
  }

  /** By the server's clock alone: what was left when it looked, less what has passed here since. */
  get #leftMs() {
    const { leader, readAt } = this.#status;
    const leftThenMs = Date.parse(leader.lapsesAt) - Date.parse(readAt);
    return Math.max(0, leftThenMs - this.#page.sinceSeenMs());
  }

  tick(isCurrent) {
    if (this.#status === undefined) return;
    if (isCurrent !== this.#isCurrent) {
      this.#isCurrent = isCurrent;
      put(this.root, 'data-stale', !isCurrent);
      this.#restartSweep();
      this.#offerOrders();
    }
    const { leader, isLed } = this.#status;
    if (!isLed) return;
    const leftMs = this.#leftMs;
    write(this.#parts.left, isCurrent ? `${(leftMs / 1000).toFixed(1)} s` : 'not known');
    put(this.#parts.lease, 'data-low', isCurrent && leftMs < leader.ttlMs / 3);
    if (this.#page.isStill()) this.#parts.fill.style.transform = `scaleX(${leftMs / leader.ttlMs})`;
  }

  /** The browser moves the bar from here on; the next beat starts it anew. */
  #restartSweep() {
    this.#sweep?.cancel();
    this.#sweep = undefined;
    const { leader, isLed } = this.#status;
    const { fill } = this.#parts;
    if (!isLed || !this.#isCurrent || this.#page.isStill()) {
      fill.style.transform = isLed && this.#isCurrent ? '' : 'scaleX(0)';
      return;
    }
    const leftMs = this.#leftMs;
    fill.style.transform = 'scaleX(0)';
    this.#sweep = fill.animate(
      [{ transform: `scaleX(${leftMs / leader.ttlMs})` }, { transform: 'scaleX(0)' }],
      { duration: leftMs, easing: 'linear' },
    );
  }
}

/** Values are texts, and `{ since }` for an age that is counted on. */
function factsOf({ token, state, since: tookOver, endedAt, lapsesAt, heartbeatMs, ttlMs }, nowMs) {
  const at = (iso) => timeOfDay(Date.parse(iso), nowMs);
  if (state === 'leading') {
    return {
      Leads: [{ since: tookOver }, `, since ${at(tookOver)}`],
      Beats: `every ${span(heartbeatMs)}`,
      Token: token,
    };
  }
  const lastBeat = new Date(Date.parse(lapsesAt) - ttlMs).toISOString();
  const until = endedAt ?? lastBeat;
  return {
    [endedAt === null ? 'Last beat' : 'Ended']: [{ since: until }, ` ago, at ${at(until)}`],
    Led: `${span(Date.parse(until) - Date.parse(tookOver))}, since ${at(tookOver)}`,
    Token: token,
  };
}

function waitingItems({ waiting, isLed }) {
  if (waiting.length === 0) {
    const text = isLed
      ? 'Nobody. If the leader stops, nobody takes over.'
      : 'Nobody is here to lead.';
    return [element('li', { class: 'alone' }, text)];
  }
  return waiting.map(waitingItem);
}

function waitingItem(instance) {
  const { label, host, pid, version, appVersion, priority, isEligible, clockOffsetMs } = instance;
  const facts = [
    `${host} · pid ${pid}`,
    appVersion,
    typeof priority === 'number' && `priority ${priority}`,
    `lockd ${version}`,
    Math.abs(clockOffsetMs ?? 0) > oddClockMs &&
      `clock ${clockOffsetMs > 0 ? 'ahead' : 'behind'} by ${span(Math.abs(clockOffsetMs))}`,
  ].filter(Boolean);
  return element(
    'li',
    {},
    element('span', { class: 'label' }, label),
    isEligible === false ? element('span', { class: 'tag' }, 'only observes') : undefined,
    element('span', { class: 'facts' }, `${facts.join(' · ')} · for `, since(instance.since)),
  );
}

/** What is wrong, and the command that mends it; where the browser lets nobody copy, it is selected. */
class FaultItem {
  #code = element('strong', {});
  #message = element('span', {});
  #remedy = element('code', {});
  #copy = element('button', { type: 'button' }, 'Copy');
  #box = element('div', { class: 'remedy' }, element('pre', {}, this.#remedy), this.#copy);

  constructor() {
    this.root = element('li', {}, element('p', {}, this.#code, ' ', this.#message), this.#box);
    this.#copy.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(this.#remedy.textContent);
        write(this.#copy, 'Copied');
      } catch {
        getSelection().selectAllChildren(this.#remedy);
        write(this.#copy, 'Selected');
      }
    });
  }

  show({ code, message, remedy }) {
    write(this.#code, code);
    write(this.#message, message);
    this.#box.hidden = !remedy;
    if (this.#remedy.textContent === (remedy ?? '')) return;
    write(this.#remedy, remedy ?? '');
    write(this.#copy, 'Copy');
  }
}

/** One sentence for people who only want to know whether they may go back to sleep. */
export function summaryOf(names) {
  const used = names.filter(({ isInUse }) => isInUse);
  if (used.length === 0) return 'No name is in use.';
  const free = used.filter(({ isLed }) => !isLed);
  if (free.length > 0) {
    const some = free.length === used.length ? '' : ` (${free.length} of ${used.length} names)`;
    return `Nobody leads ${listOf(free)}${some}.`;
  }
  const odd = names.filter(({ faults }) => faults.length > 0);
  const [first] = used;
  const among = used.length === names.length ? 'names' : 'names in use';
  const led =
    used.length === 1
      ? `${first.leader.label} leads ${first.name}`
      : `All ${used.length} ${among} are led`;
  if (odd.length === 0) return `${led}.`;
  return `${led}, and something is wrong with ${listOf(odd)}.`;
}

const listOf = (names) => {
  const shown = names.slice(0, 3).map(({ name }) => name);
  return names.length > shown.length ? `${shown.join(', ')}, …` : shown.join(', ');
};
