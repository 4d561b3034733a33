"""Who sends most."""

from __future__ import annotations

import random
import socket
from collections import Counter
from types import ModuleType

from metronome.kernel.senders import Senders
from tests.kernel.helpers import UNION


def test_senders_are_counted_exactly_while_they_are_few() -> None:
    """Most first, equal ones by name; taking them begins again."""
    senders = Senders(kept=3)
    for sender in "abacbca":
        senders.note(sender)
    assert senders.take() == [("a", 3), ("b", 2), ("c", 2)]
    assert senders.take() == []


def test_who_sends_much_is_kept_among_many() -> None:
    """Whoever sends more than one datagram in ``kept`` is there, with no less than it sent."""
    rng = random.Random(5)
    sent = [f"one-of-{rng.randrange(5000)}" for _ in range(9000)] + ["loud"] * 1000
    rng.shuffle(sent)
    senders = Senders(kept=20)
    for sender in sent:
        senders.note(sender)
    found = dict(senders.take())
    assert len(found) == 20
    assert 1000 <= found["loud"] <= 1000 + len(sent) // 20
    assert all(number >= Counter(sent)[sender] for sender, number in found.items())


def test_a_table_tells_who_sent_datagrams(kernel: ModuleType) -> None:
    """By IP address, since the last call."""
    table = kernel.Table()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inlet:
        inlet.bind(("127.0.0.1", 0))
        for host, number in (("127.0.0.1", 3), ("127.0.0.2", 5)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((host, 0))
                for _ in range(number):
                    sender.sendto(b"a:1|c\nbad", inlet.getsockname())
        table.drain(inlet.fileno(), 100, UNION)
    assert table.senders() == [("127.0.0.2", 5), ("127.0.0.1", 3)]
    assert table.senders() == []
    assert table.rejects() == [
        ("malformed_line", b"bad", "127.0.0.1", 3),
        ("malformed_line", b"bad", "127.0.0.2", 5),
    ]


def test_the_twins_keep_the_same_of_many(kernel: ModuleType) -> None:
    """300 addresses in 256 places."""
    table = kernel.Table()
    expected = Senders()
    rng = random.Random(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inlet:
        inlet.bind(("127.0.0.1", 0))
        for number in range(600):
            host = f"127.0.{rng.randrange(4)}.{rng.randrange(1, 76)}"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((host, 0))
                sender.sendto(b"a:1|c", inlet.getsockname())
            expected.note(host)
            if number % 50 == 49:
                assert table.drain(inlet.fileno(), 100, UNION) == 50
    assert table.senders() == expected.take()
