// The chart's legend: one button a line, with its value, that hides and shows it.

import { build, setText } from "./dom.js";
import { number } from "./format.js";
import { lineColour } from "./plot.js";

export class Legend {
  #texts = [];
  #hidden = new Set();

  /** Calls `onToggle(index, visible)` when a line is hidden or shown. */
  constructor(list, onToggle) {
    this.list = list;
    this.onToggle = onToggle;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
  }

  /** Lists `[{text, value}]`; lines that were hidden stay hidden where the names are the same. */
  fill(lines) {
    const texts = lines.map(({ text }) => text);
    if (texts.join("\0") !== this.#texts.join("\0")) {
      this.#hidden.clear();
      this.#texts = texts;
      this.list.replaceChildren(this.#time(), ...texts.map((text, index) => this.#row(text, index)));
      this.#paint();
    }
    for (const index of this.#hidden) this.onToggle(index, false);
    this.update(lines.map(({ value }) => value), "");
  }

  /** Shows other values; `at` is their time, empty for the latest. */
  update(values, at) {
    const cells = this.list.querySelectorAll(".value");
    cells.forEach((cell, index) => setText(cell, number(values[index])));
    const time = this.list.querySelector(".at");
    if (time) setText(time, at || "latest");
  }

  clear() {
    this.#texts = [];
    this.#hidden.clear();
    this.list.replaceChildren();
  }

  #time() {
    return build("li", { class: "at" }, "latest");
  }

  #row(text, index) {
    const swatch = build("span", { class: "swatch", "aria-hidden": "true" });
    const words = [build("span", { class: "text" }, text), build("span", { class: "value" })];
    const button = build("button", { type: "button", "aria-pressed": "true" }, swatch, ...words);
    button.addEventListener("click", () => this.#toggle(button, index));
    return build("li", {}, button);
  }

  #toggle(button, index) {
    const visible = this.#hidden.has(index);
    if (visible) this.#hidden.delete(index);
    else this.#hidden.add(index);
    button.setAttribute("aria-pressed", String(visible));
    this.onToggle(index, visible);
  }

  #paint() {
    const swatches = [...this.list.querySelectorAll(".swatch")];
    swatches.forEach((swatch, index) => {
      swatch.style.background = lineColour(index, swatches.length);
    });
  }
}
