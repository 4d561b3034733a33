// The books of today: what arrived, what was kept, what was not and why.

import { ask, Repeat } from "./api.js";
import { today } from "./books.js";
import { build, find, setText } from "./dom.js";
import { age, moment, whole, words } from "./format.js";

const REFRESH_SECONDS = 10;
const REJECTS_SHOWN = 12;

/** The panel. */
export class Ledger {
  #stream = "";

  constructor({ onFailure }) {
    this.onFailure = onFailure;
    this.repeat = new Repeat((signal) => this.#refresh(signal), () => REFRESH_SECONDS);
  }

  open(stream) {
    this.#stream = stream;
    this.repeat.restart();
  }

  close() {
    this.repeat.stop();
  }

  async #refresh(signal) {
    let answer;
    try {
      answer = await ask("ledger.json", { query: { stream: this.#stream }, signal });
    } catch (error) {
      if (!signal.aborted) this.onFailure(error, find("ledger-problem"));
      return;
    }
    setText(find("ledger-problem"), "");
    const { date, totals, reasons } = today(answer);
    setText(find("ledger-day"), date ? `${date} UTC` : "today, UTC");
    drawTotals(totals);
    drawReasons(reasons);
    drawRejects(answer.rejects ?? []);
  }
}

function drawTotals(totals) {
  const cells = totals.map(([word, count]) =>
    build(
      "div",
      { "data-outcome": word, "data-none": count === 0 },
      build("dt", {}, word),
      build("dd", {}, whole(count)),
    ),
  );
  find("totals").replaceChildren(...cells);
}

function drawReasons(reasons) {
  const table = find("reasons");
  table.hidden = !reasons.length;
  find("reasons-none").hidden = reasons.length > 0;
  const rows = reasons.map(({ outcome, reason, count }) =>
    build(
      "tr",
      {},
      build("td", {}, outcome),
      build("td", {}, words(reason)),
      build("td", { class: "right" }, whole(count)),
    ),
  );
  table.tBodies[0].replaceChildren(...rows);
}

function drawRejects(rejects) {
  find("rejects-none").hidden = rejects.length > 0;
  const now = Date.now() / 1000;
  const rows = rejects.slice(0, REJECTS_SHOWN).map(({ reason, excerpt, sender, source, time }) => {
    const from = [words(source), sender && `from ${sender}`].filter(Boolean).join(" ");
    const about = [words(reason), from, ago(time, now)].filter(Boolean).join(" · ");
    const note = build("p", { class: "aside", title: moment(time, now) }, about);
    return build("li", {}, build("code", {}, visible(excerpt)), note);
  });
  find("rejects").replaceChildren(...rows);
}

function ago(time, now) {
  const text = age(time, now);
  return text === "now" ? "just now" : `${text} ago`;
}

/** A rejected line with its control characters escaped; an empty one has a name. */
function visible(excerpt) {
  const shown = excerpt.replace(/[\u0000-\u001f\u007f]/g, (char) => JSON.stringify(char).slice(1, -1));
  return shown === "" ? "(empty)" : shown;
}
