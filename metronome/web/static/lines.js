// From the answer of /points to lines that can be drawn.  Pure functions.

import { labelText } from "./format.js";

const ADDITIVE = new Set(["count", "rate", "n", "d", "sum"]);
const BREAK_STEPS = 3; // a line is broken where this many steps in a row have no value

/** Which stats make sense for a kind, as [stat, text] pairs; the first is what one asks first. */
export const STATS = {
  counter: [["count", "count"], ["rate", "per second"], ["mean", "mean of samples"], ["d", "samples"]],
  gauge: [["last", "last"], ["mean", "mean"], ["min", "least"], ["max", "most"]],
  timer: [
    ["median", "median"], ["p90", "90th percentile"], ["p95", "95th percentile"], ["p99", "99th percentile"],
    ["mean", "mean"], ["min", "least"], ["max", "most"], ["std", "standard deviation"],
    ["count", "count"], ["rate", "per second"], ["sum", "sum"],
  ],
  set: [["distinct", "distinct"]],
};

/** Whether nothing measured means nought rather than unknown. */
export function isAdditive(stat) {
  return ADDITIVE.has(stat);
}

/** Lines on one time grid: `{times, step, lines: [{text, values}], hidden}`.
 * A line's text is its labels, empty where it has none.
 *
 * `answer` is `{step, from, until, groups: [{v, values: [[time, value]…]}]}`.  The `most`
 * largest groups are kept, `hidden` counts the others.  A step without a value is 0 for
 * additive stats (nothing was counted), else it is bridged when short and a gap when long.
 */
export function linesOf(answer, stat, most, now) {
  const groups = answer.groups.filter((group) => group.values.length);
  const kept = groups
    .map((group) => ({ group, size: sizeOf(group.values) }))
    .sort((a, b) => b.size - a.size)
    .slice(0, most)
    .map(({ group }) => group);
  const step = spacing(kept, answer.step);
  const times = gridOf(kept, step, isAdditive(stat) ? Math.min(answer.until, now - 2 * step) : 0);
  const lines = kept.map((group) => {
    const values = new Map(group.values);
    const row = times.map((time) => values.get(time) ?? null);
    return { text: labelText(group.v), values: isAdditive(stat) ? zeroed(row, times, values) : bridged(row) };
  });
  return { times, step, lines, hidden: groups.length - kept.length };
}

/** Latest, least, most and the time of the latest value of a line. */
export function summary(times, values) {
  let latest = null;
  let least = null;
  let most = null;
  values.forEach((value, index) => {
    if (value === null || value === undefined) return;
    latest = { value, time: times[index] };
    if (least === null || value < least) least = value;
    if (most === null || value > most) most = value;
  });
  return latest && { latest, least, most };
}

function sizeOf(values) {
  return values.reduce((sum, [, value]) => sum + Math.abs(value ?? 0), 0);
}

// Series that are flushed every minute, asked for in steps of ten seconds, answer every
// sixth step.  The grid follows what is there.
function spacing(groups, step) {
  let least = Infinity;
  for (const { values } of groups) {
    for (let index = 1; index < values.length; index += 1) {
      least = Math.min(least, values[index][0] - values[index - 1][0]);
    }
  }
  return Number.isFinite(least) ? Math.max(step, least) : step;
}

// Every time that has a value, and the steps in between.  What is not on the grid (points
// with times of their own) is kept beside it.
function gridOf(groups, step, fillUntil) {
  const times = new Set(groups.flatMap(({ values }) => values.map(([time]) => time)));
  if (!times.size) return [];
  const known = [...times];
  const first = known.reduce((a, b) => Math.min(a, b));
  const last = Math.max(fillUntil, known.reduce((a, b) => Math.max(a, b)));
  for (let time = first; time <= last; time += step) times.add(time);
  return [...times].sort((a, b) => a - b);
}

function zeroed(row, times, values) {
  const first = Math.min(...values.keys());
  return row.map((value, index) => value ?? (times[index] < first ? null : 0));
}

function bridged(row) {
  const out = [...row];
  let before = -1;
  row.forEach((value, index) => {
    if (value === null) return;
    // undefined tells uPlot to draw through; null to break the line.
    if (before >= 0 && index - before <= BREAK_STEPS) out.fill(undefined, before + 1, index);
    before = index;
  });
  return out;
}
