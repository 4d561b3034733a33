// The page: signs in, then shows one stream's series, one chart and the books.

import { ask, Failure } from "./api.js";
import { Chart } from "./chart.js";
import { readChoice, writeChoice } from "./choice.js";
import { fillSelect, find, setText } from "./dom.js";
import { Health } from "./health.js";
import { Ledger } from "./ledger.js";
import { SeriesList } from "./series.js";
import { Session, takeToken } from "./session.js";
import { welcome } from "./welcome.js";

const NARROW = matchMedia("(max-width: 800px)");

class Page {
  constructor() {
    const onFailure = (error, place) => this.fail(error, place);
    this.choice = { stream: "", series: null };
    this.session = new Session(() => this.open());
    this.list = new SeriesList({
      onChoose: (series) => this.choose(series),
      onList: (series, filtered) => this.listed(series, filtered),
      onFailure,
    });
    this.chart = new Chart({ onChange: (wish) => this.keep(wish), onFailure });
    this.ledger = new Ledger({ onFailure });
    this.streams = find("stream");
    this.streams.addEventListener("change", () => this.enter({ stream: this.streams.value, series: null }));
    window.addEventListener("hashchange", () => this.addressed());
    new Health();
  }

  /** Begins: with a token from the address, else with the session there may be. */
  async start() {
    const token = takeToken();
    try {
      if (token) await this.session.signIn(token);
      await this.open();
    } catch (error) {
      this.leave(error.message);
    }
  }

  /** Shows the board of the streams that this session reads, or asks to sign in. */
  async open() {
    let answer;
    try {
      answer = await ask("streams");
    } catch (error) {
      this.leave(error instanceof Failure && error.status === 401 ? "" : error.message);
      return;
    }
    const streams = answer.streams.map(({ id, name }) => [id, name]);
    const choice = readChoice();
    fillSelect(this.streams, streams, choice.stream);
    document.body.dataset.view = "board";
    this.enter({ ...choice, stream: this.streams.value });
  }

  /** Shows a stream, and a series of it where one is chosen. */
  enter(choice) {
    const { stream, series } = choice;
    this.choice = choice;
    document.title = stream === "main" ? "Metronome" : `${stream} · Metronome`;
    this.list.open(stream);
    this.ledger.open(stream);
    this.draw(series, choice);
    if (!series) this.chart.close();
  }

  draw(series, wish) {
    document.body.dataset.chart = series ? "yes" : "no";
    this.list.mark(series);
    if (series) this.chart.open(this.choice.stream, series, wish);
  }

  /** The reader clicked a series. */
  choose(series) {
    const { stream, range } = this.choice;
    this.choice = { stream, series, range };
    writeChoice(this.choice);
    this.draw(series, { range });
    if (NARROW.matches) find("chart").scrollIntoView({ block: "start", behavior: "smooth" });
  }

  /** The reader changed what the chart shows. */
  keep(wish) {
    this.choice = { ...this.choice, ...wish };
    writeChoice(this.choice);
  }

  /** The list was refreshed: without a choice, the most recent series is charted. */
  listed(series, filtered) {
    const { stream } = this.choice;
    if (!filtered) {
      document.body.dataset.empty = series.length ? "no" : "yes";
      welcome(stream, !series.length);
    }
    if (this.choice.series || !series.length || filtered) return;
    const latest = series.reduce((best, one) => (one.last > best.last ? one : best));
    this.choice = { ...this.choice, series: latest };
    this.draw(latest, this.choice);
  }

  /** The address was changed by hand, by a link or by going back. */
  addressed() {
    if (new URLSearchParams(window.location.hash.slice(1)).has("token")) {
      this.start();
      return;
    }
    const choice = readChoice();
    const known = [...this.streams.options].some(({ value }) => value === choice.stream);
    if (known && document.body.dataset.view === "board") {
      this.streams.value = choice.stream;
      this.enter(choice);
    }
  }

  /** Shows what went wrong where it went wrong; a session that ended asks to sign in. */
  fail(error, place) {
    if (error instanceof Failure && error.status === 401) this.leave(error.message);
    else if (error instanceof Failure) setText(place, error.message);
    else throw error;
  }

  leave(problem) {
    for (const panel of [this.list, this.chart, this.ledger]) panel.close();
    this.session.show(problem);
  }
}

await new Page().start();
