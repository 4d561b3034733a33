// Signing in and out.  The token goes to the gateway once and becomes an HttpOnly cookie;
// no script ever keeps it.

import { ask, Failure } from "./api.js";
import { find, setText } from "./dom.js";

/** The token in the address' fragment, or an empty string.  It is taken out of the address
 * bar and of the history at once, before anything else can see or share it. */
export function takeToken(location = window.location, history = window.history) {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token") ?? "";
  if (fragment.has("token")) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** The sign-in form, shown whenever there is no session. */
export class Session {
  constructor(onSignedIn) {
    this.onSignedIn = onSignedIn;
    this.panel = find("sign-in");
    this.form = find("sign-in-form");
    this.field = find("token");
    this.problem = find("sign-in-problem");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    find("sign-out").addEventListener("click", () => this.signOut());
  }

  /** Exchanges a token for a session.  Throws Failure. */
  async signIn(token) {
    try {
      await ask("session", { method: "POST", body: { token } });
    } catch (error) {
      if (error instanceof Failure && error.status === 401) {
        throw new Failure("No stream is read with this token.", 401);
      }
      throw error;
    }
  }

  async signOut() {
    try {
      await ask("session", { method: "DELETE", accept: [401] });
      this.show();
    } catch (error) {
      this.show(`Signing out failed: ${error.message}`);
    }
  }

  /** Shows the form and hides the board. */
  show(problem = "") {
    document.body.dataset.view = "sign-in";
    setText(this.problem, problem);
    this.field.focus();
  }

  async #submit() {
    const token = this.field.value.trim();
    if (token === "") {
      setText(this.problem, "Paste the token first.");
      return;
    }
    try {
      await this.signIn(token);
      this.form.reset();
      setText(this.problem, "");
    } catch (error) {
      setText(this.problem, error.message);
      this.field.select();
      return;
    }
    await this.onSignedIn();
  }
}
