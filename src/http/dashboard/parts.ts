/** The page as it is served: nothing is built where it runs. Written by `npx vitest run test/http/dashboard-parts.test.ts --update`. */
export interface DashboardPart {
  readonly type: string;
  readonly body: string;
}

export type DashboardPath = '/' | '/dashboard.css' | '/dashboard.js';

export const dashboardParts: Readonly<Record<DashboardPath, DashboardPart>> = {
  '/': {
    type: 'text/html; charset=utf-8',
    body: `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="dark light" />
    <meta name="referrer" content="no-referrer" />
    <title>lockd</title>
    <link
      rel="icon"
      href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='6.5' fill='none' stroke='%232f9e8c' stroke-width='2'/%3E%3Ccircle cx='8' cy='8' r='3' fill='%232f9e8c'/%3E%3C/svg%3E"
    />
    <link rel="stylesheet" href="dashboard.css" />
    <script type="module" src="dashboard.js"></script>
  </head>
  <body>
    <a class="skip" href="#main">Skip to who leads</a>

    <header class="top">
      <h1>
        <svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true">
          <circle class="ring" cx="8" cy="8" r="6.5" />
          <circle class="core" cx="8" cy="8" r="3" />
        </svg>
        lockd
      </h1>
      <p class="connection" id="connection" data-state="connecting">
        <span class="dot" aria-hidden="true"></span>
        <span id="connection-text">Connecting</span>
        <button type="button" id="enter-token" hidden>Enter the token</button>
      </p>
      <p class="as-of" id="as-of"></p>
    </header>

    <main id="main" tabindex="-1">
      <p class="notice" id="notice" hidden></p>
      <p class="summary" id="summary">Asking who leads…</p>
      <p class="unseen" id="news" role="status" aria-live="polite"></p>
      <noscript><p class="notice">This page needs JavaScript. <code>lockd status</code> does not.</p></noscript>

      <section aria-labelledby="names-title" id="names" hidden>
        <h2 id="names-title">Names</h2>
        <div class="empty" id="no-names" hidden>
          <p class="empty-title">Nobody has ever led a name in this schema.</p>
          <p>The first instance that starts appears here by itself: <code>lockd run NAME -- COMMAND</code></p>
        </div>
        <div class="cards" id="cards"></div>
      </section>

      <section aria-labelledby="terms-title" id="terms" hidden>
        <div class="bar-of-title">
          <h2 id="terms-title">Terms</h2>
          <fieldset class="ranges" id="ranges">
            <legend class="unseen">How far back</legend>
            <label><input type="radio" name="range" value="1h" checked /><span>1 h</span></label>
            <label><input type="radio" name="range" value="6h" /><span>6 h</span></label>
            <label><input type="radio" name="range" value="24h" /><span>24 h</span></label>
            <label><input type="radio" name="range" value="168h" /><span>7 d</span></label>
          </fieldset>
        </div>
        <div id="lanes"></div>
      </section>

      <section aria-labelledby="resources-title" id="resources" hidden>
        <h2 id="resources-title">Resources</h2>
        <p class="empty" id="no-resources">Nobody holds a resource, and nobody waits for one.</p>
        <div class="sheet" id="resource-table"></div>
      </section>
    </main>

    <footer class="foot">
      <p>
        Time is counted by the database’s clock and shown in <span id="zone">your time zone</span>.
        <span id="served-by"></span>
      </p>
    </footer>

    <template id="card">
      <article class="card">
        <header>
          <h3 data-is="name">Name</h3>
          <span class="state" data-is="state"></span>
        </header>
        <ul class="faults" data-is="faults"></ul>
        <div class="columns">
          <div class="leads">
            <p class="who" data-is="who"></p>
            <p class="where" data-is="where"></p>
            <div class="lease" data-is="lease">
              <p>
                <span class="of">Lease left</span>
                <strong data-is="left"></strong>
                <span class="of" data-is="ttl"></span>
              </p>
              <div class="track" aria-hidden="true"><div class="fill" data-is="fill"></div></div>
            </div>
            <dl data-is="facts"></dl>
          </div>
          <div class="waits">
            <h4 data-is="waiting-title">Waiting</h4>
            <ul data-is="waiting"></ul>
          </div>
        </div>
        <div class="actions">
          <button type="button" data-is="hand-off">Hand off…</button>
          <button type="button" data-is="resign">Resign…</button>
        </div>
      </article>
    </template>

    <template id="lane">
      <article class="lane">
        <header>
          <h3 data-is="name">Name</h3>
        </header>
        <div class="drawing" data-is="drawing"></div>
        <p class="detail" data-is="detail"></p>
        <ul class="legend" data-is="legend"></ul>
        <details aria-label="Terms as a table">
          <summary>As a table</summary>
          <section class="scroll" data-is="table"></section>
        </details>
      </article>
    </template>

    <dialog id="order" aria-labelledby="order-title">
      <form>
        <h2 id="order-title">Order</h2>
        <p id="order-text"></p>
        <p class="caution" id="order-caution" hidden></p>
        <fieldset id="order-choice" hidden>
          <legend>To whom</legend>
          <div id="order-heirs"></div>
        </fieldset>
        <p class="outcome" id="order-outcome" role="status"></p>
        <div class="buttons">
          <button type="button" id="order-cancel">Cancel</button>
          <button type="submit" class="strong" id="order-do"></button>
        </div>
      </form>
    </dialog>

    <dialog id="token" aria-labelledby="token-title">
      <form>
        <h2 id="token-title">This server asks for its token</h2>
        <p id="token-hint">
          It was given to <code>lockd serve</code> as <code>LOCKD_AUTH_TOKEN</code> or
          <code>--auth-token-file</code>. This tab keeps it until it is closed.
        </p>
        <label for="token-field">Token</label>
        <input
          id="token-field"
          type="password"
          autocomplete="off"
          spellcheck="false"
          required
          aria-describedby="token-hint token-refused"
        />
        <p class="outcome" id="token-refused" role="status"></p>
        <div class="buttons">
          <button type="button" id="token-cancel">Not now</button>
          <button type="submit" class="strong">Continue</button>
        </div>
      </form>
    </dialog>
  </body>
</html>
`,
  },
  '/dashboard.css': {
    type: 'text/css; charset=utf-8',
    body: `/* One accent for what is well, red for what is not, and greys. Every text has a contrast of 4.5 or more. */
:root {
  color-scheme: light;
  --ground: #f4f6f7;
  --sheet: #ffffff;
  --sunk: #edf0f2;
  --line: #d5dce1;
  --strong-line: #7b8a95;
  --text: #17222b;
  --soft: #51606b;
  --accent: #0b6e62;
  --on-accent: #ffffff;
  --ill: #b3261e;
  --ill-sheet: #fdf0ee;
  --ill-line: #e3b2ad;
  --odd: #7d5200;
  --hue-0: #cfe6e2;
  --hue-1: #d5e0f5;
  --hue-2: #eadcf2;
  --hue-3: #f1e3c6;
  --hue-4: #dcebcf;
  --hue-5: #d3e8f1;
  --hue-0-line: #45857b;
  --hue-1-line: #5b78b5;
  --hue-2-line: #8d67a6;
  --hue-3-line: #96752a;
  --hue-4-line: #648643;
  --hue-5-line: #44809a;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace;
}

@media (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --ground: #0e1419;
    --sheet: #151d24;
    --sunk: #1c262e;
    --line: #2a3741;
    --strong-line: #70808c;
    --text: #dde5eb;
    --soft: #98a7b3;
    --accent: #5cc4b3;
    --on-accent: #06211d;
    --ill: #ff8d80;
    --ill-sheet: #2a1a1b;
    --ill-line: #6d3a38;
    --odd: #e3b45c;
    --hue-0: #1f4a45;
    --hue-1: #283c60;
    --hue-2: #46305a;
    --hue-3: #4c3d1d;
    --hue-4: #33481f;
    --hue-5: #1c4457;
    --hue-0-line: #4d978b;
    --hue-1-line: #6c8ccd;
    --hue-2-line: #a27bbd;
    --hue-3-line: #ab8a3e;
    --hue-4-line: #7a9c57;
    --hue-5-line: #5497b3;
  }
}

* {
  box-sizing: border-box;
}

body {
  margin: 0 auto;
  max-width: 76rem;
  padding: 0 clamp(1rem, 4vw, 2.5rem) 3rem;
  background: var(--ground);
  color: var(--text);
  font:
    1rem / 1.5 system-ui,
    -apple-system,
    "Segoe UI",
    Roboto,
    "Noto Sans",
    sans-serif;
  font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere;
}

h1,
h2,
h3,
h4,
p,
ul,
dl,
dd,
pre,
fieldset {
  margin: 0;
  padding: 0;
  border: 0;
}

ul {
  list-style: none;
}

code,
pre {
  font-family: var(--mono);
  font-size: 0.875em;
  white-space: pre-wrap;
}

:focus-visible {
  outline: 2px solid var(--accent);
  outline-offset: 2px;
}

main:focus {
  outline: none;
}

.unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

.skip {
  position: absolute;
  left: 1rem;
  top: -4rem;
  z-index: 1;
  padding: 0.5rem 1rem;
  border-radius: 0 0 0.5rem 0.5rem;
  background: var(--accent);
  color: var(--on-accent);
}

.skip:focus {
  top: 0;
}

/* The top: how far what is seen can be relied on. */
.top {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.25rem 1.25rem;
  padding: 1.25rem 0 1rem;
  border-bottom: 1px solid var(--line);
}

.top h1 {
  display: flex;
  align-items: center;
  gap: 0.5rem;
  font-size: 1.125rem;
  font-weight: 650;
  letter-spacing: -0.01em;
}

.top .ring {
  fill: none;
  stroke: var(--accent);
  stroke-width: 2;
}

.top .core {
  fill: var(--accent);
}

.connection {
  display: flex;
  align-items: center;
  gap: 0.5rem;
  margin-left: auto;
  font-weight: 600;
}

.dot {
  width: 0.625rem;
  height: 0.625rem;
  border: 2px solid currentcolor;
  border-radius: 50%;
}

.connection[data-state="live"] .dot {
  border-color: var(--accent);
  background: var(--accent);
}

.connection:is([data-state="lost"], [data-state="away"], [data-state="late"]) {
  color: var(--ill);
}

.connection:is([data-state="lost"], [data-state="away"], [data-state="late"]) .dot {
  border-radius: 0;
  background: currentcolor;
}

.as-of {
  color: var(--soft);
}

.summary {
  margin: 1.75rem 0 0.5rem;
  font-size: clamp(1.25rem, 1rem + 1.6vw, 1.75rem);
  font-weight: 600;
  line-height: 1.3;
  letter-spacing: -0.015em;
}

.summary[data-ill] {
  color: var(--ill);
}

.notice {
  margin-top: 1.25rem;
  padding: 0.75rem 1rem;
  border: 1px solid var(--ill-line);
  border-left: 4px solid var(--ill);
  border-radius: 0.5rem;
  background: var(--ill-sheet);
}

section {
  margin-top: 2rem;
}

h2 {
  margin-bottom: 0.75rem;
  color: var(--soft);
  font-size: 0.875rem;
  font-weight: 600;
}

dialog h2 {
  color: var(--text);
  font-size: 1.1875rem;
}

.bar-of-title h2 {
  margin: 0;
}

h3 {
  font-size: 1.0625rem;
  font-weight: 650;
}

.empty,
.card,
.lane,
.sheet {
  border: 1px solid var(--line);
  border-radius: 0.75rem;
  background: var(--sheet);
}

.empty {
  padding: 1.25rem;
  color: var(--soft);
}

.empty-title {
  color: var(--text);
  font-weight: 600;
}

time {
  white-space: nowrap;
}

.facts {
  color: var(--soft);
  font-size: 0.875rem;
}

.label {
  font-weight: 550;
}

.tag {
  padding: 0.05rem 0.5rem;
  border: 1px solid var(--line);
  border-radius: 1rem;
  color: var(--soft);
  font-size: 0.8125rem;
  font-weight: 500;
  white-space: nowrap;
}

/* Names */
.cards {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
  gap: 1rem;
}

.card {
  display: flex;
  flex-direction: column;
  container-type: inline-size;
  padding: 1.25rem;
}

.card:not([data-state="leading"], [data-state="unused"]) {
  border-color: var(--ill-line);
}

[data-stale] .card {
  border-style: dashed;
}

.card header,
.lane header,
.bar-of-title {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  justify-content: space-between;
  gap: 0.25rem 1rem;
}

.state {
  color: var(--accent);
  font-weight: 600;
}

.card:not([data-state="leading"], [data-state="unused"]) :is(.state, .who) {
  color: var(--ill);
}

.card[data-state="unused"] :is(.state, .who) {
  color: var(--soft);
}

[data-stale] .card[data-state] :is(.state, .who) {
  color: var(--soft);
}

.columns {
  display: grid;
  gap: 1.25rem 2.5rem;
  margin-top: 1rem;
}

.who {
  font-size: 1.375rem;
  font-weight: 600;
  line-height: 1.3;
  letter-spacing: -0.01em;
}

.where {
  color: var(--soft);
}

.lease {
  margin-top: 1rem;
}

.lease p {
  display: flex;
  align-items: baseline;
  gap: 0.5rem;
}

.lease strong {
  font-size: 1.125rem;
  font-weight: 600;
}

.lease .of,
dt {
  color: var(--soft);
  font-size: 0.875rem;
}

.track {
  height: 0.375rem;
  margin-top: 0.375rem;
  overflow: hidden;
  border-radius: 0.1875rem;
  background: var(--sunk);
}

.fill {
  height: 100%;
  background: var(--accent);
  transform-origin: left;
}

[data-low] strong {
  color: var(--odd);
}

[data-low] .fill {
  background: var(--odd);
}

dl {
  display: grid;
  grid-template-columns: max-content 1fr;
  gap: 0.25rem 1rem;
  margin-top: 1rem;
  align-items: baseline;
}

.waits h4 {
  color: var(--soft);
  font-size: 0.875rem;
  font-weight: 600;
}

.waits li {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  gap: 0 0.5rem;
  padding: 0.5rem 0;
}

.waits li:not(:last-child) {
  border-bottom: 1px solid var(--line);
}

.waits .facts {
  flex-basis: 100%;
}

.waits .alone {
  color: var(--soft);
}

@container (min-width: 44rem) {
  .columns {
    grid-template-columns: 3fr 2fr;
  }
}

.faults {
  display: grid;
  gap: 0.75rem;
  margin-top: 1rem;
}

.faults li {
  padding: 0.75rem 1rem;
  border: 1px solid var(--ill-line);
  border-left: 4px solid var(--ill);
  border-radius: 0.5rem;
  background: var(--ill-sheet);
}

.faults strong {
  color: var(--ill);
}

.remedy {
  display: flex;
  flex-wrap: wrap;
  align-items: flex-start;
  gap: 0.5rem;
  margin-top: 0.5rem;
}

.remedy pre {
  flex: 1 1 14rem;
  padding: 0.5rem 0.75rem;
  border-radius: 0.375rem;
  background: var(--sheet);
  user-select: all;
}

.actions,
.buttons {
  display: flex;
  flex-wrap: wrap;
  justify-content: flex-end;
  gap: 0.75rem;
  margin-top: auto;
  padding-top: 1.25rem;
}

button,
input[type="password"] {
  min-height: 2.5rem;
  padding: 0.375rem 1rem;
  border: 1px solid var(--strong-line);
  border-radius: 0.5rem;
  background: var(--sheet);
  color: var(--text);
  font: inherit;
}

button {
  font-weight: 550;
  cursor: pointer;
}

button:hover {
  background: var(--sunk);
}

button[aria-disabled] {
  border-color: var(--line);
  background: none;
  color: var(--soft);
  cursor: not-allowed;
}

button.strong,
button.strong:hover {
  border-color: var(--accent);
  background: var(--accent);
  color: var(--on-accent);
}

/* Terms: a hue and a stronger one of it for the edge, by whoever led. */
.hue-0 {
  --hue: var(--hue-0);
  --hue-line: var(--hue-0-line);
}

.hue-1 {
  --hue: var(--hue-1);
  --hue-line: var(--hue-1-line);
}

.hue-2 {
  --hue: var(--hue-2);
  --hue-line: var(--hue-2-line);
}

.hue-3 {
  --hue: var(--hue-3);
  --hue-line: var(--hue-3-line);
}

.hue-4 {
  --hue: var(--hue-4);
  --hue-line: var(--hue-4-line);
}

.hue-5 {
  --hue: var(--hue-5);
  --hue-line: var(--hue-5-line);
}

.bar-of-title {
  margin-bottom: 0.75rem;
}

.ranges {
  display: flex;
  border: 1px solid var(--line);
  border-radius: 0.5rem;
  background: var(--sheet);
}

.ranges label {
  position: relative;
  cursor: pointer;
}

.ranges input {
  position: absolute;
  inset: 0;
  margin: 0;
  opacity: 0;
  cursor: pointer;
}

.ranges span {
  display: block;
  padding: 0.3125rem 0.875rem;
  border-radius: 0.4375rem;
  color: var(--soft);
  font-size: 0.875rem;
}

.ranges :checked + span {
  background: var(--accent);
  color: var(--on-accent);
  font-weight: 600;
}

.ranges :focus-visible + span {
  outline: 2px solid var(--accent);
  outline-offset: 2px;
}

.lane {
  padding: 1.25rem;
}

.lane + .lane {
  margin-top: 1rem;
}

.drawing {
  margin-top: 0.75rem;
  overflow: hidden;
}

.timeline {
  display: block;
  font-size: 0.75rem;
  overflow: visible;
}

.timeline text {
  fill: var(--soft);
}

.timeline .inside {
  fill: var(--text);
  pointer-events: none;
}

.timeline .tick {
  text-anchor: middle;
}

.timeline .now {
  font-weight: 600;
  text-anchor: end;
}

.timeline line {
  stroke: var(--line);
}

.timeline .target {
  fill: transparent;
}

.timeline g:focus {
  outline: none;
}

.term .shape {
  fill: var(--hue);
  stroke: var(--hue-line);
}

.gap .shape {
  fill: var(--ill);
}

.timeline g:focus-visible .shape,
.timeline g:hover > .shape {
  stroke: var(--text);
  stroke-width: 2;
}

.timeline .gap-length {
  fill: var(--ill);
  font-weight: 600;
}

.swatch {
  min-width: 1.375rem;
  padding: 0 0.25rem;
  border: 1px solid var(--hue-line);
  background: var(--hue);
  border-radius: 0.25rem;
  font-size: 0.75rem;
  line-height: 1.25rem;
  text-align: center;
}

.legend {
  display: flex;
  flex-wrap: wrap;
  gap: 0.375rem 1.5rem;
  margin-top: 0.75rem;
}

.legend li {
  display: flex;
  align-items: center;
  gap: 0.5rem;
}

.legend .facts {
  flex: none;
}

.detail {
  min-height: 1.5em;
  margin-top: 0.5rem;
}

.detail[data-is="failed"] {
  color: var(--ill);
}

details {
  margin-top: 0.75rem;
}

summary {
  width: fit-content;
  color: var(--soft);
  cursor: pointer;
}

.scroll {
  margin-top: 0.5rem;
  max-height: 24rem;
  overflow: auto;
}

/* Tables */
table {
  width: 100%;
  border-collapse: collapse;
  font-size: 0.9375rem;
}

caption {
  padding-bottom: 0.5rem;
  color: var(--soft);
  font-size: 0.875rem;
  text-align: left;
}

th,
td {
  padding: 0.5rem 0.75rem;
  border-top: 1px solid var(--line);
  text-align: left;
  vertical-align: baseline;
}

thead th {
  border: 0;
  color: var(--soft);
  font-size: 0.875rem;
  font-weight: 500;
}

tbody th {
  font-weight: 550;
}

.gap-row :is(th, td) {
  color: var(--ill);
}

.scroll :is(th, td) {
  overflow-wrap: break-word;
  white-space: nowrap;
}

.scroll tbody th,
.scroll .why {
  min-width: 10rem;
  white-space: normal;
}

.sheet {
  padding: 1rem 0.5rem 0.5rem;
}

.sheet caption {
  padding: 0 0.75rem 0.5rem;
}

.stacks .group th {
  padding-top: 0.875rem;
  font-weight: 650;
}

.stacks tr:not(.group) > td {
  border: 0;
}

.stacks tr:not(.group) > td:first-child {
  padding-left: 1.5rem;
}

.stacks tbody tr:last-child > td {
  padding-bottom: 0.875rem;
}

.tag.holds {
  border-color: var(--accent);
  color: var(--accent);
}

/* Dialogs */
dialog {
  width: min(32rem, calc(100vw - 2rem));
  padding: 1.5rem;
  border: 1px solid var(--line);
  border-radius: 0.75rem;
  background: var(--sheet);
  color: var(--text);
}

dialog::backdrop {
  background: rgb(5 10 14 / 60%);
}

dialog .caution {
  margin-top: 0.75rem;
  color: var(--ill);
  font-weight: 550;
}

#order-choice,
#token-field {
  width: 100%;
  margin-top: 1rem;
}

#token label {
  display: block;
  margin: 1rem 0 -0.75rem;
  font-weight: 550;
}

#order-choice legend {
  color: var(--soft);
  font-size: 0.875rem;
}

#order-heirs label {
  display: grid;
  grid-template-columns: auto 1fr;
  gap: 0 0.75rem;
  align-items: baseline;
  padding: 0.5rem 0;
}

#order-heirs .facts {
  grid-column: 2;
}

#order-heirs input {
  accent-color: var(--accent);
}

.outcome {
  font-weight: 550;
}

.outcome:not(:empty) {
  margin-top: 1rem;
}

.outcome[data-is="done"] {
  color: var(--accent);
}

.outcome[data-is="failed"] {
  color: var(--ill);
}

.foot {
  margin-top: 2.5rem;
  color: var(--soft);
  font-size: 0.875rem;
}

/* A phone: tables become lists, and say what each value is. */
@media (max-width: 46rem) {
  .actions button {
    flex: 1;
  }

  .card,
  .lane {
    padding: 1rem;
  }

  .sheet {
    padding: 0;
    border: 0;
    background: none;
  }

  .sheet caption {
    padding: 0;
  }

  .stacks thead {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
  }

  .stacks :is(tbody, tr, td, th, caption) {
    display: block;
  }

  .stacks tbody {
    margin-top: 0.75rem;
    padding: 0.25rem 0 0.5rem;
    border: 1px solid var(--line);
    border-radius: 0.75rem;
    background: var(--sheet);
  }

  .stacks .group th {
    border: 0;
    padding-top: 0.5rem;
  }

  .stacks tr:not(.group) {
    margin: 0 0.75rem;
    padding: 0.5rem 0;
    border-top: 1px solid var(--line);
  }

  .stacks tr:not(.group) > td,
  .stacks tr:not(.group) > td:first-child,
  .stacks tbody tr:last-child > td {
    padding: 0.125rem 0;
  }

  .stacks td:not(:first-child)::before {
    content: attr(data-head) " ";
    color: var(--soft);
    font-size: 0.875rem;
  }

  .stacks td[data-none] {
    display: none;
  }
}

@media (prefers-reduced-motion: no-preference) {
  .skip {
    transition: top 0.15s;
  }
}

@media (forced-colors: active) {
  .fill,
  .dot,
  .timeline .shape {
    forced-color-adjust: none;
  }
}

/* Last, so that no layout shows what is hidden. */
[hidden] {
  display: none;
}
`,
  },
  '/dashboard.js': {
    type: 'text/javascript; charset=utf-8',
    body: `const e=(e,t,...r)=>n(document.createElement(e),t,r),t=(e,t,...r)=>n(document.createElementNS(\`http://www.w3.org/2000/svg\`,e),t,r);function n(e,t={},n=[]){for(let[n,i]of Object.entries(t))r(e,n,i);return e.append(...n.filter(e=>e!=null)),e}function r(e,t,n){if(n==null||n===!1){e.hasAttribute(t)&&e.removeAttribute(t);return}let r=n===!0?\`\`:String(n);e.getAttribute(t)!==r&&e.setAttribute(t,r)}function i(e,t){e.textContent!==t&&(e.textContent=t)}const a=e=>document.getElementById(e);function o(e){let t=a(e).content.firstElementChild.cloneNode(!0),n={};for(let e of t.querySelectorAll(\`[data-is]\`))n[e.dataset.is]=e;return{root:t,parts:n}}const s=t=>e(\`time\`,{datetime:t,"data-since":t});var c=class{#e=/* @__PURE__ */ new Map;#t;#n;constructor(e,t){this.#t=e,this.#n=t}show(e,t){let n=new Set(e.map(t));for(let[e,t]of this.#e)n.has(e)||(t.root.remove(),this.#e.delete(e));let r=this.#t.firstElementChild;for(let n of e){let e=t(n),i=this.#e.get(e)??this.#n(n);this.#e.set(e,i),i.root===r?r=r.nextElementSibling:this.#t.insertBefore(i.root,r),i.show(n)}}get all(){return[...this.#e.values()]}};function l(e,t,n){let r=JSON.stringify(t);e.shownFacts!==r&&(e.shownFacts=r,e.replaceChildren(...n()))}function u(e){if(e<1e3)return\`\${Math.max(0,Math.round(e))} ms\`;if(e<9950&&e%1e3!=0)return\`\${(e/1e3).toFixed(1)} s\`;let t=Math.floor(e/1e3);if(t<60)return\`\${t} s\`;let n=Math.floor(t/60);if(n<60)return d(n,\`min\`,t%60,\`s\`);let r=Math.floor(n/60);return r<48?d(r,\`h\`,n%60,\`min\`):d(Math.floor(r/24),\`d\`,r%24,\`h\`)}const d=(e,t,n,r)=>n===0?\`\${e} \${t}\`:\`\${e} \${t} \${n} \${r}\`,f=e=>e<1e3?\`under 1 s\`:u(Math.floor(e/1e3)*1e3),p=e=>String(e).padStart(2,\`0\`);function m(e,t=e){let n=new Date(e),r=\`\${p(n.getHours())}:\${p(n.getMinutes())}:\${p(n.getSeconds())}\`;return n.toDateString()===new Date(t).toDateString()?r:\`\${h(n)} \${r}\`}const h=e=>\`\${e.getFullYear()}-\${p(e.getMonth()+1)}-\${p(e.getDate())}\`;function g(e,t){let n=new Date(e);return t<864e5?\`\${p(n.getHours())}:\${p(n.getMinutes())}\`:\`\${p(n.getMonth()+1)}-\${p(n.getDate())}\`}function ee(){let{timeZone:e}=Intl.DateTimeFormat().resolvedOptions(),t=-(/* @__PURE__ */ new Date()).getTimezoneOffset(),n=Math.abs(t),r=\`UTC\${t<0?\`−\`:\`+\`}\${p(Math.floor(n/60))}:\${p(n%60)}\`;return e===void 0||e===\`UTC\`?\`UTC\`:\`\${e} (\${r})\`}const te={"handed-over":\`handed over\`,"server-shutdown":\`server shut down\`,"session-lost":\`session lost\`,"lease-lost":\`lease lost\`,"deadline-passed":\`deadline passed\`},_=e=>te[e]??e??\`no reason given\`;function ne(e,t){if(typeof e==\`string\`)return e;let n=\`\${e.permits} permits\`;return t===void 0?\`one of \${n}\`:\`place \${t} of \${n}\`}const v=(e,t,n)=>\`\${e} \${e===1?t:n}\`,y={leading:{mark:\`●\`,text:\`led\`},silent:{mark:\`▲\`,text:\`leader silent\`},ended:{mark:\`○\`,text:\`nobody leads\`},never:{mark:\`○\`,text:\`never led\`},unused:{mark:\`–\`,text:\`not in use\`}};var re=class{#e;constructor(e,t){this.#e=new c(e,()=>new ie(t))}show(e){this.#e.show(e,({name:e})=>e)}tick(e){for(let t of this.#e.all)t.tick(e)}},ie=class{#e;#t;#n;#r;#i;#a=!0;constructor(e){let{root:t,parts:n}=o(\`card\`);this.root=t,this.#e=n,this.#t=e,this.#r=new c(n.faults,()=>new S);let r=(e,t)=>e.addEventListener(\`click\`,()=>{e.hasAttribute(\`aria-disabled\`)||t(this.#n)});r(n.resign,t=>e.askToResign(t)),r(n[\`hand-off\`],t=>e.askToHandOff(t))}show(t){let n=this.#n;this.#n=t;let{name:a,leader:o,waiting:s,faults:c,isLed:u,isInUse:d}=t,f=this.#e,p=d?o?.state??\`never\`:\`unused\`;r(this.root,\`data-state\`,p),r(this.root,\`aria-label\`,a),i(f.name,a),l(f.state,p,()=>[e(\`span\`,{"aria-hidden":\`true\`},y[p].mark),\` \${y[p].text}\`]),this.#r.show(c,({code:e,about:t})=>\`\${e} \${t}\`),f.faults.hidden=c.length===0,this.#o(t),i(f[\`waiting-title\`],s.length===0?\`Waiting\`:\`Waiting (\${s.length})\`),l(f.waiting,[s,u],()=>b(t)),(n?.leader?.token!==o?.token||n?.leader?.lapsesAt!==o?.lapsesAt||this.#i===void 0)&&this.#l(),this.#s()}#o({leader:t,isLed:n,readAt:r}){let a=this.#e;i(a.who,n?t.label:\`Nobody leads\`);let{instance:o,host:c,pid:d,state:f}=t??{},p=o!==void 0&&o===this.#t.servedBy?.instance,m=t?.version&&\`lockd \${t.version}\`,h=[c,d&&\`pid \${d}\`,t?.appVersion,m].filter(Boolean);p&&h.push(\`serves this page\`),l(a.where,[n,t?.label,h,f,t?.endedReason],()=>n?[h.join(\` · \`)]:t===null?[\`Nobody ever has.\`]:f===\`silent\`?[\`\${t.label} led last, and no beat of it comes.\`]:[\`\${t.label} led last: \${_(t.endedReason)}.\`]),a.lease.hidden=!n,n&&i(a.ttl,\`of \${u(t.ttlMs)}\`);let g=t===null?{}:ae(t,Date.parse(r));l(a.facts,g,()=>Object.entries(g).flatMap(([t,n])=>[e(\`dt\`,{},t),e(\`dd\`,{},...[n].flat().map(e=>e?.since?s(e.since):e))]))}#s(){let{isLed:e,waiting:t}=this.#n,{resign:n,"hand-off":i}=this.#e,a=e&&this.#a,o=t.some(({isEligible:e})=>e);r(n,\`aria-disabled\`,a?void 0:\`true\`),r(i,\`aria-disabled\`,a&&o?void 0:\`true\`)}get#c(){let{leader:e,readAt:t}=this.#n,n=Date.parse(e.lapsesAt)-Date.parse(t);return Math.max(0,n-this.#t.sinceSeenMs())}tick(e){if(this.#n===void 0)return;e!==this.#a&&(this.#a=e,r(this.root,\`data-stale\`,!e),this.#l(),this.#s());let{leader:t,isLed:n}=this.#n;if(!n)return;let a=this.#c;i(this.#e.left,e?\`\${(a/1e3).toFixed(1)} s\`:\`not known\`),r(this.#e.lease,\`data-low\`,e&&a<t.ttlMs/3),this.#t.isStill()&&(this.#e.fill.style.transform=\`scaleX(\${a/t.ttlMs})\`)}#l(){this.#i?.cancel(),this.#i=void 0;let{leader:e,isLed:t}=this.#n,{fill:n}=this.#e;if(!t||!this.#a||this.#t.isStill()){n.style.transform=t&&this.#a?\`\`:\`scaleX(0)\`;return}let r=this.#c;n.style.transform=\`scaleX(0)\`,this.#i=n.animate([{transform:\`scaleX(\${r/e.ttlMs})\`},{transform:\`scaleX(0)\`}],{duration:r,easing:\`linear\`})}};function ae({token:e,state:t,since:n,endedAt:r,lapsesAt:i,heartbeatMs:a,ttlMs:o},s){let c=e=>m(Date.parse(e),s);if(t===\`leading\`)return{Leads:[{since:n},\`, since \${c(n)}\`],Beats:\`every \${u(a)}\`,Token:e};let l=new Date(Date.parse(i)-o).toISOString(),d=r??l;return{[r===null?\`Last beat\`:\`Ended\`]:[{since:d},\` ago, at \${c(d)}\`],Led:\`\${u(Date.parse(d)-Date.parse(n))}, since \${c(n)}\`,Token:e}}function b({waiting:t,isLed:n}){return t.length===0?[e(\`li\`,{class:\`alone\`},n?\`Nobody. If the leader stops, nobody takes over.\`:\`Nobody is here to lead.\`)]:t.map(x)}function x(t){let{label:n,host:r,pid:i,version:a,appVersion:o,priority:c,isEligible:l,clockOffsetMs:d}=t,f=[\`\${r} · pid \${i}\`,o,typeof c==\`number\`&&\`priority \${c}\`,\`lockd \${a}\`,Math.abs(d??0)>1e3&&\`clock \${d>0?\`ahead\`:\`behind\`} by \${u(Math.abs(d))}\`].filter(Boolean);return e(\`li\`,{},e(\`span\`,{class:\`label\`},n),l===!1?e(\`span\`,{class:\`tag\`},\`only observes\`):void 0,e(\`span\`,{class:\`facts\`},\`\${f.join(\` · \`)} · for \`,s(t.since)))}var S=class{#e=e(\`strong\`,{});#t=e(\`span\`,{});#n=e(\`code\`,{});#r=e(\`button\`,{type:\`button\`},\`Copy\`);#i=e(\`div\`,{class:\`remedy\`},e(\`pre\`,{},this.#n),this.#r);constructor(){this.root=e(\`li\`,{},e(\`p\`,{},this.#e,\` \`,this.#t),this.#i),this.#r.addEventListener(\`click\`,async()=>{try{await navigator.clipboard.writeText(this.#n.textContent),i(this.#r,\`Copied\`)}catch{getSelection().selectAllChildren(this.#n),i(this.#r,\`Selected\`)}})}show({code:e,message:t,remedy:n}){i(this.#e,e),i(this.#t,t),this.#i.hidden=!n,this.#n.textContent!==(n??\`\`)&&(i(this.#n,n??\`\`),i(this.#r,\`Copy\`))}};function C(e){let t=e.filter(({isInUse:e})=>e);if(t.length===0)return\`No name is in use.\`;let n=t.filter(({isLed:e})=>!e);if(n.length>0){let e=n.length===t.length?\`\`:\` (\${n.length} of \${t.length} names)\`;return\`Nobody leads \${w(n)}\${e}.\`}let r=e.filter(({faults:e})=>e.length>0),[i]=t,a=t.length===e.length?\`names\`:\`names in use\`,o=t.length===1?\`\${i.leader.label} leads \${i.name}\`:\`All \${t.length} \${a} are led\`;return r.length===0?\`\${o}.\`:\`\${o}, and something is wrong with \${w(r)}.\`}const w=e=>{let t=e.slice(0,3).map(({name:e})=>e);return e.length>t.length?\`\${t.join(\`, \`)}, …\`:t.join(\`, \`)};var oe=class{#e=a(\`order\`);#t;#n;#r=!1;constructor(e){this.#t=e,a(\`order-cancel\`).addEventListener(\`click\`,()=>this.#e.close()),this.#e.querySelector(\`form\`).addEventListener(\`submit\`,e=>{e.preventDefault(),this.#a()})}resign({name:e,leader:t,waiting:n}){let r=n.filter(({isEligible:e})=>e).length;this.#i({name:e,token:t.token,title:\`Ask \${t.label} to resign?\`,text:\`It closes its gate, finishes what it has begun, and lets go of \${e}. Whoever is next takes over.\`,caution:r===0?\`Nobody waits: nobody will lead until an instance is there.\`:\`\`,verb:\`Resign\`,heirs:[],send:()=>this.#t.post(\`resign\`,{name:e,wait:!0}),outcome:t=>se(e,t)})}handOff({name:e,leader:t,waiting:n}){this.#i({name:e,token:t.token,title:\`Hand \${e} off?\`,text:\`\${t.label} finishes what it has begun as soon as its successor is ready, and the seat goes to that one and no other.\`,caution:\`\`,verb:\`Hand off\`,heirs:n,send:t=>this.#t.post(\`handoff\`,t===\`\`?{name:e,newest:!0}:{name:e,to:t}),outcome:t=>ce(e,t)})}see(e){if(!this.#e.open||this.#r||a(\`order-do\`).hidden)return;let{name:t,token:n}=this.#n,r=e.find(e=>e.name===t);if(r?.isLed&&r.leader.token===n)return;let i=r?.isLed?\`\${r.leader.label} leads\`:\`nobody leads\`;this.#o(\`done\`,\`failed\`,\`Meanwhile \${i} \${t}. Nothing was asked.\`)}#i(e){this.#n=e,this.#r=!1,i(a(\`order-title\`),e.title),i(a(\`order-text\`),e.text),i(a(\`order-caution\`),e.caution),a(\`order-caution\`).hidden=e.caution===\`\`,i(a(\`order-outcome\`),\`\`),r(a(\`order-outcome\`),\`data-is\`,void 0),i(a(\`order-cancel\`),\`Cancel\`),i(a(\`order-do\`),e.verb),a(\`order-do\`).hidden=!1,a(\`order-choice\`).hidden=e.heirs.length===0,a(\`order-heirs\`).replaceChildren(T(\`\`,\`The newest\`,\`chosen by priority and version\`,!0),...e.heirs.map(({instance:e,label:t,host:n,pid:r,appVersion:i,isEligible:a})=>{let o=[i,n,\`pid \${r}\`].filter(Boolean).join(\` · \`);return a?T(e,t,o,!1):T(e,t,\`\${o} · only observes\`,!1,!0)})),this.#e.showModal(),a(\`order-cancel\`).focus()}async#a(){if(this.#r||a(\`order-do\`).hidden)return;this.#r=!0;let e=this.#n,t=new FormData(this.#e.querySelector(\`form\`));this.#o(\`\`,\`asking\`,\`Asked. Waiting for the answer…\`);try{let n=await e.send(t.get(\`heir\`)??\`\`);e===this.#n&&this.#o(\`done\`,...e.outcome(n))}catch(t){e===this.#n&&this.#o(\`\`,\`failed\`,t.message)}e===this.#n&&(this.#r=!1)}#o(e,t,n){r(a(\`order-outcome\`),\`data-is\`,t),i(a(\`order-outcome\`),n),e===\`done\`&&(a(\`order-do\`).hidden=!0,a(\`order-choice\`).hidden=!0,i(a(\`order-cancel\`),\`Close\`),this.#e.open&&a(\`order-cancel\`).focus())}};function T(t,n,r,i,a=!1){return e(\`label\`,{},e(\`input\`,{type:\`radio\`,name:\`heir\`,value:t,checked:i,disabled:a}),e(\`span\`,{class:\`label\`},n),e(\`span\`,{class:\`facts\`},r))}const E=e=>typeof e==\`string\`?e:e?.label??\`it\`;function se(e,{outcome:t,asked:n,tookMs:r,status:i,isHeard:a}){let o=a===!1?\` Its control session is lost, so it may not have heard.\`:\`\`;if(t===\`nobody\`)return[\`failed\`,\`Nobody leads \${e}: there is nobody to ask.\`];if(t===\`asked\`)return[\`done\`,\`\${E(n)} was asked.\${o}\`];if(t===\`timed-out\`)return[\`failed\`,\`\${E(n)} has not let go after \${u(r)}.\${o}\`];let s=r==null?\`\`:\` in \${u(r)}\`,c=i?.isLed?\`\${E(i.leader)} leads now.\`:\`Nobody leads now.\`;return[\`done\`,\`\${E(n)} resigned\${s}. \${i===void 0?\`\`:c}\`.trim()]}function ce(e,{outcome:t,from:n,to:r,tookMs:i,gapMs:a,reason:o,status:s}){if(t===\`handed-over\`){let t=typeof i==\`number\`?\` in \${u(i)}\`:\`\`,o=typeof a==\`number\`?\`, \${u(a)} of it without a leader\`:\`\`;return[\`done\`,\`\${E(r)} leads \${e} now; \${E(n)} handed over\${t}\${o}.\`]}return t===\`asked\`?[\`done\`,\`\${E(r)} was asked to get ready.\`]:[\`failed\`,{declined:\`\${E(r)} is not ready: \${_(o)}. \${E(n)} leads on.\`,returned:\`\${E(r)} did not come. \${E(s?.leader??n)} leads.\`,nobody:\`Nobody leads \${e}: there is nothing to hand off.\`,"no-candidate":\`Nobody of that kind waits: nothing was done.\`,"timed-out":\`It was not handed over in time. The card says who leads.\`}[t]??\`The answer was: \${t}\`]}var le=class{#e=a(\`token\`);#t=a(\`enter-token\`);#n;#r;constructor(e){this.#n=e,this.#t.addEventListener(\`click\`,()=>this.#e.showModal()),a(\`token-cancel\`).addEventListener(\`click\`,()=>this.#e.close()),this.#e.querySelector(\`form\`).addEventListener(\`submit\`,e=>{e.preventDefault();let t=a(\`token-field\`),n=t.value.trim();if(!/^[!-~]+$/.test(n))return this.#i(\`A token has no spaces and no umlauts.\`);this.#n.setToken(n),t.value=\`\`,this.#t.hidden=!0,this.#e.close(),this.#r?.()})}#i(e){i(a(\`token-refused\`),e),r(a(\`token-refused\`),\`data-is\`,\`failed\`)}ask(){return this.#i(this.#n.hasToken?\`That token was refused.\`:\`\`),this.#t.hidden=!1,this.#e.open||this.#e.showModal(),new Promise(e=>{this.#r=e})}};const D=\`lockd-token\`,O=2e4;var k=class extends Error{constructor(e,t){super(A(e,t)),this.status=t.status,this.isAboutToken=t.status===401||\`\${e?.error?.code}\`.startsWith(\`TOKEN\`)}},ue=class{#e=de();setToken(e){this.#e=e;try{sessionStorage.setItem(D,e)}catch{}}get hasToken(){return this.#e!==null}async json(e){return(await this.fetch(e)).json()}async post(e,t){let n=await this.#t(e,{method:\`POST\`,headers:{"content-type":\`application/json\`},body:JSON.stringify(t)}),r=await n.json().catch(()=>void 0);if(typeof r?.outcome==\`string\`)return r;throw new k(r,n)}async fetch(e,t={}){let n=await this.#t(e,t);if(n.ok)return n;throw new k(await n.json().catch(()=>void 0),n)}#t(e,t){let n=new Headers(t.headers);return this.#e!==null&&n.set(\`authorization\`,\`Bearer \${this.#e}\`),fetch(e,{...t,headers:n,cache:\`no-store\`,redirect:\`error\`})}};function de(){try{return sessionStorage.getItem(D)}catch{return null}}function A(e,{status:t,statusText:n}={}){let{error:r}=e??{};return r?.message??(typeof r==\`string\`?r:e?.message)??\`The server answered \${\`\${t} \${n??\`\`}\`.trim()}.\`}async function j(e,{tell:t,unlock:n,heard:r}){let i,a=0;for(;;){try{t({is:\`connecting\`,failures:a}),await M(e,i,{opened:()=>t({is:\`live\`}),heard:e=>{a=0,i=e.is===\`reset\`?void 0:e.id??i,r(e)}})}catch(e){if(e.isAboutToken){t({is:\`locked\`}),await n();continue}e.status!==void 0&&t({is:\`refused\`,message:e.message})}a+=1;let o=Math.min(1e4,250*2**a)*(.5+Math.random()/2);t({is:\`lost\`,failures:a}),await new Promise(e=>setTimeout(e,o))}}async function M(e,t,{opened:n,heard:r}){let i=new AbortController,a=setTimeout(()=>i.abort(),O);try{let o={accept:\`text/event-stream\`};t!==void 0&&(o[\`last-event-id\`]=t);let s=await e.fetch(\`events\`,{headers:o,signal:i.signal});n();let c=s.body.pipeThrough(new TextDecoderStream).getReader(),l=N(r);for(;;){let{value:e,done:t}=await c.read();if(t)return;clearTimeout(a),a=setTimeout(()=>i.abort(),O),l(e)}}finally{clearTimeout(a)}}function N(e){let t=\`\`,n={};return r=>{let i=(t+r).split(\`
\`);t=i.pop();for(let t of i.map(e=>e.replace(/\\r$/,\`\`))){if(t===\`\`){e({...n,data:P(n.data)}),n={};continue}let[,r,i]=/^([^:]*):? ?(.*)$/.exec(t);r===\`event\`?n.is=i:r===\`id\`?n.id=i:r===\`data\`&&(n.data=n.data===void 0?i:\`\${n.data}\\n\${i}\`)}}}function P(e){try{return JSON.parse(e)}catch{return}}const F=[\`What\`,\`Owner\`,\`Process\`,\`How\`,\`For\`,\`Why\`];function I({holdings:e,waitings:t,held:n,waited:r}){let i=L(e,t);a(\`no-resources\`).hidden=i.length>0,a(\`resource-table\`).hidden=i.length===0;let o=n+r-e.length-t.length;l(a(\`resource-table\`),[i,n,r],()=>[z(i,n,r,o)])}function L(e,t){let n=/* @__PURE__ */ new Map,r=e=>{let t=n.get(e)??{resource:e,holders:[],waiters:[]};return n.set(e,t),t};for(let t of e)r(t.resource).holders.push(R(t));for(let e of t)r(e.resource).waiters.push(R(e));return[...n.values()].sort((e,t)=>t.waiters.length-e.waiters.length||(e.resource<t.resource?-1:1))}const R=({owner:e,label:t,mode:n,slot:r,since:i,details:a,request:o})=>({owner:e,label:t,mode:n,slot:r,since:i,reason:a?.reason??null,ttlMs:a?.ttlMs??null,request:o});function z(t,n,r,i){let a=\`\${v(n,\`hold\`,\`holds\`)}, \${v(r,\`wait\`,\`waits\`)}\`,o=i>0?\`; \${i} of them are not shown, and lockd locks tells all\`:\`\`;return e(\`table\`,{class:\`stacks\`,role:\`table\`},e(\`caption\`,{},\`\${a}\${o}\`),e(\`thead\`,{role:\`rowgroup\`},U({},...F.map(t=>e(\`th\`,{scope:\`col\`,role:\`columnheader\`},t)))),...t.map(B))}function B({resource:t,holders:n,waiters:r}){let i={scope:\`rowgroup\`,role:\`rowheader\`,colspan:F.length};return e(\`tbody\`,{role:\`rowgroup\`},U({class:\`group\`},e(\`th\`,i,t)),...n.map(e=>V(\`holds\`,e)),...r.map((e,t)=>V(\`waits, \${fe(t+1)}\`,e)))}function V(t,{owner:n,label:r,mode:i,slot:a,since:o,reason:c}){let l=t===\`holds\`?\`holds\`:\`waits\`,u=[e(\`span\`,{class:\`tag \${l}\`},t),H(n),r??\`\`,ne(i,l===\`holds\`?a:void 0),s(o),c??\`\`];return U({},...u.map((t,n)=>e(\`td\`,{role:\`cell\`,"data-head":F[n],"data-none":t===\`\`},t)))}const H=t=>/^#[0-9a-f-]{36}$/.test(t)?e(\`span\`,{title:t},\`\${t.slice(0,9)}…\`):t,U=(t,...n)=>e(\`tr\`,{role:\`row\`,...t},...n),fe=e=>e===1?\`next\`:e===2?\`2nd\`:e===3?\`3rd\`:\`\${e}th\`;function pe(e,t,n,r){let i=[],a;for(let n of e){let o=n===e.at(-1),s=Date.parse(n.startedAt),c=me(n,o,t);n.gapMs>0?i.push(W(s-n.gapMs,s,!1)):n.gapMs===null&&a<s&&i.push(W(a,s,!1)),i.push({is:\`term\`,key:\`term \${n.token}\`,token:n.token,label:n.label,instance:n.instance,startMs:s,endMs:c??r,isOpen:c===void 0,reason:c===void 0?void 0:he(n)}),a=c}return a!==void 0&&a<r&&i.push(W(a,r,!0)),i.filter(({endMs:e})=>e>n).map(e=>({...e,fromMs:Math.max(n,e.startMs)}))}const W=(e,t,n)=>({is:\`gap\`,key:\`gap \${e}\`,startMs:e,endMs:t,isOpen:n});function me({endedAt:e,token:t},n,r){if(e!==null)return Date.parse(e);let i=n&&r?.token===t;if(i&&r.state===\`silent\`)return Date.parse(r.lapsesAt)-r.ttlMs;if(i&&r.endedAt!==null)return Date.parse(r.endedAt)}const he=({reason:e,endedAt:t})=>t===null?\`silent\`:_(e);function ge(e){let t=e.filter(({is:e})=>e===\`gap\`),n=t.map(({fromMs:e,endMs:t})=>t-e);return{terms:e.length-t.length,gaps:t.length,gapMs:n.reduce((e,t)=>e+t,0),longestMs:Math.max(0,...n)}}var _e=class{#e=/* @__PURE__ */ new Map;of(e){let t=this.#e.get(e);if(t!==void 0)return t;let n=[...this.#e.values()].map(({hue:e})=>e),r=ve(e)%6;for(let e=0;n.includes(r)&&e<6;e+=1)r=(r+1)%6;let i={hue:r,letter:G(this.#e.size)};return this.#e.set(e,i),i}};const G=e=>(e>=26?G(Math.floor(e/26)-1):\`\`)+String.fromCharCode(65+e%26);function ve(e){let t=2166136261;for(let n=0;n<e.length;n+=1)t=Math.imul(t^e.charCodeAt(n),16777619);return t>>>0}function ye(e,t){let n=[],r=[];for(let i of[...e].sort((e,t)=>t.weight-e.weight)){if(i.width>t)continue;let e=Math.min(Math.max(i.x,0),t-i.width);n.every(([t,n])=>e+i.width+8<=t||n+8<=e)&&(n.push([e,e+i.width]),r.push({...i,x:e}))}return r}const K=6e4,q=60*K,J=[5*K,10*K,30*K,q,2*q,4*q,6*q,24*q,48*q];function be(e,t,n,r=64){let i=J.find(i=>(t-e)/i*r<=n)??J.at(-1),a=new Date(t).getTimezoneOffset()*K,o=[];for(let n=Math.ceil((e-a)/i)*i+a;n<t;n+=i)o.push(n);return{stepMs:i,ticks:o}}var xe=class{#e=t(\`svg\`,{class:\`timeline\`,role:\`group\`,height:94});#t=t(\`g\`,{class:\`axis\`,"aria-hidden":\`true\`});#n=t(\`g\`,{});#r=t(\`g\`,{class:\`texts\`,"aria-hidden":\`true\`});#i;#a=[];#o;#s=/* @__PURE__ */ new Map;#c=document.createElement(\`canvas\`).getContext(\`2d\`);#l;constructor(e,t,n){this.#l=t,this.#e.append(this.#t,this.#n,this.#r),e.append(this.#e),this.#i=new c(this.#n,e=>this.#u(e.key,n)),e.addEventListener(\`keydown\`,e=>this.#m(e)),e.addEventListener(\`pointerleave\`,()=>n(void 0)),e.addEventListener(\`focusout\`,()=>n(void 0))}get width(){return this.#e.parentElement.clientWidth}draw(e,t,n,i,a){let o=this.width;if(o===0)return;let s={width:o,x:e=>(e-t)/(n-t)*o};r(this.#e,\`viewBox\`,\`0 0 \${o} 94\`),r(this.#e,\`width\`,o),r(this.#e,\`aria-label\`,\`\${i}. Arrow keys go from one to the next.\`),this.#a=e,e.some(({key:e})=>e===this.#o)||(this.#o=e.at(-1)?.key);let c=[...e].sort((e,t)=>Y[e.is]-Y[t.is]);this.#i.show(c.map(e=>({...e,scale:s,text:a(e),isEntry:e.key===this.#o})),({key:e})=>e),this.#f(e,s),this.#p(t,n,s)}#u(e,n){let a=t(\`rect\`,{class:\`shape\`,y:20,height:34}),o=t(\`rect\`,{class:\`target\`,y:16,height:42}),s=t(\`text\`,{class:\`inside\`,y:41}),c=t(\`g\`,{role:\`img\`},a,o,s);return c.addEventListener(\`pointerenter\`,()=>n(e)),c.addEventListener(\`focus\`,()=>n(e)),{root:c,show:t=>{let{scale:n,fromMs:l,endMs:u}=t,d=n.x(l),f=Math.max(2,n.x(u)-d),p=Math.min(d,n.width-f);r(c,\`class\`,t.is===\`gap\`?\`gap\`:\`term hue-\${this.#l.of(t.label).hue}\`),r(c,\`data-open\`,t.isOpen),r(c,\`data-key\`,e),r(c,\`tabindex\`,t.isEntry?0:-1),r(c,\`aria-label\`,t.text),r(a,\`x\`,p.toFixed(1)),r(a,\`width\`,f.toFixed(1));let m=Math.max(10,f);r(o,\`x\`,(p-(m-f)/2).toFixed(1)),r(o,\`width\`,m.toFixed(1)),r(s,\`x\`,(p+7).toFixed(1)),i(s,t.is===\`gap\`?\`\`:this.#d(t.label,f-14))}}}#d(e,t){if(this.#h(e)<=t)return e;let{letter:n}=this.#l.of(e);return this.#h(n)<=t?n:\`\`}#f(e,n){let r=e.filter(({is:e})=>e===\`gap\`).map(e=>{let t=u(e.endMs-e.startMs),r=this.#h(t,600);return{text:t,width:r,x:(n.x(e.fromMs)+n.x(e.endMs))/2-r/2,weight:e.endMs-e.startMs}}),i=e.filter(({reason:e})=>e!==void 0).map(({reason:e,endMs:t})=>{let r=e.length>32?\`\${e.slice(0,30)}…\`:e,i=this.#h(r);return{text:r,width:i,x:n.x(t)-i,weight:t}}),a=(e,r,i)=>ye(e,n.width).map(({x:e,text:n})=>t(\`text\`,{class:i,x:e.toFixed(1),y:r},n));this.#r.replaceChildren(...a(r,13,\`gap-length\`),...a(i,68,\`reason\`))}#p(e,n,{width:r,x:i}){let{stepMs:a,ticks:o}=be(e,n,r),s=t(\`line\`,{x1:0,x2:r,y1:74,y2:74}),c=o.flatMap(e=>{let n=g(e,a),o=i(e),s=this.#h(n)/2,c=t(\`line\`,{x1:o,x2:o,y1:74,y2:78});return o<s||o>r-s-34?[c]:[c,t(\`text\`,{class:\`tick\`,x:o,y:90},n)]}),l=t(\`text\`,{class:\`now\`,x:r,y:90},\`now\`);this.#t.replaceChildren(s,...c,l)}#m(e){let t=this.#a.findIndex(({key:e})=>e===this.#o),n={ArrowLeft:t-1,ArrowRight:t+1,Home:0,End:this.#a.length-1},i=this.#a[n[e.key]];if(i!==void 0){e.preventDefault(),this.#o=i.key;for(let e of this.#n.children){let t=e.dataset.key===i.key;r(e,\`tabindex\`,t?0:-1),t&&e.focus()}}}#h(e,t=400){let n=\`\${t} \${e}\`,r=this.#s.get(n);if(r!==void 0)return r;let{fontSize:i,fontFamily:a}=getComputedStyle(this.#e);this.#c.font=\`\${t} \${i} \${a}\`,this.#s.size>2e3&&this.#s.clear();let o=this.#c.measureText(e).width;return this.#s.set(n,o),o}};const Y={term:0,gap:1},X=36e5,Se={"1h":{ms:X,text:\`the last hour\`},"6h":{ms:6*X,text:\`the last 6 hours\`},"24h":{ms:24*X,text:\`the last 24 hours\`},"168h":{ms:168*X,text:\`the last 7 days\`}};var Z=class{#e;#t;#n=\`1h\`;#r=[];#i=!1;constructor(e){this.#e=e;let t=new _e;this.#t=new c(a(\`lanes\`),()=>new Ce(e,t)),a(\`ranges\`).addEventListener(\`change\`,({target:e})=>{this.#n=e.value,this.show(this.#r)}),new ResizeObserver(()=>this.show(this.#r)).observe(a(\`lanes\`))}show(e){this.#r=e,a(\`terms\`).hidden=e.length===0;let t={since:this.#n,...Se[this.#n]};this.#t.show(e.map(e=>({status:e,range:t})),({status:e})=>e.name),this.#a()}async#a(){if(!this.#i){this.#i=!0;try{for(;;){let e=this.#t.all.find(e=>e.isDue);if(e===void 0)return;await e.load(this.#e.server)}}finally{this.#i=!1}}}},Ce=class{#e;#t;#n;#r;#i;#a;#o;#s;#c;#l=0;#u={};#d=[];#f;constructor(e,t){let{root:n,parts:r}=o(\`lane\`);this.root=n,this.#e=r,this.#t=e,this.#r=t,this.#n=new xe(r.drawing,t,e=>{this.#f=e,this.#g()})}get#p(){let{leader:e}=this.#i;return[this.#a.since,e?.token,e?.endedAt].join()}get isDue(){return this.#c!==void 0&&performance.now()<this.#l?!1:this.#s!==this.#p}async load(e){let t=this.#p,n=new URLSearchParams({name:this.#i.name,since:this.#a.since});try{this.#o=(await e.json(\`history?\${n}\`)).terms,this.#c=void 0,this.#s=t}catch(e){this.#c=e.message,this.#l=performance.now()+5e3}this.#u={},this.#m()}show({status:e,range:t}){this.#i=e,this.#a=t,i(this.#e.name,e.name),r(this.root,\`aria-label\`,\`Terms of \${e.name}\`),this.#m()}#m(){let e=this.#e;if(this.#o===void 0)return this.#g();let{leader:t,name:n}=this.#i,i=this.#t.serverNow(),a=i-this.#a.ms,o=pe(this.#o,t,a,i),s=this.#n.width,c=Math.round(i/this.#a.ms*s),u=o.at(-1)?.is===\`gap\`,d=[c,s,this.#a.ms,o.length,o.at(-1)?.key].join();if(this.#u.key===d&&!u)return;this.#u={key:d},this.#d=o;let f=\`Terms of \${n}, \${this.#a.text}\`;this.#n.draw(o,a,i,f,e=>Q(e,i)),this.#h(o),this.#g(),r(e.table,\`aria-label\`,f),r(e.table,\`tabindex\`,0),l(e.table,[this.#o,this.#a.ms,t?.token,t?.endedAt],()=>[Te(o,f,i)])}#h(t){let n=/* @__PURE__ */ new Map;for(let{is:e,label:r,fromMs:i,endMs:a}of t)e===\`term\`&&n.set(r,(n.get(r)??0)+a-i);let r=[...n].map(([e,t])=>({label:e,ms:u(t)}));l(this.#e.legend,r,()=>r.map(({label:t,ms:n})=>{let{hue:r,letter:i}=this.#r.of(t),a=e(\`span\`,{class:\`swatch hue-\${r}\`},i);return e(\`li\`,{},a,e(\`span\`,{class:\`label\`},t),e(\`span\`,{class:\`facts\`},\`led \${n}\`))}))}#g(){let e=this.#d.find(({key:e})=>e===this.#f),t=this.#o===void 0?\`Asking…\`:we(this.#d,this.#a),n=e===void 0?t:Q(e,this.#t.serverNow());i(this.#e.detail,this.#c??n),r(this.#e.detail,\`data-is\`,this.#c===void 0?void 0:\`failed\`)}};function Q({is:e,label:t,token:n,startMs:r,endMs:i,isOpen:a,reason:o},s){let c=m(r,s),l=m(i,s),d=u(i-r);return e===\`gap\`?a?\`No leader since \${c}, for \${d} now\`:\`No leader for \${d}, until \${l}\`:a?\`\${t} leads since \${c}, for \${d} now, with token \${n}\`:\`\${t} led for \${d}, from \${c} to \${l}, with token \${n}: \${o}\`}function we(e,{text:t}){let{terms:n,gaps:r,gapMs:i,longestMs:a}=ge(e);if(e.length===0)return\`No term in \${t}\`;let o=v(n,\`term\`,\`terms\`);if(r===0)return\`\${o}, no time without a leader\`;let s=\`\${o}, \${u(i)} without a leader\`,c=u(a);return c===u(i)?s:\`\${s}, \${c} at the longest\`}function Te(t,n,r){let i=t.toReversed().slice(0,500).map(e=>Ee(e,r)),a=t.length-i.length,o=a>0?\`; \${a} earlier ones are left out\`:\`\`;return e(\`table\`,{},e(\`caption\`,{},\`\${n}, the latest first\${o}\`),e(\`thead\`,{},e(\`tr\`,{},...[\`Leader\`,\`From\`,\`Until\`,\`For\`,\`Why it ended\`,\`Token\`].map(t=>e(\`th\`,{scope:\`col\`},t)))),e(\`tbody\`,{},...i))}function Ee({is:t,label:n,token:r,startMs:i,endMs:a,isOpen:o,reason:s},c){let l=[m(i,c),o?\`now\`:m(a,c)],d=o?\`\`:u(a-i),f=(t,n,r,i,a)=>[...[t,n,r].map(t=>e(\`td\`,{},t)),e(\`td\`,{class:\`why\`},i),e(\`td\`,{},a)];if(t===\`gap\`){let t=e(\`th\`,{scope:\`row\`},\`nobody\`);return e(\`tr\`,{class:\`gap-row\`},t,...f(...l,d,\`\`,\`\`))}let p=e(\`th\`,{scope:\`row\`},n);return e(\`tr\`,{},p,...f(...l,d,o?\`leads\`:s,r))}const De=matchMedia(\`(prefers-reduced-motion: reduce)\`);var Oe=class{server=new ue;servedBy;#e;#t;#n;#r={is:\`connecting\`,failures:0};#i;#a;#o=/* @__PURE__ */ new Map;#s=new oe(this.server);#c=new le(this.server);#l=new re(a(\`cards\`),this);#u=new Z(this);start(){i(a(\`zone\`),ee()),setInterval(()=>this.#g(),100),setInterval(()=>this.#x(),1e3),j(this.server,{tell:e=>this.#m(e),unlock:()=>this.#c.ask(),heard:e=>this.#d(e)})}sinceSeenMs(){return performance.now()-this.#t}serverNow(){return this.#n+this.sinceSeenMs()}isStill(){return De.matches}askToResign(e){this.#s.resign(e)}askToHandOff(e){this.#s.handOff(e)}#d({is:e,data:t}){e===\`picture\`&&t!==void 0&&(t.error!==null&&t.error!==void 0?(this.#i??={since:performance.now()},this.#i.message=A(t)):(this.#i=void 0,this.#f(t)),this.#g())}#f(e){this.#e=e,this.#t=performance.now(),this.#n=Ae(e);let{locks:t}=e,n=e.names.toSorted((e,t)=>t.isInUse-e.isInUse);a(\`names\`).hidden=!1,a(\`resources\`).hidden=!1,a(\`no-names\`).hidden=n.length>0,this.#l.show(n),this.#u.show(n),I(t),this.#p(n),this.#s.see(n),this.#x()}#p(e){let t=[];for(let{name:n,isLed:r,leader:i}of e){let e=r?i.token:\`nobody\`,a=this.#o.get(n);this.#o.set(n,e),a!==void 0&&a!==e&&t.push(r?\`\${i.label} leads \${n} now.\`:\`Nobody leads \${n}.\`)}t.length>0&&i(a(\`news\`),t.join(\` \`))}#m(e){e.is===\`refused\`?this.#a=e.message:this.#r=e,e.is===\`live\`&&(this.#a=void 0,this.#h()),this.#g()}async#h(){try{this.servedBy=await this.server.json(\`status\`),i(a(\`served-by\`),\`Served by \${this.servedBy.label}.\`)}catch(e){e.status===501&&(this.#a=e.message)}}#g(){let{state:e,text:t,notice:n}=this.#v();r(a(\`connection\`),\`data-state\`,e),i(a(\`connection-text\`),t),i(a(\`notice\`),n??\`\`),a(\`notice\`).hidden=n===void 0,r(document.body,\`data-stale\`,this.#e!==void 0&&!this.#_),this.#y(),this.#b(),this.#l.tick(this.#_);let o=this.#S(e);document.title!==o&&(document.title=o)}get#_(){let e=this.#r.is===\`live\`&&this.#i===void 0;return this.#e!==void 0&&e&&this.sinceSeenMs()<3500}#v(){let{is:e,failures:t}=this.#r,n=this.#e===void 0?\`\`:\` What is below is what was seen last.\`;if(e===\`locked\`)return{state:\`locked\`,text:\`Waiting for a token\`};if(e!==\`live\`)return t===0?{state:\`connecting\`,text:\`Connecting\`}:{state:\`lost\`,text:\`Reconnecting\`,notice:\`\${this.#a??\`No connection to this server.\`} It is tried again.\${n}\`};if(this.#i!==void 0){let{since:e,message:t}=this.#i;return{state:\`away\`,text:\`Database away\`,notice:\`This server has not reached the database for \${f(performance.now()-e)}: \${ke(t)}\${n}\`}}return this.#e===void 0?this.#a===void 0?{state:\`connecting\`,text:\`Connected\`}:{state:\`away\`,text:\`No database\`,notice:this.#a}:this.#_?{state:\`live\`,text:\`Live\`}:{state:\`late\`,text:\`Late\`,notice:\`No picture for \${f(this.sinceSeenMs())}.\${n}\`}}#y(){if(this.#e===void 0)return;let{names:e}=this.#e,t=e.length===0?\`\`:C(e);a(\`summary\`).hidden=t===\`\`,i(a(\`summary\`),this.#_?t:\`Last seen: \${t}\`),r(a(\`summary\`),\`data-ill\`,this.#_&&e.some($))}#b(){if(this.#e===void 0)return i(a(\`as-of\`),\`\`);let e=m(this.#n,this.serverNow());i(a(\`as-of\`),this.#_?\`as of \${e}\`:\`as of \${e}, \${f(this.sinceSeenMs())} ago\`)}#x(){if(this.#e===void 0)return;let e=this.serverNow();for(let t of document.querySelectorAll(\`[data-since]\`)){let n=Date.parse(t.dataset.since);i(t,f(Math.max(0,e-n))),t.title===\`\`&&(t.title=m(n,0))}}#S(e){if(this.#e===void 0)return\`lockd\`;if(e!==\`live\`)return\`? \${a(\`connection-text\`).textContent} · lockd\`;let t=this.#e.names.filter(({isInUse:e})=>e),n=t.find($);return n===void 0?t.length===1?\`\${t[0].name}: \${t[0].leader.label} · lockd\`:\`lockd\`:\`▲ \${n.name}: nobody leads · lockd\`}};const $=({isLed:e,isInUse:t})=>t&&!e,ke=e=>/[.!?]$/.test(e)?e:\`\${e}.\`;function Ae({names:e,locks:t,readAt:n}){let[r]=t?.holdings??[];return e.length>0?Date.parse(e[0].readAt):r===void 0?Date.parse(n):Date.parse(r.since)+r.forMs}new Oe().start();`,
  },
};
