"""Settings: option over environment over file over default, in one frozen ``Config``.

A key that does not exist and a value that cannot be used are ``ConfigError``; the text names
the key, the value, where it stands, and what would be right.  An option that takes a list
replaces the list of a lower place; an empty one switches it off.

Environment variables that begin with ``METRONOME_`` but name no setting are only warned of:
cluster managers put such variables there by themselves.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from metronome import clusters, values
from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.fold import rule_tables
from metronome.fold.rules import Book, Rule
from metronome.fold.statsd import Naming
from metronome.gateway.cluster import Cluster
from metronome.gateway.idle import Spans
from metronome.kernel.interface import Dialect
from metronome.options import KEYS, Key
from metronome.store.elastic_url import masked
from metronome.store.interface import Retention
from metronome.wire.signed import Secret
from metronome.write_targets import WriteTarget, check_targets

OTHER_VARIABLES: Final = ("METRONOME_PURE", "METRONOME_REQUIRE_LIVE", "METRONOME_REQUIRE_NATIVE")
"""Variables that are no settings: the pure kernel; live tests and the native kernel's tests that
must not be left out."""

ROLLUP: Final = "rollup"
"""The tables of the file that are rules."""

TABLES: Final = (ROLLUP, clusters.TABLE)
"""Those that may be there any number of times; they are no settings."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """What ``/metrics`` shows and to whom; ``ttl`` in seconds."""

    public: bool
    ttl: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that a user may move; sizes in bytes, times in seconds."""

    journal: int
    store_memory: int
    series: int
    series_per_prefix: int
    sample_past: float
    idle_flushes: int
    connections: int
    idle: float
    signed_drift: float
    http_connections: int
    http_idle: float


class Setting(NamedTuple):
    """A resolved setting as it was written, and where."""

    key: Key
    raw: object
    origin: str

    @property
    def shown(self) -> object:
        """What was written, as it may be shown: without a password in a URL, also where none may be."""
        is_url = self.key.name in ("store", "remote-write") and isinstance(self.raw, str)
        return masked(str(self.raw)) if is_url else self.raw


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set.  It ends in ``service.py``: parts get plain arguments."""

    config: Path | None
    data_dir: Path
    store: str
    store_secret: Path | None
    store_templates: str
    statsd: tuple[Address, ...]
    graphite: tuple[Address, ...]
    pickle: tuple[Address, ...]
    http: tuple[Address, ...]
    admin: tuple[Address, ...]
    statsd_secret: Path | None
    workers: int
    flush_interval: float
    graphite_out: tuple[Address, ...]
    remote_write: tuple[WriteTarget, ...]
    graphite_resend: float
    rules: tuple[str, ...]
    """The default sets behind the rules of the file."""
    mapping: Path | None
    dialect: Dialect
    naming: Naming
    idle: Spans
    """How long the Graphite output repeats what is silent."""
    """Send nothing to Graphite for a series that got nothing."""
    prometheus: Prometheus
    retention: Retention
    limits: Limits
    settings: tuple[Setting, ...]
    """What was resolved, in the order of the table of settings."""
    warnings: tuple[str, ...]
    """What looks like a mistake but stops nothing."""
    rollup: tuple[Rule, ...]
    graphite_cluster: tuple[Cluster, ...]
    tables_text: str
    """Rules and clusters as they were written."""

    @property
    def book(self) -> Book:
        """All that is to be sent to Graphite and shown to Prometheus."""
        return Book(self.rollup, self.rules)

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """All that Graphite output goes to: the addresses, and the tables of the file."""
        return (clusters.of_addresses(self.graphite_out, self.graphite_resend), *self.graphite_cluster)


def load(given: Mapping[str, object], environment: Mapping[str, str]) -> Config:
    """Resolve the settings.

    ``given`` are the options of the command line by name (lists for those that take many);
    only what was really given.
    """
    file = _file_name(given, environment)
    document = _read(file) if file is not None else {}
    in_file = _flat(document)
    settings = tuple(_setting(key, given, environment, in_file, file) for key in KEYS)
    read = {setting.key.name: _value(setting) for setting in settings}
    config = _config(read, settings, tuple(_unknown_variables(environment)), _tables(document))
    clusters.check(config.clusters)
    check_targets(config.remote_write)
    return config


def read_book(config: Config) -> Book:
    """The rules and sets as the file has them now.  ``ConfigError``.

    The file has to be right as a whole; its other settings stay what they are.
    """
    if config.config is None:
        return config.book
    document = _read(config.config)
    in_file = _flat(document)
    tables = _tables(document)
    rules = rule_tables.read(tables.get(ROLLUP, []), config.flush_interval)
    clusters.read(tables.get(clusters.TABLE, []), config.graphite_resend)
    now = next(setting for setting in config.settings if setting.key.name == "rules")
    if now.origin == "default" or now.origin.startswith("file "):
        now = _setting(now.key, {}, {}, in_file, config.config)
    return Book(rules, cast(tuple[str, ...], _value(now)))


def needs_restart(config: Config) -> tuple[str, ...]:
    """What the file, read again, says otherwise, and only a new start heeds.  ``ConfigError``."""
    if config.config is None:
        return ()
    document = _read(config.config)
    in_file = _flat(document)
    found = []
    for setting in config.settings:
        is_of_file = setting.origin == "default" or setting.origin.startswith("file ")
        if is_of_file and setting.key.name != "rules":
            now = _setting(setting.key, {}, {}, in_file, config.config)
            found += [setting.key.name] if _value(now) != _value(setting) else []
    tables = _tables(document).get(clusters.TABLE, [])
    is_same = clusters.read(tables, config.graphite_resend) == config.graphite_cluster
    return tuple(found if is_same else [*found, clusters.TABLE])


def describe(config: Config) -> str:
    """The resolved configuration, as a TOML file that gives the same."""
    lines: list[str] = []
    table = ""
    for setting in config.settings:
        key, raw, origin = setting.key, setting.shown, setting.origin
        first, dot, _ = key.name.rpartition(".")
        if dot and first != table:
            table = first
            lines += ["", f"[{table}]"]
        line = f"{key.name.rpartition('.')[2]} = {_toml(raw, key.many)}"
        lines.append(f"{line:<50}  # {origin}" if key.in_file else f"# {line}  # {origin}")
    return "\n".join(lines) + "\n" + config.tables_text


def dialect_of(config: Config, address: Address) -> Dialect:
    """What a receiver understands: the dialect, but for what its address says."""
    own: dict[str, bool] = {}
    if sign := address.parameter("gauge_sign"):
        own["gauge_delta"] = sign == "delta"
    if labels := address.parameter("container_labels"):
        own["container_labels"] = labels == "yes"
    if styles := address.parameter("tag_styles"):
        own |= _switches(values.tag_styles(styles))
    return replace(config.dialect, **own)


def secret_of(config: Config) -> Secret | None:
    """The secret that statsd's datagrams must be signed with, if there is to be one.

    It comes from a file: what stands on the command line or in the environment, other users
    and child processes may see.  White space at its ends is not part of it.  ``ConfigError``.
    """
    file = config.statsd_secret
    if file is None:
        return None
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"statsd-secret = '{file}': {error.strerror}") from None
    if not key:
        raise ConfigError(f"statsd-secret = '{file}' is empty; a file with the secret would be right")
    return Secret(key, config.limits.signed_drift)


# --- where a setting stands -----------------------------------------------------------------


def _file_name(given: Mapping[str, object], environment: Mapping[str, str]) -> Path | None:
    key = KEYS[0]
    return values.optional_path(_setting(key, given, environment, {}, None).raw)


def _setting(
    key: Key,
    given: Mapping[str, object],
    environment: Mapping[str, str],
    in_file: Mapping[str, object],
    file: Path | None,
) -> Setting:
    if key.name in given:
        return Setting(key, given[key.name], f"option --{key.name}")
    if key.variable in environment:
        raw: object = environment[key.variable]
        return Setting(key, str(raw).split(",") if key.many else raw, f"environment {key.variable}")
    if key.name in in_file:
        return Setting(key, in_file[key.name], f"file {file}")
    return Setting(key, key.default, "default")


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = [key.variable for key in KEYS]
    return [
        f"environment variable {name} names no setting{_nearest(name, known)}"
        for name in sorted(environment)
        if name.startswith("METRONOME_") and name not in known and name not in OTHER_VARIABLES
    ]


# --- the file -------------------------------------------------------------------------------


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"config = '{file}': {reason}; a readable TOML file would be right") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config = '{file}' is not TOML: {error}") from None


def _tables(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says of rules and clusters, by name."""
    found: dict[str, Any] = {}
    for written, value in document.items():
        name = written.replace("_", "-")
        if name in TABLES:
            both = isinstance(found.get(name), list) and isinstance(value, list)
            found[name] = found[name] + value if both else value
    return found


def _flat(document: Mapping[str, Any]) -> dict[str, object]:
    """Dotted names of the table of settings; ``-`` and ``_`` are alike in keys."""
    flat: dict[str, object] = {}
    tables = {key.name.partition(".")[0] for key in KEYS if not key.option}
    for written, value in document.items():
        name = written.replace("_", "-")
        if name in TABLES:
            continue
        if isinstance(value, dict) and name in tables:
            flat.update({f"{name}.{key.replace('_', '-')}": item for key, item in value.items()})
        elif name in tables:
            raise ConfigError(f"{written} = {value!r}: it is a table; [{name}] and keys would be right")
        else:
            flat[name] = value
    known = [*(key.name for key in KEYS if key.in_file), *TABLES]
    for name, value in flat.items():
        if name not in known:
            raise ConfigError(f"{name} = {value!r}: there is no such key{_nearest(name, known)}")
    return flat


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"; {close[0]} would be right" if close else ""


# --- the values -----------------------------------------------------------------------------


def _value(setting: Setting) -> object:
    key, raw, origin = setting
    if not key.many:
        return _item(key, raw, origin)
    items = raw if isinstance(raw, (list, tuple)) else [raw]
    written = [item.strip() if isinstance(item, str) else item for item in items]
    return tuple(_item(key, item, origin) for item in written if item != "")


def _item(key: Key, raw: object, origin: str) -> object:
    try:
        return key.read(raw)
    except ValueError as error:
        shown = _toml(Setting(key, raw, origin).shown, False)
        raise ConfigError(f"{key.name} = {shown} ({origin}): {error}") from None


def _config(
    read: dict[str, Any],
    settings: tuple[Setting, ...],
    warnings: tuple[str, ...],
    repeated: Mapping[str, Any],
) -> Config:
    tables: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for key in KEYS:
        table, dot, _ = key.name.rpartition(".")
        (tables.setdefault(table, {}) if dot else top)[key.field] = read[key.name]
    return Config(
        **top,
        dialect=_dialect(tables["dialect"]),
        naming=_naming(tables["names"]),
        idle=_idle(tables["names"], settings),
        prometheus=Prometheus(**tables["prometheus"]),
        retention=_retention(tables["retention"]),
        limits=Limits(**tables["limits"]),
        settings=settings,
        warnings=warnings,
        rollup=rule_tables.read(repeated.get(ROLLUP, []), top["flush_interval"]),
        graphite_cluster=clusters.read(repeated.get(clusters.TABLE, []), top["graphite_resend"]),
        tables_text="".join(_table_text(name, table) for name in repeated for table in repeated[name]),
    )


def _dialect(table: dict[str, Any]) -> Dialect:
    return Dialect(
        gauge_delta=table["gauge_sign"] == "delta",
        container_labels=table["container_labels"],
        **_switches(table["tag_styles"]),
    )


def _switches(styles: Sequence[str]) -> dict[str, bool]:
    """These styles on, and all others off."""
    return {f"{style}_tags": style in styles for style in values.TAG_STYLES}


def _idle(table: dict[str, Any], settings: tuple[Setting, ...]) -> Spans:
    """``delete-idle`` stands for the kinds of which nothing is said."""
    said = {setting.key.field for setting in settings if setting.origin != "default"}
    fields = [f"idle_{kind}" for kind in Spans._fields]
    return Spans(*[0.0 if table["delete_idle"] and name not in said else table[name] for name in fields])


def _naming(table: dict[str, Any]) -> Naming:
    """statsd's own words for these keys are not always the ones of ``fold/statsd.py``."""
    same = {field.name: table[field.name] for field in fields(Naming) if field.name in table}
    return Naming(
        legacy=table["legacy_namespace"],
        thresholds=table["percent_threshold"],
        calculated=table["timer_stats"],
        **same,
    )


def _retention(table: dict[str, Any]) -> Retention:
    try:
        ladder = values.ladder(table["points"])
    except ValueError as error:
        raise ConfigError(f"retention.points: {error}") from None
    return Retention(ladder=ladder, events=int(table["events"]))


def _table_text(name: str, table: Mapping[str, object]) -> str:
    return f"\n[[{name}]]\n" + "".join(f"{key} = {_toml(value, False)}\n" for key, value in table.items())


def _toml(raw: object, many: bool) -> str:
    """A raw value as TOML writes it."""
    if isinstance(raw, dict):
        return (
            "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item, False)}" for key, item in raw.items()) + " }"
        )
    if isinstance(raw, (list, tuple)):
        return "[" + ", ".join(_toml(item, False) for item in raw if item != "") + "]"
    if many:
        return _toml([raw], False)
    # JSON's texts, numbers and booleans are TOML's; what a file cannot hold prints as text.
    return json.dumps(raw, default=str, ensure_ascii=False)
