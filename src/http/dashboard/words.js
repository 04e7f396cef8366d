/** How lengths, times and reasons are written. Everything here is a function of what it is given. */

/** For people: two units at most. */
export function span(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9950 && ms % 1000 !== 0) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return both(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return both(hours, 'h', minutes % 60, 'min');
  return both(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

const both = (many, unit, few, smaller) =>
  few === 0 ? `${many} ${unit}` : `${many} ${unit} ${few} ${smaller}`;

/** An age that is counted on once a second needs no tenths. */
export const age = (ms) => (ms < 1000 ? 'under 1 s' : span(Math.floor(ms / 1000) * 1000));

const two = (number) => String(number).padStart(2, '0');

/** 02:13:07, and with its date where that is not today's. Stamps are the server's, as is `nowMs`. */
export function timeOfDay(ms, nowMs = ms) {
  const at = new Date(ms);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date(nowMs).toDateString() ? time : `${day(at)} ${time}`;
}

const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;

/** What stands below a tick of the axis. */
export function tickText(ms, stepMs) {
  const at = new Date(ms);
  if (stepMs < 86_400_000) return `${two(at.getHours())}:${two(at.getMinutes())}`;
  return `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** Where midnight is for whoever reads. */
export function zoneText() {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const minutes = -new Date().getTimezoneOffset();
  const size = Math.abs(minutes);
  const offset = `UTC${minutes < 0 ? '−' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return timeZone === undefined || timeZone === 'UTC' ? 'UTC' : `${timeZone} (${offset})`;
}

const reasons = {
  'handed-over': 'handed over',
  'server-shutdown': 'server shut down',
  'session-lost': 'session lost',
  'lease-lost': 'lease lost',
  'deadline-passed': 'deadline passed',
};

/** Why a term ended. What a guard has seen is said in its own words. */
export const reasonText = (reason) => reasons[reason] ?? reason ?? 'no reason given';

export function modeText(mode, slot) {
  if (typeof mode === 'string') return mode;
  const all = `${mode.permits} permits`;
  return slot === undefined ? `one of ${all}` : `place ${slot} of ${all}`;
}

export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
