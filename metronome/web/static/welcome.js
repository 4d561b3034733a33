// What a newcomer can send, with the addresses of this gateway.

import { ask } from "./api.js";
import { build, find } from "./dom.js";

/** Shows or hides the panel for a stream that has no series yet. */
export async function welcome(stream, visible) {
  const panel = find("welcome");
  if (!visible || panel.dataset.stream === stream) {
    panel.hidden = !visible;
    return;
  }
  panel.dataset.stream = stream;
  const recipes = recipesFor(stream, await listening());
  find("recipes").replaceChildren(...recipes.flatMap(([title, command]) => recipe(title, command)));
  panel.hidden = false;
}

// The addresses that the gateway listens on, as {"statsd": ["udp://…"], …}; the usual ports
// where it does not say.
async function listening() {
  const usual = { statsd: ["udp://127.0.0.1:8125"], graphite: ["tcp://127.0.0.1:2003"] };
  try {
    return (await ask("addresses.json")) ?? usual;
  } catch {
    return usual;
  }
}

/** Titles and commands; a receiver that is switched off has none. */
export function recipesFor(stream, addresses, origin = window.location) {
  const recipes = [];
  const statsd = place(addresses.statsd, "udp", origin);
  const graphite = place(addresses.graphite, "tcp", origin);
  if (statsd) recipes.push(["statsd", `echo 'hello:1|c|#from:shell' | nc -u -w1 ${statsd}`]);
  if (graphite) recipes.push(["Graphite", `echo "room.temperature 21.5 $(date +%s)" | nc -w1 ${graphite}`]);
  const tick = new URL(stream === "main" ? "tick" : `tick/${stream}`, document.baseURI);
  const json = "-H 'Content-Type: application/json' -d '{\"name\": \"signups\", \"n\": 1}'";
  recipes.push(["HTTP", `curl ${json} ${tick.href}`]);
  return recipes;
}

// "udp://0.0.0.0:8125" as "host 8125", seen from the machine that shows this page.
function place(addresses, scheme, origin) {
  const address = (addresses ?? []).find((one) => one.startsWith(`${scheme}://`));
  if (!address) return "";
  const [, host, port] = /^\w+:\/\/\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  if (!port) return "";
  const wild = host === "0.0.0.0" || host === "::" || host === "";
  return `${wild ? origin.hostname.replace(/^\[|\]$/g, "") : host} ${port}`;
}

function recipe(title, command) {
  const copy = build("button", { type: "button", class: "quiet" }, "Copy");
  copy.setAttribute("aria-label", `Copy the ${title} command`);
  copy.hidden = !navigator.clipboard; // only pages from localhost or HTTPS may copy
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Not allowed";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
  return [build("dt", {}, title), build("dd", {}, build("code", {}, command), copy)];
}
