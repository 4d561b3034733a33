// Numbers, times and labels as people read them.  Pure functions.

const LOCALE = "en-GB"; // the page speaks English; day before month, 24 hours
const SHORT = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 4 });
const WHOLE = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });
const PREFIXES = [[1e15, " P"], [1e12, " T"], [1e9, " G"], [1e6, " M"], [1e4, " k", 1e3]];

/** A measured value with four significant digits: 0.01234, 1,284, 12.84 k, 3.5 M. */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e18 || (size > 0 && size < 1e-4)) return value.toExponential(3).replace("e+", "e");
  for (const [from, prefix, divisor = from] of PREFIXES) {
    if (size >= from) return SHORT.format(value / divisor) + prefix;
  }
  return SHORT.format(value);
}

/** A count in full: 1,284,003. */
export function whole(value) {
  return WHOLE.format(value);
}

/** "1 line", "12 lines". */
export function plural(count, one, many = `${one}s`) {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/** How long ago, briefly: "now", "12 s", "5 min", "3 h", "2 d".  Both in seconds. */
export function age(time, now) {
  const seconds = Math.max(0, now - time);
  if (seconds < 2) return "now";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** A length of time: "10 s", "5 min", "1 h", "7 d". */
export function span(seconds) {
  if (seconds >= 86400 && seconds % 86400 === 0) return `${seconds / 86400} d`;
  if (seconds >= 3600 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds >= 60 && seconds % 60 === 0) return `${seconds / 60} min`;
  return `${SHORT.format(seconds)} s`;
}

/** A time of day in the reader's zone, with the day where it is not today's. */
export function moment(time, now) {
  const date = new Date(time * 1000);
  const clock = SECONDS.format(date);
  return new Date(now * 1000).toDateString() === date.toDateString() ? clock : `${DAY.format(date)} ${clock}`;
}

/** Text for the ticks of a time axis that are `step` seconds apart. */
export function axisTimes(times, step) {
  return times.map((time) => {
    const date = new Date(time * 1000);
    if (step >= 86400 || (date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0)) {
      return DAY.format(date);
    }
    return step < 60 ? SECONDS.format(date) : CLOCK.format(date);
  });
}

/** Labels in one line: "status=200 country=DE". */
export function labelText(labels) {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value === "" ? "(none)" : value}`)
    .join(" ");
}

/** Escapes a text so that it means only itself as a glob. */
export function globEscape(text) {
  return text.replace(/[\\*?[\]{}]/g, "\\$&");
}

/** What somebody typed in the filter as a glob: plain words match anywhere. */
export function globOf(text) {
  const trimmed = text.trim();
  if (trimmed === "") return "*";
  return /[*?[\]{}]/.test(trimmed) ? trimmed : `*${globEscape(trimmed)}*`;
}

/** A reason's name as words: "bad_value" is "bad value". */
export function words(reason) {
  return reason.replaceAll("_", " ");
}
