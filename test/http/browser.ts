import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { until } from '../support/wait.ts';

const executablePath = process.env['LOCKD_TEST_CHROMIUM'] || '/usr/bin/chromium';

/** Why there is no browser to try pages in; undefined where there is one. */
export const missing: string | undefined = existsSync(executablePath)
  ? undefined
  : `there is no ${executablePath}; LOCKD_TEST_CHROMIUM names another one`;

/** Chromium that asks nobody for anything but what the page asks for. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complained of: errors of scripts, the policy, answers that were no success. */
  readonly complaints: string[];
  /** Where anything was asked for, the path without what follows it. */
  readonly asked: Set<string>;
}

/** A tab of its own that keeps nothing of the one before. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1200, height: 900 },
    colorScheme: 'dark',
    timezoneId: 'UTC',
    ...options,
  });
  context.setDefaultTimeout(10_000);
  await context.addInitScript({ path: fileURLToPath(new URL('in-page.js', import.meta.url)) });
  const page = await context.newPage();
  const complaints: string[] = [];
  const asked = new Set<string>();
  page.on('console', (message) => {
    if (message.type() !== 'log') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('request', (request) => {
    const { origin, pathname, protocol } = new URL(request.url());
    asked.add(protocol === 'data:' ? 'data:' : `${origin}${pathname}`);
  });
  await page.goto(url);
  return { page, complaints, asked, [Symbol.asyncDispose]: () => context.close() };
}

/**
 * Texts that can be seen and have less contrast with what they stand on than `least`, as the Web Content
 * Accessibility Guidelines count it.
 */
export const paleTexts = (page: Page, least = 4.5): Promise<string[]> =>
  page.evaluate(`paleTexts(${least})`);

/** What a press of Tab leads to, in order, until it leaves the page. */
export async function tabStops(page: Page): Promise<string[]> {
  const stops: string[] = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate<string | null>('focused()');
    if (stop === null || stops.length > 100) return stops;
    stops.push(stop);
  }
}

/** Every value that this expression has in the page in turn, until one that `isEnough` of all has come. */
export async function valuesOf<Value>(
  page: Page,
  expression: string,
  isEnough: (values: readonly Value[]) => boolean,
): Promise<Value[]> {
  const values: Value[] = [];
  await until(
    async () => {
      const value = await page.evaluate<Value>(expression);
      if (value !== values.at(-1)) values.push(value);
      return isEnough(values);
    },
    { describe: () => `${expression} has been enough of: ${values}` },
  );
  return values;
}
