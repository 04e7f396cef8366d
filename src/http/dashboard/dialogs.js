/** What asks first: orders to a leader, and the token. A dialog gives the focus back to where it was. */
import { byId, element, put, write } from './elements.js';
import { reasonText, span } from './words.js';

export class OrderDialog {
  #dialog = byId('order');
  #server;
  #order;
  #isAsking = false;

  constructor(server) {
    this.#server = server;
    byId('order-cancel').addEventListener('click', () => this.#dialog.close());
    this.#dialog.querySelector('form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#carryOut();
    });
  }

  resign({ name, leader, waiting }) {
    const next = waiting.filter(({ isEligible }) => isEligible).length;
    this.#open({
      name,
      token: leader.token,
      title: `Ask ${leader.label} to resign?`,
      text: `It closes its gate, finishes what it has begun, and lets go of ${name}. Whoever is next takes over.`,
      caution: next === 0 ? 'Nobody waits: nobody will lead until an instance is there.' : '',
      verb: 'Resign',
      heirs: [],
      send: () => this.#server.post('resign', { name, wait: true }),
      outcome: (answer) => resignedText(name, answer),
    });
  }

  handOff({ name, leader, waiting }) {
    this.#open({
      name,
      token: leader.token,
      title: `Hand ${name} off?`,
      text: `${leader.label} finishes what it has begun as soon as its successor is ready, and the seat goes to that one and no other.`,
      caution: '',
      verb: 'Hand off',
      heirs: waiting,
      send: (to) => this.#server.post('handoff', to === '' ? { name, newest: true } : { name, to }),
      outcome: (answer) => handedOverText(name, answer),
    });
  }

  /** An order is for the leader that was shown when it was thought of, and for no other. */
  see(names) {
    if (!this.#dialog.open || this.#isAsking || byId('order-do').hidden) return;
    const { name, token } = this.#order;
    const status = names.find((each) => each.name === name);
    if (status?.isLed && status.leader.token === token) return;
    const now = status?.isLed ? `${status.leader.label} leads` : 'nobody leads';
    this.#say('done', 'failed', `Meanwhile ${now} ${name}. Nothing was asked.`);
  }

  #open(order) {
    this.#order = order;
    this.#isAsking = false;
    write(byId('order-title'), order.title);
    write(byId('order-text'), order.text);
    write(byId('order-caution'), order.caution);
    byId('order-caution').hidden = order.caution === '';
    write(byId('order-outcome'), '');
    put(byId('order-outcome'), 'data-is', undefined);
    write(byId('order-cancel'), 'Cancel');
    write(byId('order-do'), order.verb);
    byId('order-do').hidden = false;
    byId('order-choice').hidden = order.heirs.length === 0;
    byId('order-heirs').replaceChildren(
      heirChoice('', 'The newest', 'chosen by priority and version', true),
      ...order.heirs.map(({ instance, label, host, pid, appVersion, isEligible }) => {
        const facts = [appVersion, host, `pid ${pid}`].filter(Boolean).join(' · ');
        return isEligible
          ? heirChoice(instance, label, facts, false)
          : heirChoice(instance, label, `${facts} · only observes`, false, true);
      }),
    );
    this.#dialog.showModal();
    // Whoever presses Enter without having read changes nothing.
    byId('order-cancel').focus();
  }

  async #carryOut() {
    if (this.#isAsking || byId('order-do').hidden) return;
    this.#isAsking = true;
    const order = this.#order;
    const form = new FormData(this.#dialog.querySelector('form'));
    this.#say('', 'asking', 'Asked. Waiting for the answer…');
    try {
      const answer = await order.send(form.get('heir') ?? '');
      if (order === this.#order) this.#say('done', ...order.outcome(answer));
    } catch (error) {
      if (order === this.#order) this.#say('', 'failed', error.message);
    }
    if (order === this.#order) this.#isAsking = false;
  }

  #say(stage, is, text) {
    put(byId('order-outcome'), 'data-is', is);
    write(byId('order-outcome'), text);
    if (stage !== 'done') return;
    byId('order-do').hidden = true;
    byId('order-choice').hidden = true;
    write(byId('order-cancel'), 'Close');
    if (this.#dialog.open) byId('order-cancel').focus();
  }
}

function heirChoice(value, label, facts, isChecked, isDisabled = false) {
  const box = { type: 'radio', name: 'heir', value, checked: isChecked, disabled: isDisabled };
  return element(
    'label',
    {},
    element('input', box),
    element('span', { class: 'label' }, label),
    element('span', { class: 'facts' }, facts),
  );
}

const labelOf = (who) => (typeof who === 'string' ? who : (who?.label ?? 'it'));

/** How it went, and in which words. */
function resignedText(name, { outcome, asked, tookMs, status, isHeard }) {
  const deaf = isHeard === false ? ' Its control session is lost, so it may not have heard.' : '';
  if (outcome === 'nobody') return ['failed', `Nobody leads ${name}: there is nobody to ask.`];
  if (outcome === 'asked') return ['done', `${labelOf(asked)} was asked.${deaf}`];
  if (outcome === 'timed-out') {
    return ['failed', `${labelOf(asked)} has not let go after ${span(tookMs)}.${deaf}`];
  }
  const took = tookMs === null || tookMs === undefined ? '' : ` in ${span(tookMs)}`;
  const next = status?.isLed ? `${labelOf(status.leader)} leads now.` : 'Nobody leads now.';
  return ['done', `${labelOf(asked)} resigned${took}. ${status === undefined ? '' : next}`.trim()];
}

function handedOverText(name, { outcome, from, to, tookMs, gapMs, reason, status }) {
  if (outcome === 'handed-over') {
    const took = typeof tookMs === 'number' ? ` in ${span(tookMs)}` : '';
    const gap = typeof gapMs === 'number' ? `, ${span(gapMs)} of it without a leader` : '';
    return ['done', `${labelOf(to)} leads ${name} now; ${labelOf(from)} handed over${took}${gap}.`];
  }
  if (outcome === 'asked') return ['done', `${labelOf(to)} was asked to get ready.`];
  const texts = {
    declined: `${labelOf(to)} is not ready: ${reasonText(reason)}. ${labelOf(from)} leads on.`,
    returned: `${labelOf(to)} did not come. ${labelOf(status?.leader ?? from)} leads.`,
    nobody: `Nobody leads ${name}: there is nothing to hand off.`,
    'no-candidate': 'Nobody of that kind waits: nothing was done.',
    'timed-out': 'It was not handed over in time. The card says who leads.',
  };
  return ['failed', texts[outcome] ?? `The answer was: ${outcome}`];
}

/** Asks for the token, and resolves when there is another one to be tried. */
export class TokenDialog {
  #dialog = byId('token');
  #button = byId('enter-token');
  #server;
  #given;

  constructor(server) {
    this.#server = server;
    this.#button.addEventListener('click', () => this.#dialog.showModal());
    byId('token-cancel').addEventListener('click', () => this.#dialog.close());
    this.#dialog.querySelector('form').addEventListener('submit', (event) => {
      event.preventDefault();
      const field = byId('token-field');
      const token = field.value.trim();
      if (!/^[!-~]+$/.test(token)) return this.#refuse('A token has no spaces and no umlauts.');
      this.#server.setToken(token);
      field.value = '';
      this.#button.hidden = true;
      this.#dialog.close();
      this.#given?.();
    });
  }

  #refuse(text) {
    write(byId('token-refused'), text);
    put(byId('token-refused'), 'data-is', 'failed');
  }

  ask() {
    this.#refuse(this.#server.hasToken ? 'That token was refused.' : '');
    this.#button.hidden = false;
    if (!this.#dialog.open) this.#dialog.showModal();
    return new Promise((resolve) => {
      this.#given = resolve;
    });
  }
}
