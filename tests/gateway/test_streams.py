"""The registry of streams and who may read them."""

from __future__ import annotations

import itertools
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from metronome.errors import ClientError
from metronome.gateway.streams import Streams
from tests.gateway.kit import Kit, view


def secrets() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"secret-{next(numbers)}"


@pytest.fixture
def streams(tmp_path: Path) -> Streams:
    made = Streams(tmp_path, lambda: 1000.0, secrets())
    made.load()
    return made


def test_a_new_registry_has_main_and_its_token(streams: Streams, tmp_path: Path) -> None:
    """Stream main exists from the first start; its token is in a file that only the owner reads."""
    token = (tmp_path / "owner.token").read_text().strip()
    assert streams.owner_token() == token
    assert streams.is_admin(token)
    main = streams.reader_of(token)
    assert main is not None
    assert main.id == "main"
    for name in ("owner.token", "streams.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert token not in (tmp_path / "streams.json").read_text()


def test_the_registry_survives_a_restart(streams: Streams, tmp_path: Path) -> None:
    """Streams, keys and tokens are the same after a restart."""
    stream, token = streams.create("shop", ("https://shop.example",), {"points": 30}, True)
    again = Streams(tmp_path, lambda: 2000.0, secrets())
    again.load()
    assert again.get("shop") == stream
    assert again.reader_of(token) == stream
    assert [one.id for one in again.all()] == ["main", "shop"]
    assert again.owner_token() == streams.owner_token()


def test_a_token_reads_its_own_stream_only(streams: Streams) -> None:
    """A stream's token is not the administrator's, and a made-up one reads nothing."""
    _, token = streams.create("shop")
    found = streams.reader_of(token)
    assert found is not None
    assert found.id == "shop"
    assert not streams.is_admin(token)
    assert streams.reader_of("made up") is None
    assert streams.reader_of("") is None


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a b", "x" * 65, "ä"])
def test_unusable_names_are_refused(streams: Streams, name: str) -> None:
    """A stream's name is a short plain word."""
    with pytest.raises(ClientError) as caught:
        streams.create(name)
    assert (caught.value.reason, caught.value.status) == ("bad_request", 400)


def test_a_taken_name_is_a_conflict(streams: Streams) -> None:
    """Two streams cannot share a name."""
    with pytest.raises(ClientError) as caught:
        streams.create("main")
    assert (caught.value.reason, caught.value.status) == ("conflict", 409)


def test_rotation_ends_the_old_token_and_key(streams: Streams) -> None:
    """After a rotation only the new token reads; main's file follows."""
    before = streams.owner_token()
    stream, token = streams.rotate("main")
    assert not streams.is_admin(before)
    assert streams.is_admin(token)
    assert streams.owner_token() == token
    assert streams.get("main") == stream


def test_a_rotation_cut_short_by_a_crash_is_mended(streams: Streams, tmp_path: Path) -> None:
    """Where the token file does not fit the registry, main gets a new token at start."""
    (tmp_path / "owner.token").write_text("from a rotation that was never saved\n")
    again = Streams(tmp_path, lambda: 2000.0, lambda: "fresh")
    again.load()
    assert again.is_admin(again.owner_token())


def test_streams_change_and_go(streams: Streams) -> None:
    """Origins, retention and publicity change; a deleted stream is unknown; main stays."""
    _, token = streams.create("shop", ("https://a",), {"points": 3})
    changed = streams.update("shop", origins=("https://b",), retention={}, public=True)
    assert (changed.origins, changed.retention, changed.public) == (("https://b",), None, True)
    streams.delete("shop")
    assert streams.get("shop") is None
    assert streams.reader_of(token) is None
    with pytest.raises(ClientError) as caught:
        streams.delete("main")
    assert caught.value.status == 403
    with pytest.raises(ClientError) as caught:
        streams.update("shop", public=False)
    assert caught.value.status == 404


def test_a_change_that_cannot_be_written_changes_nothing(streams: Streams, tmp_path: Path) -> None:
    """The disk refuses: the answer says later, old tokens stay good, and the name is free again."""
    token = streams.owner_token()
    (tmp_path / "streams.json.new").mkdir()
    for change in (
        lambda: streams.rotate("main"),
        lambda: streams.create("shop"),
        lambda: streams.update("main", public=True),
    ):
        with pytest.raises(ClientError) as refusal:
            change()
        assert (refusal.value.reason, refusal.value.status) == ("overloaded", 503)
        assert refusal.value.retry_after > 0
    assert streams.owner_token() == token
    assert streams.is_admin(token)
    main = streams.get("main")
    assert main is not None
    assert not main.public
    (tmp_path / "streams.json.new").rmdir()
    assert streams.create("shop")[0].id == "shop"


def test_a_stream_begins_where_the_journal_ended(streams: Streams, tmp_path: Path) -> None:
    """Records before are not its own, and none of a stream that is no more; main owns all."""
    kit = Kit()
    kit.wait(kit.intake.ticks("shop", [view("a")], [], [], "http"))
    end = kit.journal.synced_end
    assert end > 0
    streams.create("early")
    streams.attach(kit.journal)
    streams.create("shop")
    again = Streams(tmp_path, lambda: 2000.0, secrets())
    again.load()
    again.attach(kit.journal)
    for registry in (streams, again):
        for name in ("shop", "early"):
            assert registry.born(name) == end
            assert (registry.owns(name, end - 1), registry.owns(name, end)) == (False, True)
        assert registry.owns("main", 0)
        assert not registry.owns("gone", end)
    streams.delete("shop")
    assert not streams.owns("shop", end)


def test_a_position_of_another_journal_says_nothing(streams: Streams) -> None:
    """When the journal was lost and a new one begins at 0, a stream owns what it gets."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [view("a")], [], [], "http"))
    streams.attach(kit.journal)
    streams.create("shop")
    new = Kit()
    new.journal.identity = "another"
    streams.attach(new.journal)
    assert streams.owns("shop", 0)


def test_letters_of_any_journal_have_an_owner(streams: Streams) -> None:
    """Also while no journal is open; a stream that has not begun yet owns none."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [view("a")], [], [], "http"))
    end, journal = kit.journal.synced_end, kit.journal.identity
    streams.create("early")
    assert not streams.owned_in(journal, "early", 0)
    streams.attach(kit.journal)
    assert [streams.owned_in(journal, "early", at) for at in (end - 1, end)] == [False, True]
    assert streams.owned_in("another", "early", 0)
    assert streams.owned_in(journal, "main", 0)
    assert not streams.owned_in(journal, "gone", end)


def test_a_registry_of_an_older_version_owns_everything(streams: Streams, tmp_path: Path) -> None:
    """Its streams have no beginning in the journal."""
    streams.create("shop")
    file = tmp_path / "streams.json"
    listed = json.loads(file.read_text())
    for item in listed:
        del item["born"], item["journal"]
    file.write_text(json.dumps(listed))
    again = Streams(tmp_path, lambda: 2000.0, secrets())
    again.load()
    again.attach(Kit().journal)
    assert again.owns("shop", 0)
