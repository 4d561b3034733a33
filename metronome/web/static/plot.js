// uPlot drawn in the page's own colours: lines over time, gaps where nothing was measured,
// a cursor that mouse and keyboard move.

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { axisTimes, number } from "./format.js";

const LINES = 8; // colours that can be told apart
const HEIGHT = { narrow: 220, wide: 300 };
const NARROW = 520;

/** How many lines a chart can show. */
export const MOST_LINES = LINES;

/** The colour of line `index`, as the style sheet has it now. */
export function lineColour(index, total) {
  const name = total === 1 ? "--accent" : `--line-${(index % LINES) + 1}`;
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A line chart in `host`.  Calls `onCursor(index or null)` when the cursor moves. */
export class Plot {
  #uplot = null;
  #picture = null;
  #width = 0;

  constructor(host, onCursor) {
    this.host = host;
    this.onCursor = onCursor;
    new ResizeObserver(() => this.#resize()).observe(host);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#rebuild());
    host.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Draws `{times, lines: [values…], from, until, fromZero}`; times in seconds, null a gap. */
  draw(picture) {
    const before = this.#picture;
    this.#picture = picture;
    const { lines, fromZero } = picture;
    const same = before?.lines.length === lines.length && before.fromZero === fromZero;
    if (!this.#uplot || !same) this.#rebuild();
    else this.#uplot.setData([picture.times, ...picture.lines]);
  }

  /** Shows or hides one line. */
  show(index, visible) {
    this.#uplot?.setSeries(index + 1, { show: visible });
  }

  clear() {
    this.#uplot?.destroy();
    this.#uplot = null;
    this.#picture = null;
  }

  #rebuild() {
    const picture = this.#picture;
    this.#uplot?.destroy();
    this.#uplot = null;
    if (!picture || !this.host.clientWidth) return;
    this.#width = this.host.clientWidth;
    this.#uplot = new uPlot(this.#options(picture), [picture.times, ...picture.lines], this.host);
  }

  #resize() {
    const width = this.host.clientWidth;
    if (!width || width === this.#width) return;
    this.#width = width;
    if (this.#uplot) this.#uplot.setSize({ width, height: heightFor(width) });
    else this.#rebuild();
  }

  #options(picture) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = {
      stroke: colour("--muted"),
      font,
      grid: { stroke: colour("--grid"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: this.#width,
      height: heightFor(this.#width),
      legend: { show: false },
      padding: [8, 20, 0, 0],
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 7, width: 0 } },
      scales: { x: { range: () => [this.#picture.from, this.#picture.until] }, y: yScale(picture.fromZero) },
      axes: [
        { ...axis, space: 64, size: 24, values: (_, splits, __, ___, step) => axisTimes(splits, step) },
        { ...axis, space: 36, gap: 6, size: labelWidth, values: (_, splits) => splits.map(number) },
      ],
      series: [{}, ...picture.lines.map((_, index) => line(index, picture.lines.length, colour("--fill")))],
      hooks: { setCursor: [(plot) => this.onCursor(plot.cursor.idx ?? null)] },
    };
  }

  #key(event) {
    const plot = this.#uplot;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!plot || !step) return;
    event.preventDefault();
    const last = this.#picture.times.length - 1;
    const at = plot.cursor.idx ?? (step < 0 ? last + 1 : -1);
    const index = Math.min(last, Math.max(0, at + step));
    plot.setCursor({ left: plot.valToPos(this.#picture.times[index], "x"), top: 10 });
  }
}

function heightFor(width) {
  return width < NARROW ? HEIGHT.narrow : HEIGHT.wide;
}

// Counts and durations stand on nought; of a gauge the changes matter.  A tenth is left free.
function yScale(fromZero) {
  const range = (_, least, most) => {
    if (least === null) return [0, 1]; // every line is hidden
    if (!fromZero) return uPlot.rangeNum(least, most, 0.1, true);
    return [Math.min(0, least * 1.1), most > 0 ? most * 1.1 : Number(least === 0)];
  };
  return { range };
}

function labelWidth(_, values) {
  const longest = Math.max(0, ...(values ?? []).map((text) => text.length));
  return Math.max(34, longest * 6.5 + 14);
}

function line(index, total, fill) {
  const stroke = lineColour(index, total);
  return {
    stroke,
    width: 1.5,
    fill: total === 1 ? fill : undefined,
    points: { size: 4, width: 0, fill: stroke, filter: lonePoints },
  };
}

// Where values lie close together there are no points but these: a value between two gaps,
// which has no line, and the latest, so that the little data of a long range is seen.
function lonePoints(plot, lineIndex, show) {
  if (show) return null;
  const values = plot.data[lineIndex];
  const known = (index) => typeof values[index] === "number";
  const latest = values.findLastIndex((_, index) => known(index));
  const blank = (index) => (values[index] ?? null) === null;
  return values.flatMap((_, index) =>
    known(index) && (index === latest || (blank(index - 1) && blank(index + 1))) ? [index] : [],
  );
}
