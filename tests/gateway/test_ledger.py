"""The books balance, and tallies are told once."""

from __future__ import annotations

from metronome.gateway.ledger import Ledger, day_of
from metronome.gateway.telemetry import Telemetry
from metronome.limits import EXCERPT_BYTES, REJECTS_KEPT
from metronome.model import Tally

NOON = 1_700_000_000.0
DAY = "2023-11-14"


def make() -> tuple[Ledger, Telemetry]:
    telemetry = Telemetry()
    return Ledger(telemetry, lambda: NOON), telemetry


def test_the_day_is_utc() -> None:
    """Days are those of UTC."""
    assert day_of(NOON) == DAY
    assert day_of(0) == "1970-01-01"


def test_waiting_is_what_was_taken_and_is_not_yet_stored() -> None:
    """Waiting grows with what is taken and held, and falls with every outcome."""
    ledger, telemetry = make()
    held = [5]
    ledger.holds("main", lambda: held[0])
    ledger.received("main", "udp", 15)
    ledger.taken("main", 10)
    assert ledger.waiting("main") == 15
    ledger.stored("main", 6)
    ledger.diverted("main", "store_rejected", 1)
    ledger.shed_waiting("main", "journal_full", 2)
    assert ledger.waiting("main") == 5 + 1
    assert telemetry.value("metronome_waiting", stream="main") == 6
    assert telemetry.value("metronome_stored_total", stream="main") == 6
    assert telemetry.value("metronome_received_total", stream="main", source="udp") == 15


def test_tallies_are_taken_once_and_can_be_given_back() -> None:
    """What was counted since the last call comes out once; given back, it comes again."""
    ledger, _ = make()
    ledger.reject("main", "udp", "bad_value", 2, b"a:b|c", "10.0.0.1")
    ledger.count_rejects("main", "udp", "bad_value", 1)
    ledger.filtered("main", "http", "duplicate")
    first = ledger.take_tallies()
    assert first == [
        Tally("main", DAY, "http", "filtered", "duplicate", 1),
        Tally("main", DAY, "udp", "rejected", "bad_value", 3),
    ]
    assert ledger.take_tallies() == []
    ledger.give_back(first)
    ledger.shed("main", "udp", "queue_full", 4)
    assert sum(tally.number for tally in ledger.untold("main")) == 8
    assert ledger.untold("other") == []


def test_rejected_input_is_sampled_newest_first_and_bounded() -> None:
    """The newest samples of rejected input are kept, and no more than the limit."""
    ledger, _ = make()
    for index in range(REJECTS_KEPT + 5):
        ledger.reject("main", "udp", "bad_value", 1, b"line %d" % index, "somebody")
    notes = ledger.notes("main")
    assert len(notes) == REJECTS_KEPT
    assert notes[0].excerpt == f"line {REJECTS_KEPT + 4}"
    assert notes[0].sender == "somebody"
    assert ledger.notes("other") == []


def test_replayed_input_is_received_and_stored() -> None:
    """The counters only grow, and balance."""
    ledger, telemetry = make()
    ledger.replayed("main", 3)
    assert ledger.waiting("main") == 0
    assert telemetry.value("metronome_received_total", stream="main", source="replay") == 3
    assert telemetry.value("metronome_stored_total", stream="main") == 3
    assert ledger.today() == DAY


def test_recovered_input_is_received_and_waits() -> None:
    """What a former run left in the journal enters the books of this run."""
    ledger, telemetry = make()
    ledger.recovered("main", 3)
    assert ledger.waiting("main") == 3
    assert telemetry.value("metronome_received_total", stream="main", source="journal") == 3


def test_what_a_sender_calls_itself_is_cut() -> None:
    """The origin of a web page is text from anywhere: it cannot fill the memory."""
    ledger, _ = make()
    ledger.reject("main", "http", "bad_origin", 1, b"x" * 9999, "y" * 9999)
    (note,) = ledger.notes("main")
    assert len(note.sender) == len(note.excerpt) == EXCERPT_BYTES
