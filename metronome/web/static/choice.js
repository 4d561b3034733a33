// What the reader chose, kept in the address' fragment, so that reload, back and a shared
// link show the same.  A fragment never leaves the browser.

/** The choice in the address: `{stream, series or null, stat, group, range}`. */
export function readChoice(location = window.location) {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const name = fragment.get("name");
  const labels = {};
  for (const pair of fragment.getAll("where")) {
    const colon = pair.indexOf(":");
    if (colon > 0) labels[pair.slice(0, colon)] = pair.slice(colon + 1);
  }
  const optional = (key) => fragment.get(key) ?? undefined;
  return {
    stream: fragment.get("stream") ?? "",
    series: name ? { name, labels, kind: fragment.get("kind") ?? "counter" } : null,
    stat: optional("stat"),
    group: optional("group"),
    range: optional("range"),
  };
}

/** Writes a choice into the address without a new entry in the history. */
export function writeChoice({ stream, series, stat, group, range }, history = window.history) {
  const fragment = new URLSearchParams({ stream });
  if (series) {
    fragment.set("name", series.name);
    fragment.set("kind", series.kind);
    for (const [name, value] of Object.entries(series.labels)) fragment.append("where", `${name}:${value}`);
  }
  for (const [key, value] of Object.entries({ stat, group, range })) if (value) fragment.set(key, value);
  history.replaceState(null, "", `#${fragment}`);
}
