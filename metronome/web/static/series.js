// The live list of series: filter, sort, choose.

import { ask, Repeat } from "./api.js";
import { arrange, build, find, setAttribute, setText } from "./dom.js";
import { age, globOf, labelText, whole } from "./format.js";

const MANY = 2000; // a long list is megabytes
const REFRESH_SECONDS = { none: 2, few: 10, many: 60 }; // who just sent the first line is waiting
const TYPING_MS = 250;
const ROWS_SHOWN = 300; // more rows help nobody who looks for one; the filter does

/** What tells a series from all others of its stream. */
export function keyOf(series) {
  const labels = Object.entries(series.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([series.kind, series.name, labels]);
}

/** The series of a stream that match, as {name, labels, kind, first, last}, times in seconds. */
export async function fetchSeries(stream, match, signal) {
  const answer = await ask(`streams/${encodeURIComponent(stream)}/series`, { query: { match }, signal });
  return answer.series;
}

const ORDERS = {
  recent: (a, b) => b.last - a.last || byName(a, b),
  name: byName,
};

function byName(a, b) {
  return a.name.localeCompare(b.name) || labelText(a.labels).localeCompare(labelText(b.labels));
}

/** The list.  Calls `onChoose(series)` for a choice and `onList(all, filtered)` after each refresh. */
export class SeriesList {
  #stream = "";
  #series = [];
  #chosen = "";
  #rows = new Map();

  constructor({ onChoose, onList, onFailure }) {
    Object.assign(this, { onChoose, onList, onFailure });
    this.list = find("series-rows");
    this.filter = find("filter");
    this.sort = find("sort");
    this.repeat = new Repeat((signal) => this.#refresh(signal), () => this.#seconds());
    this.filter.addEventListener("input", () => this.#typed());
    this.sort.addEventListener("change", () => this.#draw());
    this.list.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Lists another stream. */
  open(stream) {
    if (stream !== this.#stream) {
      this.#stream = stream;
      this.#series = [];
      this.filter.value = "";
      this.#draw();
    }
    this.repeat.restart();
  }

  close() {
    this.repeat.stop();
  }

  /** Marks a series as the one that is charted. */
  mark(series) {
    this.#chosen = series ? keyOf(series) : "";
    this.#draw();
  }

  #seconds() {
    const { none, few, many } = REFRESH_SECONDS;
    if (!this.#series.length) return none;
    return this.#series.length > MANY ? many : few;
  }

  #typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.repeat.restart(), TYPING_MS);
  }

  async #refresh(signal) {
    try {
      this.#series = await fetchSeries(this.#stream, globOf(this.filter.value), signal);
    } catch (error) {
      if (!signal.aborted) this.onFailure(error, find("series-problem"));
      return;
    }
    setText(find("series-problem"), "");
    this.#draw();
    this.onList(this.#series, this.filter.value.trim() !== "");
  }

  #draw() {
    const sorted = this.#series.toSorted(ORDERS[this.sort.value]);
    const shown = sorted.slice(0, ROWS_SHOWN);
    const now = Date.now() / 1000;
    const rows = new Map();
    for (const series of shown) {
      const key = keyOf(series);
      const row = this.#rows.get(key) ?? this.#row(series);
      this.#update(row, series, key === this.#chosen, now);
      rows.set(key, row);
    }
    this.#rows = rows;
    const focused = [...rows.values()].some((row) => row.contains(document.activeElement));
    arrange(this.list, [...rows.values()]);
    this.#tabStop(focused);
    this.#count(shown.length);
  }

  #row(series) {
    const button = build(
      "button",
      { type: "button", onclick: () => this.onChoose(button.series) },
      build("span", { class: "name" }, series.name),
      build("span", { class: "kind" }, series.kind),
      build("span", { class: "age" }),
    );
    const labels = Object.entries(series.labels);
    if (labels.length) {
      const pairs = labels.map(([name, value]) =>
        build("span", { class: "pair" }, build("span", { class: "label" }, `${name}=`), value || "(none)"),
      );
      button.append(build("span", { class: "labels" }, ...pairs.flatMap((pair) => [pair, " "])));
    }
    return build("li", {}, button);
  }

  #update(row, series, chosen, now) {
    const button = row.firstChild;
    button.series = series;
    setAttribute(button, "aria-current", chosen ? "true" : null);
    setText(button.querySelector(".age"), age(series.last, now));
  }

  #count(shown) {
    const total = this.#series.length;
    setText(find("series-count"), total ? whole(total) : "");
    const filtered = this.filter.value.trim() !== "";
    let more = "";
    if (total > shown) more = `${whole(shown)} of ${whole(total)} series shown; filter to see others.`;
    else if (!total && filtered) more = "No series has such a name.";
    setText(find("series-more"), more);
  }

  // One stop for the Tab key in the whole list; arrows, Home and End move inside it.
  #tabStop(focused) {
    const buttons = [...this.list.querySelectorAll("button")];
    const current = (focused && buttons.find((button) => button === document.activeElement))
      || buttons.find((button) => button.hasAttribute("aria-current")) || buttons[0];
    for (const button of buttons) button.tabIndex = button === current ? 0 : -1;
  }

  #move(event) {
    const buttons = [...this.list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[at]?.setAttribute("tabindex", "-1");
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  }
}
