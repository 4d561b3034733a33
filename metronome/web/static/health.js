// Whether the gateway can do its work: one word in the header, the reasons beside it.

import { ask, Repeat } from "./api.js";
import { find, setText } from "./dom.js";

const REFRESH_SECONDS = 15;
const WORDS = { ok: "Ready", degraded: "Degraded", unready: "Not ready", gone: "No answer" };

/** Follows GET /ready, which needs no session. */
export class Health {
  constructor() {
    this.place = find("health");
    this.text = find("health-text");
    new Repeat((signal) => this.#refresh(signal), () => REFRESH_SECONDS).restart();
  }

  async #refresh(signal) {
    let state = "gone";
    let reasons = [];
    try {
      const answer = (await ask("ready", { signal, accept: [503] })) ?? {};
      ({ state, reasons } = stateOf(answer));
    } catch (error) {
      if (signal.aborted) return;
    }
    this.place.dataset.state = state;
    setText(this.text, [WORDS[state], reasons.join(", ")].filter(Boolean).join(": "));
  }
}

function stateOf(answer) {
  const reasons = (answer.reasons ?? []).map(String);
  return { state: WORDS[answer.state] ? answer.state : "unready", reasons };
}
