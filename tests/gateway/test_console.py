"""The admin console shows and forgets what the tables hold."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from metronome.gateway.console import Console, Reply
from metronome.gateway.readiness import Readiness
from metronome.kernel.interface import Dialect, Mapped
from metronome.limits import TIMER_SAMPLES
from metronome.model import Kind, Series, series_key
from tests.gateway.kit import START, Kit

SETTINGS: list[tuple[str, object]] = [
    ("store", "elasticsearch+https://me:secret@host:9200"),
    ("flush-interval", 10),
    ("statsd", ("udp://127.0.0.1:8125", "tcp://127.0.0.1:8125")),
    ("prometheus.public", False),
]


def key(name: str, kind: Kind) -> bytes:
    return series_key(Series(name, (), kind))


class RepeatingOutput:
    """Repeats what it is told to."""

    def __init__(self) -> None:
        self.idle: dict[bytes, float] = {}

    def repeated(self, stream: str) -> Iterable[tuple[bytes, float]]:
        return self.idle.items() if stream == "main" else ()

    def forget(self, stream: str, keys: Iterable[bytes]) -> None:
        for one in keys:
            self.idle.pop(one, None)


class ConsoleTests(SynchronousTestCase):
    """One stream that was sent a few lines."""

    def setUp(self) -> None:
        self.kit = Kit()
        self.output = RepeatingOutput()
        self.readiness = Readiness()
        self.console = Console(
            self.kit.intake,
            self.kit.ledger,
            self.kit.telemetry,
            self.readiness,
            [self.output],
            SETTINGS,
            START,
        )
        self.statsd = self.kit.intake.inlet("statsd_tcp", "main", Dialect())
        self.admin = self.kit.intake.inlet("admin_tcp", "main", Dialect())

    def ask(self, line: str) -> str:
        reply = self.console.answer(self.admin, line)
        self.assertFalse(reply.over)
        return reply.text

    def test_tables_are_printed_as_statsd_prints_its_own(self) -> None:
        """Values of the open period, tags behind the name, and END."""
        self.statsd.statsd(
            b"a.b:2|c|@0.5\nc:1|c|#env:prod\nt:320|ms\nt:1.5|ms|@0.5\ng:-3.5|g\nu:x|s\nu:y|s\n"
        )
        self.assertEqual(self.ask("counters"), "{ 'a.b': 4, 'c;env=prod': 1 }\nEND\n\n")
        self.assertEqual(self.ask("timers"), "{ t: [ 320, 1.5 ] }\nEND\n\n")
        self.assertEqual(self.ask("gauges"), "{ g: -3.5 }\nEND\n\n")
        self.assertEqual(self.ask("sets"), "{ u: 2 }\nEND\n\n")

    def test_nothing_is_an_empty_object(self) -> None:
        """Before the first line, and for a stream that has no table."""
        for word in ("counters", "timers", "gauges", "sets"):
            self.assertEqual(self.ask(word), "{}\nEND\n\n")

    def test_after_a_flush_gauges_stay_and_the_rest_is_as_outputs_repeat_it(self) -> None:
        """As statsd does, where idle series are sent on."""
        self.statsd.statsd(b"c:1|c\nt:5|ms\ng:7|g\n")
        self.kit.flusher.flush()
        self.assertEqual(self.ask("counters"), "{}\nEND\n\n")
        self.assertEqual(self.ask("gauges"), "{ g: 7 }\nEND\n\n")
        self.output.idle = {
            key("c", Kind.COUNTER): 1.0,
            key("t", Kind.TIMER): 5.0,
            key("old", Kind.GAUGE): 2.0,
        }
        self.assertEqual(self.ask("counters"), "{ c: 0 }\nEND\n\n")
        self.assertEqual(self.ask("timers"), "{ t: [] }\nEND\n\n")
        self.assertEqual(self.ask("gauges"), "{ old: 2, g: 7 }\nEND\n\n")

    def test_a_timer_that_became_a_sketch_shows_its_values(self) -> None:
        """The first hundred by size, within the sketch's error, and how many more."""
        self.statsd.statsd(b"t:100|ms\n" * (TIMER_SAMPLES + 1))
        text = self.ask("timers")
        self.assertIn(f"... {TIMER_SAMPLES + 1 - 100} more items", text)
        shown = float(text.partition("[\n")[2].partition(",")[0])
        self.assertLessEqual(abs(shown - 100), 1)

    def test_deleted_series_are_forgotten_everywhere_and_the_books_balance(self) -> None:
        """Their samples of the open period count as filtered; later ones begin anew."""
        self.statsd.statsd(b"a.b:1|c\na.c:1|c\na.c:1|c\nd:1|c\na.g:5|g\n")
        self.output.idle = {key("a.idle", Kind.COUNTER): 1.0}
        self.assertEqual(
            self.ask("delcounters a.* e"),
            "deleted: a.idle\ndeleted: a.b\ndeleted: a.c\nmetric e not found\nEND\n\n",
        )
        self.assertEqual(self.ask("counters"), "{ d: 1 }\nEND\n\n")
        self.assertEqual(self.output.idle, {})
        self.assertEqual(self.kit.telemetry.total("metronome_filtered_total", reason="forgotten"), 3)
        self.assertEqual(self.kit.received(), self.kit.accounted())
        self.assertEqual(self.ask("delgauges a.g"), "deleted: a.g\nEND\n\n")
        self.statsd.statsd(b"a.g:+2|g\na.b:1|c\n")
        self.assertEqual(self.ask("gauges"), "{ 'a.g': 2 }\nEND\n\n")
        self.assertEqual(self.ask("deltimers x"), "metric x not found\nEND\n\n")
        self.assertEqual(self.ask("delsets x"), "metric x not found\nEND\n\n")

    def test_help_health_and_what_is_unknown(self) -> None:
        """statsd's own bytes."""
        self.assertEqual(
            self.ask("help"),
            "Commands: stats, counters, timers, gauges, delcounters, deltimers, delgauges, health, config,"
            " quit\n\n",
        )
        self.assertIn("sets, delsets, top, rejects, unmapped", self.ask("help all"))
        for line, answer, is_up in (
            ("health", "up", True),
            ("health DOWN", "down", False),
            ("health sideways", "down", False),
            ("health up", "up", True),
        ):
            self.assertEqual(self.ask(line), f"health: {answer}\n")
            self.assertEqual(self.readiness.up, is_up)
        for line in ("", "nonsense", "HELP", "counters\0"):
            self.assertEqual(self.ask(line), "ERROR\n")
        self.assertEqual(self.console.answer(self.admin, "quit"), Reply("", over=True))

    def test_stats_tell_times_and_bad_lines(self) -> None:
        """As nagios checks read them, and our own numbers behind."""
        self.kit.clock.advance(5)
        self.statsd.statsd(b"a:1|c\nbad\n")
        self.kit.clock.advance(7)
        told = dict(line.split(": ") for line in self.ask("stats").splitlines() if ": " in line)
        self.assertEqual(told["uptime"], "12")
        self.assertEqual(told["messages.last_msg_seen"], "7")
        self.assertEqual(told["messages.bad_lines_seen"], "1")
        self.assertEqual((told["metronome.received"], told["metronome.waiting"]), ("2", "1"))
        self.assertEqual(told["metronome.series"], "1")
        self.assertTrue(self.ask("stats").endswith("\nEND\n\n"))

    def test_config_hides_what_one_signs_in_with(self) -> None:
        """A line a setting, tables and lists with what is in them."""
        self.assertEqual(
            self.ask("config"),
            "\nstore: elasticsearch+https://***@host:9200\nflush-interval: 10\n"
            "statsd > 0: udp://127.0.0.1:8125\nstatsd > 1: tcp://127.0.0.1:8125\n"
            "prometheus > public: false\n",
        )

    def test_top_and_rejects(self) -> None:
        """What statsd's console has not."""
        self.statsd.statsd(b"a.b.c:1|c\na.b.c:1|c\nx:y|c\n", "192.0.2.7")
        self.kit.flusher.flush()
        self.kit.settle()
        top = self.ask("top 5")
        self.assertIn("series a.b.c counter samples: 2\n", top)
        self.assertIn("prefix a.b series: 1\n", top)
        self.assertIn("sender 192.0.2.7 samples: 2\n", top)

    def test_refused_and_unmapped_lines(self) -> None:
        """With how often they came, newest first; a number says how many."""
        self.kit.intake.use_mapper(lambda name, kind, labels: Mapped(name, labels, ruled=name == "known"))
        self.statsd.statsd(b"x:y|c\nx:y|c\nknown:1|c\nnew:1|c\nnew:2|c\nolder|c", "192.0.2.7")
        self.statsd.statsd(b"x:y|c")
        self.assertEqual(
            self.ask("rejects"),
            "1 bad_value statsd_tcp -: 'x:y|c'\n"
            "1 malformed_line statsd_tcp 192.0.2.7: 'older|c'\n"
            "2 bad_value statsd_tcp 192.0.2.7: 'x:y|c'\nEND\n\n",
        )
        self.assertEqual(self.ask("rejects 1"), "1 bad_value statsd_tcp -: 'x:y|c'\nEND\n\n")
        self.assertEqual(self.ask("unmapped"), "2 unmapped statsd_tcp 192.0.2.7: 'new:1|c'\nEND\n\n")
