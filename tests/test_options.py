"""The table of settings is consistent in itself."""

from __future__ import annotations

import pytest

from metronome.config import Config, Limits, Prometheus
from metronome.options import KEYS, Key


def test_names_and_variables_are_unique() -> None:
    """Dots and dashes become underscores, so two names could meet in one variable."""
    assert len({key.name for key in KEYS}) == len(KEYS)
    assert len({key.variable for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_setting_explains_itself_and_has_a_good_default(key: Key) -> None:
    """The default is read by its own reader; an option says what it takes."""
    items = key.default if key.many else [key.default]
    assert isinstance(items, (list, tuple))
    for item in items:
        key.read(item)
    assert key.help
    assert bool(key.metavar) == (key.option)


def test_every_setting_has_its_field() -> None:
    """Each key ends in an attribute of the configuration, and none is left without a key."""
    for table, part in [("prometheus", Prometheus), ("limits", Limits)]:
        fields = [key.field for key in KEYS if key.name.startswith(table + ".")]
        assert tuple(fields) == part.__slots__
    top = {key.field for key in KEYS if key.option}
    assert top <= set(Config.__slots__)
