"""The owner's data from outside: names, types, versions and keys; never values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from dpquery.engines.base import Limits
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.errors import EngineFailure
from dpquery.policy.build import build

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dpquery.engines.base import Engine, KeyCheck
    from dpquery.ledger.store import Ledger
    from dpquery.policy.catalog import Catalog
    from dpquery.policy.load import LoadedPolicy
    from dpquery.policy.stored import Store

SOUND = "sound"
BROKEN = "broken"


def limits_of(loaded: LoadedPolicy) -> Limits:
    """Return what one statement may use."""
    limits = loaded.policy.limits
    return Limits(limits.memory, limits.threads, float(limits.seconds))


def open_engine(loaded: LoadedPolicy) -> Engine:
    """
    Open the policy's data, read-only and locked.

    Raises:
        EngineFailure: it cannot be opened.
    """
    source = loaded.policy.source
    limits = limits_of(loaded)
    if source.duckdb is not None:
        return DuckDBEngine.open(loaded.resolve(source.duckdb), limits)
    files = {name: loaded.resolve(path) for name, path in (source.files or {}).items()}
    return DuckDBEngine.open(files, limits)


def look_at(source: Path | Mapping[str, Path]) -> Store:
    """
    Return what a DuckDB file, or files by their tables, say of themselves.

    Raises:
        EngineFailure: the data cannot be opened.
    """
    engine = DuckDBEngine.open(source, Limits())
    try:
        return engine.store()
    finally:
        engine.close()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the data and the catalog that fits it."""

    version: str
    """The owner's name for it, or else its identity: what answers are filed under."""
    catalog: Catalog
    identity: str
    """What the engine knows it by."""


class Data:
    """The data as it lies now; the catalog is built again when it has changed."""

    def __init__(self, loaded: LoadedPolicy, engine: Engine) -> None:
        self._loaded = loaded
        self._engine = engine
        self._snapshot: Snapshot | None = None
        self._sound: Snapshot | None = None
        self.turn = Lock()
        """Held by whoever runs a query, from the look at the version to the answer:
        what is executed is what the answer is filed under."""

    def latest(self) -> Snapshot:
        """
        Return the catalog for prices and listings, which read no rows.

        It is looked at afresh unless a query is running, whose version must stay.
        """
        if self._snapshot is None:
            with self.turn:
                return self.snapshot()
        if not self.turn.acquire(blocking=False):
            return self._snapshot
        try:
            return self.snapshot()
        finally:
            self.turn.release()

    def require_sound_keys(self, snapshot: Snapshot, ledger: Ledger) -> None:
        """
        Refuse to answer on data where a row could have two owners.

        Raises:
            EngineFailure: with one constant text, whatever is wrong with the keys.
        """
        if snapshot is not self._sound:
            require_sound_keys(snapshot, self._engine, ledger)
            self._sound = snapshot

    def snapshot(self) -> Snapshot:
        """
        Return the version that the engine answers on, and its catalog; under `turn`.

        Raises:
            EngineFailure: the data cannot be opened.
            PolicyError: the policy does not fit the data.
        """
        identity = self._engine.refresh()
        if self._snapshot is None or self._snapshot.identity != identity:
            catalog = build(self._loaded, self._engine.describe())
            version = self._loaded.policy.data_version or identity
            self._snapshot = Snapshot(version, catalog, identity)
        return self._snapshot


def ownership_keys(catalog: Catalog) -> list[tuple[str, str]]:
    """Return every (table, key) that an ownership path goes through."""
    found = {
        (hop.table, hop.key)
        for table in catalog.tables.values()
        if table.owner is not None
        for hop in table.owner.path
    }
    return sorted(found)


def declared_keys(catalog: Catalog) -> list[tuple[str, str]]:
    """Return every other (table, key) that the policy declares: hints for noise."""
    declared = ((table.name, table.key) for table in catalog.tables.values())
    found = {(table, key) for table, key in declared if key is not None}
    return sorted(found - set(ownership_keys(catalog)))


def check_keys(engine: Engine, keys: list[tuple[str, str]]) -> list[KeyCheck]:
    """Return the checks of (table, key) pairs; their counts are the owner's."""
    return [engine.check_unique(table, key) for table, key in keys]


def require_sound_keys(snapshot: Snapshot, engine: Engine, ledger: Ledger) -> None:
    """
    Refuse to answer on data where a row could have two owners (theory.md 1.1, O1).

    Checked once per version of the data; the verdict is kept in the ledger. Nothing
    is repaired: keeping only single-owner keys would not be unit-local.

    Raises:
        EngineFailure: with one constant text, whatever is wrong with the keys.
    """
    keys = ownership_keys(snapshot.catalog)
    if not keys:
        return
    name = hashlib.sha256(repr((snapshot.identity, keys)).encode()).hexdigest()
    verdict = ledger.verdict(name)
    if verdict is None:
        broken = any(check.duplicates for check in check_keys(engine, keys))
        verdict = BROKEN if broken else SOUND
        ledger.record_verdict(name, verdict)
    if verdict != SOUND:
        msg = "this data does not pass the owner's checks, so nothing is answered"
        hint = "tell the owner to run `dpquery check --data`; nothing was charged"
        raise EngineFailure(msg, code="DPQ530", hint=hint)
