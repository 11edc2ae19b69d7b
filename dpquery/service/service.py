"""One policy, opened: its data, its ledger, and sessions for its analysts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from dpquery.errors import ConfigError
from dpquery.kernel.introspect import (
    Data,
    check_keys,
    declared_keys,
    limits_of,
    open_engine,
    ownership_keys,
)
from dpquery.kernel.postprocess import open_released
from dpquery.kernel.release import Backends
from dpquery.ledger.records import DATASET
from dpquery.ledger.store import Ledger
from dpquery.policy.lint import Finding, Severity, lint
from dpquery.policy.load import LoadedPolicy, load
from dpquery.policy.ownership import find
from dpquery.service.access import dataset_promise, grant
from dpquery.service.checking import unit_columns, unit_findings
from dpquery.service.session import Session, budget_of
from dpquery.sql.queries.views import refused_views

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from dpquery.engines.base import KeyCheck
    from dpquery.errors import QueryRefused
    from dpquery.results import Budget


class Service:
    """
    Answers queries on one dataset under one policy.

    Opening reads names and types, never rows. A service may be shared by threads;
    several processes may serve the same policy, for the ledger decides.
    """

    def __init__(self, loaded: LoadedPolicy) -> None:
        self.loaded = loaded
        self._engine = open_engine(loaded)
        try:
            location = loaded.policy.ledger
            if "://" not in location:
                location = str(loaded.resolve(location))
            definition = dataset_promise(loaded.policy).definition
            ledger = Ledger.open(location, definition=definition)
        except BaseException:
            self._engine.close()
            raise
        self.backends = Backends(
            self._engine, ledger, open_released(), limits_of(loaded)
        )
        self.data = Data(loaded, self._engine)

    @classmethod
    def open(cls, policy: str | Path) -> Self:
        """
        Open the service of the policy file *policy*.

        Raises:
            PolicyError: the policy is wrong, or does not fit the data.
            EngineFailure: the data cannot be opened.
            LedgerError: the ledger cannot be trusted, read or written.
        """
        return cls(load(policy))

    def session(self, analyst: str, *, closes: bool = False) -> Session:
        """
        Return a session of *analyst*; with *closes*, it closes the service with it.

        Raises:
            AccessDenied: the policy does not list them.
        """
        return Session(self, grant(self.loaded.policy, analyst), closes=closes)

    def budgets(self) -> dict[str, Budget]:
        """Return the dataset's budget and every analyst's, for the owner."""
        policy = self.loaded.policy
        spent = self.backends.ledger.spent(DATASET)
        dataset = budget_of(dataset_promise(policy), spent, lambda _: 0)
        analysts = {name: self.session(name).budget() for name in policy.analysts}
        return {"(dataset)": dataset, **analysts}

    def check(self, *, data: bool = False) -> list[Finding]:
        """
        Return what the policy's linter finds, and which views cannot be read.

        With *data*, the keys are checked as well.

        The counts are exact and for the owner alone.
        """
        with self.data.turn:
            catalog = self.data.snapshot().catalog
            paths = ownership_keys(catalog)
            keys = [*paths, *declared_keys(catalog)] if data else []
            checks = check_keys(self._engine, keys)
            units = check_keys(self._engine, unit_columns(catalog) if data else [])
        broken = [self._broken_key(each, paths) for each in checks if each.duplicates]
        views = [self._broken_view(*each) for each in refused_views(catalog)]
        of_units = unit_findings(self.loaded, units)
        return [*lint(self.loaded, catalog), *views, *broken, *of_units]

    def _broken_view(self, name: str, refusal: QueryRefused) -> Finding:
        inner = refusal.place
        if inner is not None:
            inner = replace(inner, file=None)
        place = self.loaded.place_in_view(name, inner)
        msg = f"view {name} cannot be asked about: {refusal.message}"
        return Finding("P192", Severity.ERROR, msg, place, refusal.hint)

    def _broken_key(self, check: KeyCheck, paths: list[tuple[str, str]]) -> Finding:
        name = find(self.loaded.policy.tables, check.table)
        place = self.loaded.place(("tables", name or check.table), key=True)
        key = f"{check.table}.{check.column}"
        twice = f"{check.duplicates:,} of its values occur more than once"
        if (check.table, check.column) in paths:
            msg = f"{key} is a key of an ownership path, and {twice}"
            hint = "no query is answered until every row has one owner"
            return Finding("P190", Severity.ERROR, msg, place, hint)
        msg = f"{key} is declared a key, and {twice}"
        hint = "answers stay private but lose what is more than the key allows"
        return Finding("P191", Severity.WARNING, msg, place, hint)

    def close(self) -> None:
        """Close the data and the ledger."""
        self.backends.released.close()
        self.backends.ledger.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect(target: str | Path, analyst: str | None, token: str | None) -> Session:
    """
    Open a service of its own for one session; closing the session closes it.

    Raises:
        ConfigError: *target* is a URL, as this version answers in process only; or
            nobody is named.
    """
    if "://" in str(target) or token is not None:
        msg = "this version of dpquery has no remote sessions"
        hint = "give the path of a policy file on the machine that has the data"
        raise ConfigError(msg, code="DPQ412", hint=hint)
    if analyst is None:
        hint = 'name one of the policy\'s analysts: connect(policy, analyst="alice")'
        raise ConfigError("no analyst is named", code="DPQ414", hint=hint)
    service = Service.open(target)
    try:
        return service.session(analyst, closes=True)
    except BaseException:
        service.close()
        raise
