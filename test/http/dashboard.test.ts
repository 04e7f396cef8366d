import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, type ServeOptions, serve } from '../../src/http/index.ts';
import { LockManager } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';
import { missing, paleTexts, startBrowser, tabStops, valuesOf, visit } from './browser.ts';

if (missing !== undefined) console.log(`Tests of the dashboard are skipped: ${missing}`);

const served = (
  { url }: Election,
  { controller }: Contender,
  options: ServeOptions = {},
): Promise<Served> =>
  serve(controller, { database: { connectionString: url }, listen: '127.0.0.1:0', ...options });

/** Waits until the page says so. */
const shows = (page: Page, where: string, text: string | RegExp): Promise<void> =>
  page.locator(where).filter({ hasText: text }).first().waitFor();

const isLive = (page: Page): Promise<void> => shows(page, '#connection-text', /^Live$/);

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

describe.skipIf(missing !== undefined)('the dashboard', { timeout: 60_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  test('shows who leads and who waits, counts the lease down, and tells a takeover as it happens', async () => {
    await using election = await holdElection();
    const one = await election.lead('one');
    await using page_ = await served(election, one);
    const two = await election.standBy('two', { appVersion: '2.0.0', priority: 7 });
    await using visited = await visit(browser, page_.url);
    const { page, complaints, asked } = visited;
    await isLive(page);
    const card = page.getByRole('article', { name: 'led' }).first();
    await shows(page, '#summary', 'one leads led.');
    await shows(page, '.waits', /two.*2\.0\.0 · priority 7 · lockd/);
    expect(await card.innerText()).toContain(String(one.controller.term?.token));
    await shows(page, '.where', 'serves this page');

    const secondsIn = (each: string): number => Number(/^(\d+\.\d) s$/.exec(each)?.[1]);
    const isReset = (each: number, at: number, all: readonly number[]): boolean =>
      each > (all[at - 1] ?? 9) + 0.2;
    const isLess = (each: number, at: number, all: readonly number[]): boolean =>
      each < (all[at - 1] ?? 0);
    const left = await valuesOf<string>(
      page,
      `document.querySelector('.lease strong').textContent`,
      (all) => {
        const seconds = all.map(secondsIn);
        return seconds.some(isReset) && seconds.filter(isLess).length > 2;
      },
    );
    expect(Math.max(...left.map(secondsIn))).toBeLessThanOrEqual(1.5);

    const bar = `new DOMMatrix(getComputedStyle(document.querySelector('.fill')).transform).a`;
    const shares = await valuesOf<number>(page, bar, (all) =>
      all.some((each, at) => each > (all[at - 1] ?? 1) + 0.1),
    );
    expect(Math.max(...shares)).toBeLessThanOrEqual(1);

    await one.controller.stop();
    await shows(page, '#summary', 'two leads led.');
    await shows(page, '#news', 'two leads led now.');
    expect(await page.locator('#news').getAttribute('aria-live')).toBe('polite');
    expect(await page.title()).toBe('led: two · lockd');
    await shows(page, '.timeline .reason', 'stopped');
    await shows(page, '.timeline .gap-length', /^\d+ ms$|^\d+(\.\d)? s$/);
    await page.getByText('As a table').click();
    const table = page.getByRole('table', { name: /^Terms of led, the last hour/ });
    const rows = await table.getByRole('row').allInnerTexts();
    expect(rows.map((row) => row.split('\t')[0])).toEqual(['Leader', 'two', 'nobody', 'one']);
    expect(rows[3]).toContain('stopped');

    expect(complaints).toEqual([]);
    asked.delete('data:'); // its icon
    expect([...asked].map((url) => url.replace(page_.url, '')).sort()).toEqual([
      '/',
      '/dashboard.css',
      '/dashboard.js',
      '/events',
      '/history',
      '/status',
    ]);
    expect(two.controller.isActive()).toBe(true);
  });

  test('asks before it changes anything, says what has come of it, and gives the focus back', async () => {
    await using election = await holdElection();
    const one = await election.lead('one');
    const two = await election.standBy('two');
    await using page_ = await served(election, one);
    await using visited = await visit(browser, page_.url);
    const { page, complaints } = visited;
    await shows(page, '.waits', 'two');
    const outcome = page.locator('#order-outcome');
    const focused = (): Promise<string> => page.evaluate('document.activeElement.textContent');

    await button(page, 'Resign…').click();
    await shows(page, '#order', 'Ask one to resign?');
    expect(await focused()).toBe('Cancel');
    await page.keyboard.press('Escape');
    expect(await page.locator('#order').isVisible()).toBe(false);
    expect(await focused()).toBe('Resign…');
    expect(one.controller.isActive()).toBe(true);

    await button(page, 'Hand off…').click();
    expect(await focused()).toBe('Cancel');
    await page.getByRole('radio', { name: 'two' }).check();
    await button(page, 'Hand off').click();
    await shows(page, '#order-outcome', /^two leads led now; one handed over in \d+.*leader\.$/);
    expect(two.controller.isActive()).toBe(true);
    expect(await focused()).toBe('Close');
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('Hand off…');

    await shows(page, '.card .who', 'two');
    await shows(page, '.waits', 'one');
    await button(page, 'Resign…').click();
    await button(page, 'Resign').click();
    await shows(page, '#order-outcome', /^two resigned in \d.*one leads now\.$/);
    expect(one.controller.isActive()).toBe(true);
    await button(page, 'Close').click();

    // What was to be asked of one is not asked of another.
    await shows(page, '.card .who', 'one');
    await button(page, 'Resign…').click();
    await one.controller.resign();
    await shows(page, '#order-outcome', /^Meanwhile \w+ leads led\. Nothing was asked\.$/);
    expect(await button(page, 'Resign').count()).toBe(0);
    expect(await outcome.getAttribute('role')).toBe('status');
    await two.controller.whenActive();
    await shows(page, '.card .who', 'two');
    expect(complaints).toEqual([]);
  });

  test('shows who holds what and who waits for it, and whatever anybody has written as text', async () => {
    const evil = `<img src=x onerror="document.title='owned'">`;
    await using election = await holdElection();
    const one = await election.lead(evil, { metadata: { evil } });
    await using page_ = await served(election, one);
    const connectionString = election.url;
    await using holding = new LockManager({ connectionString, drainTimeoutMs: 100, label: evil });
    await using waiting = new LockManager({
      connectionString,
      drainTimeoutMs: 100,
      label: 'who-waits',
    });
    const held = await holding.acquire(evil, { reason: evil, owner: 'who-holds' });
    const place = waiting.acquire(evil, { owner: 'who-is-next', reason: 'an invoice' });
    await using visited = await visit(browser, page_.url);
    const { page, complaints } = visited;
    await shows(page, '#resource-table', 'who-is-next');
    expect(await page.locator('.card .who').innerText()).toBe(evil);
    const table = page.getByRole('table', { name: '1 hold, 1 wait' });
    const rows = await table.getByRole('row').allInnerTexts();
    expect(rows[1]).toBe(evil);
    expect(rows[2]?.split('\t').slice(0, 4)).toEqual(['holds', 'who-holds', evil, 'exclusive']);
    expect(rows[2]?.split('\t').at(-1)).toBe(evil);
    expect(rows[3]?.split('\t').slice(0, 3)).toEqual(['waits, next', 'who-is-next', 'who-waits']);
    expect(await page.locator('img, main [onerror]').count()).toBe(0);
    expect(await page.title()).toContain(evil);

    await held.release();
    await shows(page, '#resource-table tbody tr:nth-child(2)', 'who-is-next');
    await (await place).release();
    await shows(page, '#no-resources', 'Nobody holds a resource');
    expect(complaints).toEqual([]);
  });

  test('says that the database is away, claims nothing it cannot know, and finds back', async () => {
    await using election = await holdElection();
    const one = await election.lead('one');
    await election.standBy('two');
    await using proxy = await startProxy(election.url);
    const database = { connectionString: proxy.url() };
    await using page_ = await served(election, one, { database });
    await using visited = await visit(browser, page_.url);
    const { page, complaints } = visited;
    await shows(page, '.waits', 'two');
    await shows(page, '.legend', 'one');
    expect(await button(page, 'Resign…').isEnabled()).toBe(true);
    await proxy.refuse();
    proxy.cut();
    await shows(page, '#connection', 'Database away');
    await shows(
      page,
      '#notice',
      /has not reached the database for .* What is below is what was seen last/,
    );
    await shows(page, '#summary', 'Last seen: one leads led.');
    await shows(page, '.lease strong', 'not known');
    await shows(page, '#as-of', /^as of \d\d:\d\d:\d\d, .* ago$/);
    expect(await paleTexts(page)).toEqual([]);
    const resign = button(page, 'Resign…');
    expect(await resign.isEnabled()).toBe(false);
    await resign.dispatchEvent('click');
    expect(await page.locator('#order').isVisible()).toBe(false);
    await proxy.accept();
    await isLive(page);
    await shows(page, '#summary', /^one leads led\.$/);
    expect(complaints).toEqual([]);
  });

  test('asks for the token, says that another is refused, and knows it as long as the tab lives', async () => {
    const authToken = 'a-token-of-sixteen-or-more';
    await using election = await holdElection();
    const one = await election.lead('one');
    await using page_ = await served(election, one, { authToken });
    await using visited = await visit(browser, page_.url);
    const { page, complaints } = visited;
    const field = page.getByLabel('Token', { exact: true });
    await field.fill('not one');
    await page.keyboard.press('Enter');
    await shows(page, '#token', 'A token has no spaces');
    await field.fill('another-one');
    await page.keyboard.press('Enter');
    await shows(page, '#token', 'That token was refused.');
    await page.keyboard.press('Escape');
    await shows(page, '#connection', 'Waiting for a token');
    await button(page, 'Enter the token').click();
    await field.fill(authToken);
    await button(page, 'Continue').click();
    await isLive(page);
    expect(await page.locator('#token').isVisible()).toBe(false);
    await shows(page, '#summary', 'one leads led.');
    await page.reload();
    await isLive(page);
    expect(page.url()).toBe(`${page_.url}/`);
    expect(await page.context().cookies()).toEqual([]);
    expect(complaints.filter((each) => !each.includes('401'))).toEqual([]);
    expect(complaints).toHaveLength(2);
  });

  test('goes on by itself when its server is there again', async () => {
    await using election = await holdElection();
    const one = await election.lead('one');
    await using first = await served(election, one);
    await using visited = await visit(browser, first.url);
    const { page } = visited;
    await isLive(page);
    await first.close();
    await shows(page, '#connection', 'Reconnecting');
    await shows(page, '#notice', /^No connection to this server\./);
    await using _again = await served(election, one, { listen: new URL(first.url).host });
    await isLive(page);
    await until(() => page.locator('#notice').isHidden());
  });

  test('draws terms to scale: who led when, how long nobody did, why each ended', async () => {
    await using election = await holdElection();
    const one = await election.lead('one');
    await query(
      election.url,
      `insert into lockd.term (lock_id, token, instance, label, started_at, ended_at, ended_by, reason, gap_ms)
       select id, n, gen_random_uuid(), l, now() - f * interval '1 min', now() - t * interval '1 min', 'release', r, g
       from lockd.lock, (values (1, 'old', 40, 30, 'handed-over', null::bigint), (2, 'new', 24, 12, 'resigned', 360000))
         as v (n, l, f, t, r, g)`,
    );
    await query(election.url, 'update lockd.term set gap_ms = 720000 where label = $1', ['one']);
    await using page_ = await served(election, one);
    await using visited = await visit(browser, page_.url);
    const { page, complaints } = visited;
    await shows(page, '.detail', '3 terms, 18 min without a leader, 12 min at the longest');
    const width = Number(await page.locator('.timeline').getAttribute('width'));
    const minutes = async (kind: string): Promise<number[]> => {
      const shapes = await page.locator(`.timeline .${kind} .shape`).all();
      const widths = shapes.map(async (shape) => Number(await shape.getAttribute('width')));
      return (await Promise.all(widths)).map((each) => Math.round((each / width) * 60));
    };
    expect((await minutes('term')).slice(0, 2)).toEqual([10, 12]);
    expect(await minutes('gap')).toEqual([6, 12]);
    expect(await page.locator('.gap-length').allTextContents()).toEqual(['12 min', '6 min']);
    expect((await page.locator('.timeline .reason').allTextContents()).sort()).toEqual([
      'handed over',
      'resigned',
    ]);
    expect(await page.locator('.timeline .inside').allTextContents()).toContain('old');
    expect(await page.locator('.legend li').allInnerTexts()).toEqual([
      expect.stringMatching(/^A\s+old\s+led 10 min$/),
      expect.stringMatching(/^B\s+new\s+led 12 min$/),
      expect.stringMatching(/^C\s+one\s+led/),
    ]);

    // By keyboard: one stop, and arrows from there; what is gone to is described.
    await page.locator('.timeline [tabindex="0"]').focus();
    await shows(page, '.detail', /^one leads since/);
    await page.keyboard.press('ArrowLeft');
    await shows(page, '.detail', /^No leader for 12 min, until/);
    await page.keyboard.press('Home');
    await shows(page, '.detail', /^old led for 10 min, .* with token 1: handed over$/);
    await page.getByRole('radio', { name: '7 d' }).check();
    await shows(page, '.detail', '3 terms');
    expect(Math.max(...(await minutes('gap')))).toBeLessThan(1);
    expect(complaints).toEqual([]);
  });

  describe('of a name with much to say', () => {
    const label = `${'longer'.repeat(12)}:4711`; // than a phone is wide
    let election: Election;
    let locks: LockManager;
    let one: Contender;
    beforeAll(async () => {
      election = await holdElection();
      one = await election.lead(label);
      await election.standBy('two', { eligible: false });
      await query(
        election.url,
        `insert into lockd.instance (instance, lock_id, label, host, pid, version)
         select gen_random_uuid(), id, 'gone', 'a-host', 7, '0.1.0' from lockd.lock`,
      );
      await query(
        election.url,
        "update lockd.instance set clock_offset_ms = 5000, host = 'a-host' where label = 'two'",
      );
      locks = new LockManager({ connectionString: election.url, drainTimeoutMs: 100 });
      await locks.acquire('an/order');
    });
    afterAll(async () => {
      await locks?.stop({ force: true });
      await election?.[Symbol.asyncDispose]();
    });

    const isComplete = async (page: Page): Promise<void> => {
      await shows(page, '.faults', 'instance-gone');
      await shows(page, '.faults', 'clock-drift');
      await shows(page, '#resource-table', 'an/order');
      await shows(page, '.legend', label);
    };

    test('can be used by keyboard and read aloud: stops in order, and nothing without a name', async () => {
      await using page_ = await served(election, one);
      await using visited = await visit(browser, page_.url);
      const { page } = visited;
      await isComplete(page);
      expect(await tabStops(page)).toEqual([
        'a Skip to who leads',
        'button Copy',
        'button Hand off…',
        'button Resign…',
        'input 1h',
        expect.stringMatching(/^g (longer)+:4711 leads since/),
        'summary As a table',
      ]);
      await page.getByText('As a table').click();
      const spoken = await page.locator('body').ariaSnapshot();
      for (const part of ['banner', 'main', 'contentinfo']) expect(spoken).toContain(`- ${part}:`);
      for (const title of ['Names', 'Terms', 'Resources']) {
        expect(spoken).toContain(`- region "${title}"`);
      }
      const controls = [
        ...spoken.matchAll(
          /^\s*- (?:button|link|radio|textbox|img|group|region|article|table|dialog)\b(.*)$/gm,
        ),
      ];
      const nameless = controls.filter(([, rest]) => !rest?.startsWith(' "'));
      expect(nameless.map(([line]) => line)).toEqual([]);
      expect(controls.length).toBeGreaterThan(10);
    });

    test('has enough contrast by night and by day, and fits a phone', async () => {
      await using page_ = await served(election, one);
      await using visited = await visit(browser, page_.url, {
        viewport: { width: 360, height: 740 },
      });
      const { page } = visited;
      await isComplete(page);
      const overflow = 'document.documentElement.scrollWidth - innerWidth';
      const grounds = { dark: 'rgb(14, 20, 25)', light: 'rgb(244, 246, 247)' };
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await paleTexts(page)).toEqual([]);
        expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0);
        await button(page, 'Resign…').click();
        await shows(page, '#order-caution', 'Nobody waits');
        expect(await paleTexts(page)).toEqual([]);
        expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0);
        await button(page, 'Cancel').click();
        const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor');
        expect(ground).toBe(grounds[colorScheme]);
      }
    });

    test('names what is wrong, and lets the command that mends it be copied', async () => {
      await using page_ = await served(election, one);
      const permissions = ['clipboard-read', 'clipboard-write'];
      await using visited = await visit(browser, page_.url, { permissions });
      const { page } = visited;
      await isComplete(page);
      await shows(page, '#summary', /, and something is wrong with led\.$/);
      await shows(page, '.waits', 'clock ahead by 5 s');
      const remedy = 'timedatectl set-ntp true # on a-host';
      await shows(page, '.faults pre', remedy);
      await button(page, 'Copy').click();
      await shows(page, '.faults button', 'Copied');
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(remedy);
      // The next picture leaves it where it is, with the focus.
      const asOf = "document.querySelector('#as-of').textContent";
      await valuesOf<string>(page, asOf, (all) => all.length > 2);
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Copied');
    });

    test('keeps still for whoever wants less motion, and counts all the same', async () => {
      await using page_ = await served(election, one);
      await using visited = await visit(browser, page_.url);
      const { page } = visited;
      const moving = 'document.getAnimations().length';
      await until(async () => (await page.evaluate<number>(moving)) > 0);
      await page.emulateMedia({ reducedMotion: 'reduce' });
      await until(async () => (await page.evaluate<number>(moving)) === 0);
      const left = `document.querySelector('.lease strong').textContent`;
      await valuesOf<string>(page, left, (all) => all.length > 3);
      const bar = `document.querySelector('.fill').style.transform`;
      await valuesOf<string>(page, bar, (all) => all.length > 3);
      expect(await page.evaluate(moving)).toBe(0);
    });
  });

  test('raises no alarm for a name that is out of use, and shows it last', async () => {
    await using election = await holdElection();
    const before = await election.lead('before', { name: 'a-name-of-before' });
    await before.controller.stop();
    const one = await election.lead('one');
    await using page_ = await served(election, one);
    await using visited = await visit(browser, page_.url);
    const { page, complaints } = visited;
    await isLive(page);
    await shows(page, '#summary', /^one leads led\.$/);
    expect(await page.locator('#summary').getAttribute('data-ill')).toBeNull();
    expect(await page.title()).toBe('led: one · lockd');
    const cards = await page.locator('.card').all();
    const shown = cards.map(async (card) => [
      await card.getAttribute('aria-label'),
      await card.getAttribute('data-state'),
    ]);
    expect(await Promise.all(shown)).toEqual([
      ['led', 'leading'],
      ['a-name-of-before', 'unused'],
    ]);
    const colour = (what: string): Promise<string> =>
      page.evaluate(`getComputedStyle(document.querySelector('${what}')).color`);
    const calm = await colour('section h2');
    for (const part of ['state', 'who']) {
      expect(await colour(`[data-state="unused"] .${part}`), part).toBe(calm);
    }
    expect(await paleTexts(page)).toEqual([]);
    await one.controller.stop();
    await shows(page, '#summary', 'No name is in use.');
    expect(await page.title()).toBe('lockd');
    expect(complaints).toEqual([]);
  });

  test('says of an empty schema that nobody has ever led there', async () => {
    await using election = await holdElection();
    await using page_ = await served(election, election.enter('asleep'));
    await using visited = await visit(browser, page_.url);
    const { page, complaints } = visited;
    await shows(page, '#no-names', 'Nobody has ever led a name in this schema.');
    await shows(page, '#no-resources', 'Nobody holds a resource');
    expect(await page.locator('#terms').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  test('says that a server without a database has nothing to show', async () => {
    await using election = await holdElection();
    await using page_ = await serve((await election.lead('one')).controller, {
      listen: '127.0.0.1:0',
    });
    await using visited = await visit(browser, page_.url);
    await shows(visited.page, '#connection', 'No database');
    await shows(visited.page, '#notice', '`serve` was given none');
  });

  test.runIf(process.env['LOCKD_TEST_PICTURES'] !== undefined)(
    'has its pictures taken for the docs, where LOCKD_TEST_PICTURES says so',
    async () => {
      await using election = await holdElection({ ttlMs: 10_000 });
      const name = 'telegram-bot';
      const one = await election.lead('web-1:38', { name });
      await election.standBy('web-2:41', { name, appVersion: '2.5.0' });
      await election.standBy('web-3:40', { name, appVersion: '2.4.1' });
      await election.standBy('watcher:7', { name, eligible: false });
      await query(election.url, staged);
      const connectionString = election.url;
      await using web = new LockManager({
        connectionString,
        drainTimeoutMs: 100,
        label: 'web-2:41',
      });
      await using next = new LockManager({
        connectionString,
        drainTimeoutMs: 100,
        label: 'web-3:40',
      });
      await web.acquire('order:4711', { owner: 'anna', reason: 'refund' });
      await web.acquire('gpu', { mode: { permits: 3 }, owner: 'render-17', reason: 'preview' });
      const waiting = next.acquire('order:4711', { reason: 'shipping' }).catch(() => {});
      // Whoever cannot see since when sessions have been there does not see either that these are new.
      const url = `${connectionString}?options=-c%20role%3Dpg_read_all_data`;
      await using page_ = await served(election, one, { database: { connectionString: url } });
      for (const [name, options] of Object.entries(pictures)) {
        await using visited = await visit(browser, page_.url, options);
        await shows(visited.page, '#resource-table', 'shipping');
        await shows(visited.page, '.legend', 'web-3:40');
        await shows(visited.page, '.where', 'serves this page');
        const path = fileURLToPath(new URL(`../../docs/dashboard-${name}.png`, import.meta.url));
        await visited.page.screenshot({ path, fullPage: name !== 'phone' });
      }
      await Promise.all([web, next].map((manager) => manager.stop({ force: true })));
      await waiting;
    },
  );
});

const pictures: Record<string, BrowserContextOptions> = {
  dark: { viewport: { width: 1000, height: 800 } },
  light: { viewport: { width: 1000, height: 800 }, colorScheme: 'light' },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 },
};

/** An hour with a deploy and a crash in it. */
const staged = `
  update lockd.instance set host = split_part(label, ':', 1), pid = split_part(label, ':', 2)::integer;
  update lockd.instance set registered_at = registered_at - interval '23 min';
  update lockd.lease set acquired_at = acquired_at - interval '19 min';
  update lockd.term set started_at = started_at - interval '19 min', gap_ms = 11200;
  insert into lockd.term (lock_id, token, instance, label, started_at, ended_at, ended_by, reason, gap_ms)
  select id, n, gen_random_uuid(), l, now() - f * interval '1 min', now() - t * interval '1 min', b, r, g
  from lockd.lock, (values
    (1, 'web-1:35', 600, 47, 'release', 'handed-over', null::bigint),
    (2, 'web-2:36', 47, 31, 'release', 'resigned', 9),
    (3, 'web-3:40', 31, 19.187, 'takeover', 'fell silent', 14)) as v (n, l, f, t, b, r, g)`;
