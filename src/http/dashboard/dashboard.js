/** The page: what the server tells is shown, and nothing here decides who leads. */
import { Cards, summaryOf } from './cards.js';
import { OrderDialog, TokenDialog } from './dialogs.js';
import { byId, put, write } from './elements.js';
import { listen, messageOf, Server } from './feed.js';
import { showResources } from './resources.js';
import { Timeline } from './timeline.js';
import { age, timeOfDay, zoneText } from './words.js';

/** Pictures come every second; what is older than this is not what is. */
const freshMs = 3_500;

const lessMotion = matchMedia('(prefers-reduced-motion: reduce)');

class Page {
  server = new Server();
  servedBy;
  #picture;
  #seenAt;
  #serverMs;
  #line = { is: 'connecting', failures: 0 };
  #trouble;
  #refusal;
  #told = new Map();
  #orders = new OrderDialog(this.server);
  #token = new TokenDialog(this.server);
  #cards = new Cards(byId('cards'), this);
  #timeline = new Timeline(this);

  start() {
    write(byId('zone'), zoneText());
    setInterval(() => this.#tick(), 100);
    setInterval(() => this.#tickAges(), 1000);
    void listen(this.server, {
      tell: (line) => this.#hearOfLine(line),
      unlock: () => this.#token.ask(),
      heard: (event) => this.#hear(event),
    });
  }

  /** By this machine's monotonic clock: the one that people can set has no say here. */
  sinceSeenMs() {
    return performance.now() - this.#seenAt;
  }

  /** What the database's clock says now, as far as can be told from here. */
  serverNow() {
    return this.#serverMs + this.sinceSeenMs();
  }

  isStill() {
    return lessMotion.matches;
  }

  askToResign(status) {
    this.#orders.resign(status);
  }

  askToHandOff(status) {
    this.#orders.handOff(status);
  }

  #hear({ is, data }) {
    if (is !== 'picture' || data === undefined) return;
    if (data.error !== null && data.error !== undefined) {
      this.#trouble ??= { since: performance.now() };
      this.#trouble.message = messageOf(data);
    } else {
      this.#trouble = undefined;
      this.#show(data);
    }
    this.#tick();
  }

  #show(picture) {
    this.#picture = picture;
    this.#seenAt = performance.now();
    this.#serverMs = serverTimeOf(picture);
    const { locks } = picture;
    const names = picture.names.toSorted((one, other) => other.isInUse - one.isInUse);
    byId('names').hidden = false;
    byId('resources').hidden = false;
    byId('no-names').hidden = names.length > 0;
    this.#cards.show(names);
    this.#timeline.show(names);
    showResources(locks);
    this.#announce(names);
    this.#orders.see(names);
    this.#tickAges();
  }

  /** Said aloud: only who leads, and only when that changes. */
  #announce(names) {
    const news = [];
    for (const { name, isLed, leader } of names) {
      const now = isLed ? leader.token : 'nobody';
      const before = this.#told.get(name);
      this.#told.set(name, now);
      if (before === undefined || before === now) continue;
      news.push(isLed ? `${leader.label} leads ${name} now.` : `Nobody leads ${name}.`);
    }
    if (news.length > 0) write(byId('news'), news.join(' '));
  }

  #hearOfLine(line) {
    if (line.is === 'refused') this.#refusal = line.message;
    else this.#line = line;
    if (line.is === 'live') {
      this.#refusal = undefined;
      void this.#askWhoServes();
    }
    this.#tick();
  }

  async #askWhoServes() {
    try {
      this.servedBy = await this.server.json('status');
      write(byId('served-by'), `Served by ${this.servedBy.label}.`);
    } catch (error) {
      // Only a server that has no database to ask will never send a picture.
      if (error.status === 501) this.#refusal = error.message;
    }
  }

  #tick() {
    const { state, text, notice } = this.#situation();
    put(byId('connection'), 'data-state', state);
    write(byId('connection-text'), text);
    write(byId('notice'), notice ?? '');
    byId('notice').hidden = notice === undefined;
    put(document.body, 'data-stale', this.#picture !== undefined && !this.#isFresh);
    this.#showSummary();
    this.#showAge();
    this.#cards.tick(this.#isFresh);
    const title = this.#title(state);
    if (document.title !== title) document.title = title;
  }

  get #isFresh() {
    const isLive = this.#line.is === 'live' && this.#trouble === undefined;
    return this.#picture !== undefined && isLive && this.sinceSeenMs() < freshMs;
  }

  #situation() {
    const { is, failures } = this.#line;
    const old = this.#picture === undefined ? '' : ' What is below is what was seen last.';
    if (is === 'locked') return { state: 'locked', text: 'Waiting for a token' };
    if (is !== 'live') {
      if (failures === 0) return { state: 'connecting', text: 'Connecting' };
      const notice = `${this.#refusal ?? 'No connection to this server.'} It is tried again.${old}`;
      return { state: 'lost', text: 'Reconnecting', notice };
    }
    if (this.#trouble !== undefined) {
      const { since, message } = this.#trouble;
      const length = age(performance.now() - since);
      const notice = `This server has not reached the database for ${length}: ${sentence(message)}${old}`;
      return { state: 'away', text: 'Database away', notice };
    }
    if (this.#picture === undefined) {
      if (this.#refusal === undefined) return { state: 'connecting', text: 'Connected' };
      return { state: 'away', text: 'No database', notice: this.#refusal };
    }
    if (!this.#isFresh) {
      return {
        state: 'late',
        text: 'Late',
        notice: `No picture for ${age(this.sinceSeenMs())}.${old}`,
      };
    }
    return { state: 'live', text: 'Live' };
  }

  #showSummary() {
    if (this.#picture === undefined) return;
    const { names } = this.#picture;
    const text = names.length === 0 ? '' : summaryOf(names);
    byId('summary').hidden = text === '';
    write(byId('summary'), this.#isFresh ? text : `Last seen: ${text}`);
    put(byId('summary'), 'data-ill', this.#isFresh && names.some(isMissing));
  }

  #showAge() {
    if (this.#picture === undefined) return write(byId('as-of'), '');
    const at = timeOfDay(this.#serverMs, this.serverNow());
    write(
      byId('as-of'),
      this.#isFresh ? `as of ${at}` : `as of ${at}, ${age(this.sinceSeenMs())} ago`,
    );
  }

  #tickAges() {
    if (this.#picture === undefined) return;
    const nowMs = this.serverNow();
    for (const node of document.querySelectorAll('[data-since]')) {
      const atMs = Date.parse(node.dataset.since);
      write(node, age(Math.max(0, nowMs - atMs)));
      if (node.title === '') node.title = timeOfDay(atMs, 0);
    }
  }

  /** For whoever has the page in a tab behind others. */
  #title(state) {
    if (this.#picture === undefined) return 'lockd';
    if (state !== 'live') return `? ${byId('connection-text').textContent} · lockd`;
    const used = this.#picture.names.filter(({ isInUse }) => isInUse);
    const free = used.find(isMissing);
    if (free !== undefined) return `▲ ${free.name}: nobody leads · lockd`;
    return used.length === 1 ? `${used[0].name}: ${used[0].leader.label} · lockd` : 'lockd';
  }
}

/** Nobody leads, and somebody should. */
const isMissing = ({ isLed, isInUse }) => isInUse && !isLed;

/** Messages of drivers end as they like. */
const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/** The database's clock, wherever this picture tells it. */
function serverTimeOf({ names, locks, readAt }) {
  const [hold] = locks?.holdings ?? [];
  if (names.length > 0) return Date.parse(names[0].readAt);
  if (hold !== undefined) return Date.parse(hold.since) + hold.forMs;
  return Date.parse(readAt);
}

new Page().start();
