"""What is shown: traffic, errors, performance and what the gateways write.

Every field that is named here is in the templates of the daily indices (``doc/elasticsearch.md``,
"Documents"); labels differ from installation to installation and are left to whoever knows
them.  Percentiles of parts cannot be averaged, so the worst of them is shown and called so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from metronome.kibana import charts
from metronome.kibana.charts import Measure
from metronome.kibana.objects import Flavour, Object, Objects, Panel

PREFIX: Final = "metronome"
_WIDTH: Final = 48
_VIEW: Final = 'type : "view"'
_DOWNLOAD: Final = 'type : "download"'
_ERROR: Final = 'type : "error"'
_TIMER: Final = 'kind : "timer"'
_COUNTER: Final = 'kind : "counter"'
_GAUGE: Final = 'kind : "gauge"'
_ABOUT_PERCENTILES: Final = (
    "Means are exact: the sum of all values by their number. Percentiles are the worst of any single"
    " part (one gateway and period), because percentiles cannot be averaged; Metronome itself merges"
    " their sketches."
)

_Rows = Sequence[tuple[int, Sequence[Object]]]
"""Rows of a dashboard: their height, and what stands in them, of equal width."""


class _Page(NamedTuple):
    """A dashboard before it is laid out."""

    name: str
    title: str
    description: str
    rows: _Rows


def everything(flavour: Flavour, prefix: str = PREFIX) -> list[Object]:
    """All objects for indices of a prefix; what is referred to comes first."""
    objects = Objects(flavour)
    points = _Charts(objects, prefix, objects.view(f"{prefix}-points", f"{prefix}-points-*"))
    ticks = _Charts(objects, prefix, objects.view(f"{prefix}-ticks", f"{prefix}-ticks-*"))
    pages = [_traffic(ticks), _errors(ticks), _performance(points), _gateways(points)]
    dashboards = [_laid_out(objects, prefix, page) for page in pages]
    return [points.view, ticks.view, *points.made, *ticks.made, *dashboards]


def _laid_out(objects: Objects, prefix: str, page: _Page) -> Object:
    panels, top = [], 0
    for height, shown in page.rows:
        width = _WIDTH // len(shown)
        panels += [Panel(one, index * width, top, width, height) for index, one in enumerate(shown)]
        top += height
    title = f"Metronome: {page.title}"
    return objects.dashboard(f"{prefix}-{page.name}", title, page.description, panels)


class _Charts:
    """Makes charts over one data view, and remembers them."""

    def __init__(self, objects: Objects, prefix: str, view: Object):
        self.view = view
        self.made: list[Object] = []
        self._objects = objects
        self._prefix = prefix

    def number(self, name: str, measure: Measure) -> Object:
        """One number of the whole time."""
        return self._series(name, measure.label.capitalize(), charts.number(measure))

    def lines(self, name: str, title: str, *measures: Measure) -> Object:
        """Over time."""
        return self._series(name, title, charts.lines(measures))

    def bars(self, name: str, title: str, *measures: Measure) -> Object:
        """The largest."""
        return self._series(name, title, charts.bars(measures))

    def rows(self, name: str, title: str, field: str, query: str, *measures: Measure) -> Object:
        """A table of measures by a field."""
        return self._series(name, title, charts.rows(field, field, measures, query))

    def terms(self, name: str, title: str, query: str, **fields: str) -> Object:
        """A table of how many there are; headings and their fields."""
        state = charts.terms([(field, heading) for heading, field in fields.items()])
        return self._keep(self._objects.table(self._id(name), self._title(title), state, self.view, query))

    def search(self, name: str, title: str, query: str, *columns: str) -> Object:
        """The documents themselves."""
        return self._keep(
            self._objects.search(self._id(name), self._title(title), self.view, query, columns)
        )

    def text(self, name: str, title: str, markdown: str) -> Object:
        """Words."""
        return self._keep(self._objects.text(self._id(name), self._title(title), markdown))

    def _series(self, name: str, title: str, params: dict[str, Any]) -> Object:
        return self._keep(self._objects.series(self._id(name), self._title(title), params, self.view))

    def _id(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _title(self, title: str) -> str:
        return f"{title} [Metronome]"

    def _keep(self, made: Object) -> Object:
        self.made.append(made)
        return made


def _traffic(ticks: _Charts) -> _Page:
    """Views, downloads, where from, what."""
    numbers = [
        ticks.number("views", Measure("views", charts.count(), _VIEW)),
        ticks.number("downloads", Measure("downloads", charts.count(), _DOWNLOAD)),
        ticks.number("items", Measure("items viewed", charts.of("cardinality", "id"), _VIEW)),
    ]
    over_time = ticks.lines(
        "ticks-by-type", "Ticks by type", Measure("ticks", charts.count(), by="type", chart="bar")
    )
    tables = [
        ticks.terms("top-items", "Items most viewed", _VIEW, item="id"),
        ticks.terms("referers", "Referers", f"{_VIEW} and referer : *", referer="referer"),
        ticks.terms("formats", "Downloads", _DOWNLOAD, item="id", format="format"),
    ]
    newest = ticks.search("ticks-list", "Ticks", "", "stream", "type", "id", "referer", "message")
    rows: _Rows = [(6, numbers), (12, [over_time]), (15, tables), (18, [newest])]
    return _Page("traffic", "Traffic", "Views and downloads, and where they come from.", rows)


def _errors(ticks: _Charts) -> _Page:
    """How many, of how many views, which and where."""
    share = charts.share(_ERROR, f"{_ERROR} or {_VIEW}")
    numbers = [
        ticks.number("error-count", Measure("errors", charts.count(), _ERROR)),
        ticks.number("error-items", Measure("places", charts.of("cardinality", "id"), _ERROR)),
        ticks.number("error-share", Measure("errors to views", share, format="percent")),
    ]
    over_time = ticks.lines(
        "errors-by-stream", "Errors by stream", Measure("errors", charts.count(), _ERROR, "stream", "bar")
    )
    tables = [
        ticks.terms("error-messages", "Messages", _ERROR, message="message.keyword"),
        ticks.terms("error-places", "Where", _ERROR, place="id", stream="stream"),
    ]
    newest = ticks.search("errors-list", "Errors", _ERROR, "stream", "id", "message")
    rows: _Rows = [(6, numbers), (12, [over_time]), (15, tables), (18, [newest])]
    return _Page("errors", "Errors", "What went wrong, how often and where.", rows)


def _performance(points: _Charts) -> _Page:
    """Timers: how many, mean, worst percentiles; counters and gauges beside them."""

    def by_name(name: str, title: str, query: str, metrics: charts.Metrics) -> Object:
        return points.lines(name, title, Measure(title, metrics, query, "name"))

    samples, mean, p95 = charts.of("sum", "d"), charts.ratio("n", "d"), charts.of("max", "p95")
    table = points.rows(
        "timers",
        "Timers",
        "name",
        _TIMER,
        Measure("samples", samples),
        Measure("mean", mean),
        Measure("worst p95", p95),
        Measure("worst p99", charts.of("max", "p99")),
        Measure("max", charts.of("max", "max")),
    )
    rows: _Rows = [
        (5, [points.text("percentiles", "About percentiles", _ABOUT_PERCENTILES)]),
        (13, [by_name("means", "Timers: mean", _TIMER, mean)]),
        (
            13,
            [
                by_name("worst", "Timers: worst p95", _TIMER, p95),
                by_name("timed", "Timers: samples", _TIMER, samples),
            ],
        ),
        (15, [table]),
        (
            13,
            [
                by_name("counters", "Counters", _COUNTER, charts.of("sum", "n")),
                by_name("gauges", "Gauges: mean", _GAUGE, charts.of("avg", "n")),
            ],
        ),
    ]
    return _Page("performance", "Performance", "Timers, counters and gauges by name.", rows)


def _gateways(points: _Charts) -> _Page:
    """Who writes how much."""
    parts, samples = charts.count(), charts.of("sum", "samples")
    numbers = [
        points.number("gateway-count", Measure("gateways", charts.of("cardinality", "gateway"))),
        points.number("series-count", Measure("series", charts.of("cardinality", "series"))),
        points.number("part-count", Measure("parts", parts)),
        points.number("sample-count", Measure("samples", samples)),
    ]
    by_gateway = [
        points.lines("gateway-parts", "Parts by gateway", Measure("parts", parts, by="gateway")),
        points.lines("gateway-samples", "Samples by gateway", Measure("samples", samples, by="gateway")),
    ]
    by_content = [
        points.lines("stream-parts", "Parts by stream", Measure("parts", parts, by="stream")),
        points.lines("kind-parts", "Parts by kind", Measure("parts", parts, by="kind")),
    ]
    loudest = points.bars("loudest", "Names with most samples", Measure("samples", samples, by="name"))
    rows: _Rows = [(6, numbers), (13, by_gateway), (13, by_content), (13, [loudest])]
    return _Page("gateways", "Gateways", "What each gateway writes.", rows)
