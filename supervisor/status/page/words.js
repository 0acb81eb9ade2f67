// Numbers and times as text. The functions are pure: they do not touch the page.

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const NUMBER = new Intl.NumberFormat("en-GB");

/** A length of time in its two largest units: "2 h 5 min", or "3.2 s". */
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [length, unit] of UNITS) {
    const count = Math.floor(rest / length);
    rest %= length;
    if (count) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

/** The same in whole seconds, for a time that is updated every second. */
export function ticking(seconds) {
  return seconds < 10 ? `${Math.max(0, Math.floor(seconds))} s` : duration(Math.floor(seconds));
}

/** A moment as time of day, with its date unless it is today. */
export function moment(at, now = Date.now()) {
  const when = new Date(at);
  const today = DATE.format(when) === DATE.format(new Date(now));
  return today ? TIME.format(when) : `${DATE.format(when)} ${TIME.format(when)}`;
}

/** The time left until a moment: "in 20 s", or "now" if the moment is past. */
export function until(at, now) {
  const seconds = (Date.parse(at) - now) / 1000;
  return seconds <= 0 ? "now" : `in ${ticking(seconds)}`;
}

/** A count with thousands separators; "unknown" for null. */
export function count(value) {
  return value === null ? "unknown" : NUMBER.format(value);
}

/** A large count in short: "2.4M". */
export function compact(value) {
  return value < 10_000 ? count(value) : COMPACT.format(value);
}

/**
 * The text with control and direction characters escaped, as on a terminal. Without that, a name could turn
 * the words around it. Joiners stay: they combine letters and emoji.
 */
export function harmless(text) {
  return text.replace(/(?![\u200c\u200d])[\p{C}\p{Zl}\p{Zp}]/gu, (char) => ESCAPES[char] ?? `\\u{${char.codePointAt(0).toString(16)}}`);
}

/** A text from elsewhere, in a sentence whose direction it does not change. */
export function isolated(text) {
  return `\u2068${text}\u2069`;
}

/** A number of things: "1 message", "2 messages". */
export function several(number, what) {
  return `${count(number)} ${what}${number === 1 ? "" : "s"}`;
}

/** A name as words: `homeserver_lost` becomes "homeserver lost". */
export function words(name) {
  return name.replaceAll("_", " ");
}
