// Talking to the gateway.  Every failure becomes a Failure with a sentence for the reader.

const TIMEOUT_MS = 20_000;

/** What went wrong, as a sentence; `status` is 0 where no answer came at all. */
export class Failure extends Error {
  constructor(sentence, status, reason = "") {
    super(sentence);
    this.name = "Failure";
    this.status = status;
    this.reason = reason;
  }
}

const SENTENCES = {
  401: "You are signed out. Sign in with a token to go on.",
  403: "This token may not see that.",
  404: "There is no such thing here any more.",
  413: "The answer would be too large. Choose a shorter range or fewer labels.",
  429: "Too many requests at once. Trying again shortly.",
  503: "The store is away. What was received is kept, and this view returns with it.",
};

/** The sentence for an answer that is not a good one. */
export function sentenceOf(status, detail) {
  if (detail && status !== 401) return asSentence(detail);
  if (SENTENCES[status]) return SENTENCES[status];
  return status >= 500 ? "The gateway failed; its log has the trace." : "The gateway refused the request.";
}

function asSentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** Asks the gateway; the parsed JSON answer, or null where it has no body.
 *
 * `query` values may be lists (the name is repeated); empty ones are left out.
 * `accept` are further statuses that count as an answer.
 */
export async function ask(path, { method = "GET", query = {}, body, signal, accept = [] } = {}) {
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])];
  let response;
  let text;
  try {
    response = await fetch(address(path, query), {
      method,
      headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
      credentials: "same-origin",
      cache: "no-store",
      signal: anyOf(signals),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (error.name === "TimeoutError") throw new Failure("The gateway took too long to answer.", 0);
    throw new Failure("The gateway does not answer. Is it running?", 0);
  }
  const answer = parse(text);
  if (!response.ok && !accept.includes(response.status)) {
    throw new Failure(sentenceOf(response.status, answer?.detail), response.status, answer?.error);
  }
  return answer;
}

function address(path, query) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null && item !== "") url.searchParams.append(name, item);
    }
  }
  return url;
}

function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null; // an answer from something in between, such as a proxy's error page
  }
}

function anyOf(signals) {
  if (AbortSignal.any) return AbortSignal.any(signals);
  const joined = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) joined.abort(signal.reason);
    signal.addEventListener("abort", () => joined.abort(signal.reason), { once: true });
  }
  return joined.signal;
}

/** Runs `work(signal)` again and again: at once, then every `seconds()` while the page is
 * visible, and at once when it becomes visible again.  `restart()` gives up what is under
 * way and begins anew, so that an old answer never overwrites a newer question. */
export class Repeat {
  #timer = 0;
  #flight = null;
  #running = false;

  constructor(work, seconds) {
    this.work = work;
    this.seconds = seconds;
    document.addEventListener("visibilitychange", () => {
      if (this.#running && !document.hidden) this.restart();
    });
  }

  async restart() {
    this.stop();
    this.#running = true;
    const flight = new AbortController();
    this.#flight = flight;
    try {
      await this.work(flight.signal);
    } catch (error) {
      if (!flight.signal.aborted) throw error;
    } finally {
      if (this.#flight === flight && !document.hidden) {
        this.#timer = setTimeout(() => this.restart(), this.seconds() * 1000);
      }
    }
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#flight?.abort();
    this.#flight = null;
  }
}
