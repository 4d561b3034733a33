// One chart: a series over time, by range, stat and label.

import { ask, Repeat } from "./api.js";
import { build, fillSelect, find, setText } from "./dom.js";
import { globEscape, labelText, moment, number, plural, span } from "./format.js";
import { Legend } from "./legend.js";
import { isAdditive, linesOf, STATS, summary } from "./lines.js";
import { MOST_LINES, Plot } from "./plot.js";
import { fetchSeries } from "./series.js";

/** Ranges in seconds with the step that gives a few hundred values each; steps divide the
 * store's own (10 s, 60 s, 600 s), so that nothing is split. */
const RANGES = [
  { id: "15m", text: "15 min", seconds: 900, step: 10, refresh: 10 },
  { id: "1h", text: "1 h", seconds: 3600, step: 10, refresh: 10 },
  { id: "6h", text: "6 h", seconds: 6 * 3600, step: 60, refresh: 30 },
  { id: "24h", text: "24 h", seconds: 86400, step: 300, refresh: 60 },
  { id: "7d", text: "7 d", seconds: 7 * 86400, step: 1800, refresh: 300 },
];
const DEFAULT_RANGE = "1h";
const [OWN, ALL, LABEL] = ["own", "all", "label:"];

/** The chart's panel.  Calls `onChange(choice)` when the reader changes what it shows, with
 * `{stat, group, range}` as they go into the page's address. */
export class Chart {
  #stream = "";
  #series = null;
  #siblings = [];
  #wish = {};
  #shown = null;

  constructor({ onChange, onFailure }) {
    Object.assign(this, { onChange, onFailure });
    this.range = RANGES.find(({ id }) => id === DEFAULT_RANGE);
    this.legend = new Legend(find("legend"), (index, visible) => this.plot.show(index, visible));
    this.plot = new Plot(find("plot"), (index) => this.#point(index));
    this.stat = find("stat");
    this.group = find("group");
    this.repeat = new Repeat((signal) => this.#refresh(signal), () => this.range.refresh);
    this.#buildRanges();
    for (const select of [this.stat, this.group]) select.addEventListener("change", () => this.#changed());
  }

  /** Shows a series, with `{stat, group, range}` where they fit it. */
  open(stream, series, wish = {}) {
    this.#stream = stream;
    this.#series = series;
    this.#siblings = [series];
    this.#wish = wish;
    this.#shown = null;
    this.plot.clear();
    this.legend.clear();
    setText(find("chart-summary"), "");
    setText(find("chart-title"), series.name);
    fillSelect(this.stat, STATS[series.kind] ?? STATS.gauge, wish.stat);
    this.#pickRange(wish.range ?? this.range.id);
    this.#fillGroups(wish.group);
    this.repeat.restart();
    this.#findSiblings(stream, series);
  }

  close() {
    this.repeat.stop();
    this.#series = null;
    this.plot.clear();
    this.legend.clear();
  }

  #buildRanges() {
    const choose = (id) => {
      this.#pickRange(id);
      this.#changed();
    };
    const buttons = RANGES.map(({ id, text }) =>
      build("button", { type: "button", "data-range": id, onclick: () => choose(id) }, text),
    );
    find("ranges").replaceChildren(...buttons);
    this.#pickRange(this.range.id);
  }

  #pickRange(id) {
    this.range = RANGES.find((range) => range.id === id) ?? this.range;
    for (const button of find("ranges").children) {
      button.setAttribute("aria-pressed", String(button.dataset.range === this.range.id));
    }
  }

  #changed() {
    if (!this.#series) return;
    this.#wish = { stat: this.stat.value, group: this.group.value, range: this.range.id };
    this.#describe();
    this.onChange(this.#wish);
    this.repeat.restart();
  }

  // Which labels there are to group by is known from the series of the same name and kind.
  async #findSiblings(stream, series) {
    let found;
    try {
      found = await fetchSeries(stream, globEscape(series.name));
    } catch {
      return; // the chart's own request says what is wrong
    }
    if (this.#series !== series) return;
    this.#siblings = found.filter((other) => other.kind === series.kind);
    const before = this.group.value;
    this.#fillGroups(this.#wish.group ?? before);
    if (this.group.value !== before) this.repeat.restart();
  }

  #fillGroups(wish) {
    const options = [];
    const labels = labelsOf(this.#siblings);
    const several = this.#siblings.length > 1;
    const own = Object.keys(this.#series.labels).length > 0 || !several;
    if (own) options.push([OWN, "this series alone"]);
    if (several) options.push([ALL, `all ${plural(this.#siblings.length, "series", "series")} together`]);
    for (const [name, values] of labels) {
      options.push([LABEL + name, `by ${name} (${values.size})`]);
    }
    fillSelect(this.group, options, wish);
    this.group.disabled = options.length < 2;
    this.#describe();
  }

  #describe() {
    const labels = this.group.value === OWN ? labelText(this.#series.labels) : "";
    setText(find("chart-labels"), [this.#series.kind, labels].filter(Boolean).join(" · "));
  }

  #query(now) {
    const { step, seconds } = this.range;
    const until = Math.ceil(now / step) * step;
    const group = this.group.value;
    const labels = group === OWN ? Object.entries(this.#series.labels) : [];
    return {
      name: globEscape(this.#series.name),
      kind: this.#series.kind,
      from: until - seconds,
      until,
      step,
      stat: this.stat.value,
      by: group.startsWith(LABEL) ? group.slice(LABEL.length) : "",
      where: labels.map(([name, value]) => `${name}:${globEscape(value)}`),
    };
  }

  async #refresh(signal) {
    const now = Date.now() / 1000;
    const query = this.#query(now);
    let answer;
    try {
      answer = await ask(`streams/${encodeURIComponent(this.#stream)}/points`, { query, signal });
    } catch (error) {
      if (!signal.aborted) this.onFailure(error, find("chart-problem"));
      return;
    }
    setText(find("chart-problem"), "");
    this.#draw({ ...answer, from: query.from, until: query.until }, query.stat, now);
  }

  #draw(answer, stat, now) {
    const picture = linesOf(answer, stat, MOST_LINES, now);
    const { times, lines, step } = picture;
    const label = this.group.value.startsWith(LABEL) ? this.group.value.slice(LABEL.length) : "";
    const nameless = label ? `no ${label}` : this.stat.selectedOptions[0].text;
    for (const line of lines) line.text ||= nameless;
    this.#shown = { ...picture, stat, now };
    find("plot").hidden = !lines.length;
    setText(find("chart-hollow"), lines.length ? "" : `No values in the last ${this.range.text}.`);
    if (lines.length) {
      const fromZero = isAdditive(stat) || this.#series.kind !== "gauge";
      const rows = lines.map(({ values }) => values);
      this.plot.draw({ times, lines: rows, from: answer.from, until: answer.until, fromZero });
    } else {
      this.plot.clear();
    }
    const latest = (values) => summary(times, values)?.latest.value;
    this.legend.fill(lines.map(({ text, values }) => ({ text, value: latest(values) })));
    this.#summarise(step);
  }

  #summarise(step) {
    const { times, lines, hidden, stat, now } = this.#shown;
    const parts = [`${this.stat.selectedOptions[0].text} in steps of ${span(step)}`];
    const found = lines.length === 1 ? summary(times, lines[0].values) : null;
    if (found) {
      parts.push(`latest ${number(found.latest.value)} at ${moment(found.latest.time, now)}`);
      parts.push(`least ${number(found.least)}`, `most ${number(found.most)}`);
    }
    if (hidden) parts.push(`the ${MOST_LINES} largest of ${lines.length + hidden} lines`);
    setText(find("chart-summary"), parts.join(" · "));
    const what = `${this.#series.name}, ${stat}, last ${this.range.text}`;
    find("plot").setAttribute("aria-label", `Line chart of ${what}. Left and right arrow keys read values.`);
  }

  // The cursor stands on a time: the legend shows the values there, else the latest.
  #point(index) {
    if (!this.#shown) return;
    const { times, lines, now } = this.#shown;
    const at = index === null ? "" : moment(times[index], now);
    const values = lines.map((line) =>
      index === null ? summary(times, line.values)?.latest.value : line.values[index],
    );
    this.legend.update(values, at);
    if (document.activeElement === find("plot") && index !== null) {
      const texts = lines.map(({ text }, line) => `${text} ${number(values[line])}`);
      setText(find("chart-reading"), `${at}: ${texts.join(", ")}`);
    }
  }
}

// Label names of these series, each with its values; names that all series lack are not there.
function labelsOf(siblings) {
  const labels = new Map();
  for (const { labels: own } of siblings) {
    for (const [name, value] of Object.entries(own)) {
      if (!labels.has(name)) labels.set(name, new Set());
      labels.get(name).add(value);
    }
  }
  return [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
}
