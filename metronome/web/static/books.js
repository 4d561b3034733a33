// From the answer of /ledger.json to what the panel shows.  Pure functions.

const OUTCOMES = ["rejected", "filtered", "shed", "diverted"];

/** The newest day of a stream's books as `{date, totals: [[word, count]…], reasons:
 * [{outcome, reason, count}…]}`, largest reasons first.  Outcomes that did not happen have
 * no total, except "rejected", which a reader looks for. */
export function today(answer) {
  const day = (answer.days ?? [])[0] ?? {};
  const reasons = OUTCOMES.flatMap((outcome) =>
    Object.entries(day[outcome] ?? {}).map(([reason, count]) => ({ outcome, reason, count })),
  ).sort((a, b) => b.count - a.count);
  const sum = (outcome) => reasons.reduce((all, row) => all + (row.outcome === outcome ? row.count : 0), 0);
  const totals = [["received", day.received ?? 0], ["stored", day.stored ?? 0]];
  if (day.waiting) totals.push(["waiting", day.waiting]);
  for (const outcome of OUTCOMES) {
    const count = sum(outcome);
    if (count || outcome === "rejected") totals.push([outcome, count]);
  }
  return { date: day.day ?? "", totals, reasons };
}
