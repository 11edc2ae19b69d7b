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
from dpquery.ledger import policies, requests
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.ledger.requests import Decision
from dpquery.ledger.spending import SpendingReader
from dpquery.ledger.store import Ledger
from dpquery.policy.digest import promises_of
from dpquery.policy.lint import Finding, Severity, lint
from dpquery.policy.load import LoadedPolicy, load
from dpquery.policy.ownership import find
from dpquery.service.access import (
    dataset_promise,
    grant,
    owners_grant,
    promise_of,
)
from dpquery.service.alerts import alarms_of
from dpquery.service.audit import place_of
from dpquery.service.checking import unit_columns, unit_findings
from dpquery.service.report import report_of
from dpquery.service.requests import (
    End,
    Epsilon,
    read_end,
    read_epsilon,
    read_reason,
    shown,
)
from dpquery.service.session import Session, budget_of
from dpquery.sql.queries.views import refused_views

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from dpquery.accounting.accountant import Promise
    from dpquery.engines.base import KeyCheck
    from dpquery.errors import QueryRefused
    from dpquery.results import Budget, BudgetRequest, Profile, Report
    from dpquery.service.access import Grant


class Service:
    """
    Answers queries on one dataset under one policy.

    Opening reads names and types, never rows. A service may be shared by threads;
    several processes may serve the same policy, for the ledger decides.
    """

    def __init__(self, loaded: LoadedPolicy, *, in_force: bool = True) -> None:
        self.loaded = loaded
        self._engine = open_engine(loaded)
        try:
            place = place_of(loaded)
            definition = dataset_promise(loaded.policy).definition
            ledger = Ledger.open(
                place.location, definition=definition, head=place.server_head
            )
        except BaseException:
            self._engine.close()
            raise
        self._spending = SpendingReader(definition)
        self.backends = Backends(
            self._engine, ledger, open_released(), limits_of(loaded)
        )
        self.data = Data(loaded, self._engine)
        self._promises = promises_of(loaded.policy)
        try:
            ledger.alarms = alarms_of(loaded.policy, self._promise)
            if in_force:
                policies.remember(ledger, self._promises)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, policy: str | Path, *, in_force: bool = True) -> Self:
        """
        Open the service of the policy file *policy*.

        It is the policy *in force* from now on: when it is not the one that the
        ledger was opened with last, the audit says so. A policy that is only looked
        at, such as a draft, is not in force.

        Raises:
            PolicyError: the policy is wrong, or does not fit the data.
            EngineFailure: the data cannot be opened.
            LedgerError: the ledger cannot be trusted, read or written.
        """
        return cls(load(policy), in_force=in_force)

    @property
    def earlier(self) -> Ledger | None:
        """Where earlier answers are looked for."""
        return self.backends.ledger

    def session(self, analyst: str, *, closes: bool = False) -> Session:
        """
        Return a session of *analyst*; with *closes*, it closes the service with it.

        Raises:
            AccessDenied: the policy does not list them.
        """
        return Session(self, self.granted(analyst), closes=closes)

    def profile(self, of: str, *, dry_run: bool = False) -> Profile:
        """
        Measure a profile of a table or a query for everybody; the dataset pays.

        Raises:
            ConfigError: DPQ447, analysts share nothing under this policy; or as
                :meth:`Session.profile`.
        """
        if self.loaded.policy.sharing == "isolated":
            msg = "analysts share nothing under this policy, profiles neither"
            hint = "each analyst has their own: add --as NAME"
            raise ConfigError(msg, code="DPQ447", hint=hint)
        owner = Session(
            self, owners_grant(self.loaded.policy), closes=False, owner=True
        )
        return owner.profile(of, dry_run=dry_run)

    def granted(self, analyst: str) -> Grant:
        """
        Return what *analyst* may spend at this moment.

        Raises:
            AccessDenied: the policy does not list them.
        """
        grant(self.loaded.policy, analyst)  # nobody else's requests are looked up
        more = requests.granted(self.backends.ledger, analyst)
        return grant(self.loaded.policy, analyst, more)

    def budgets(self) -> dict[str, Budget]:
        """Return the dataset's budget and every analyst's, for the owner."""
        policy = self.loaded.policy
        spent = self.backends.ledger.spent(DATASET)
        dataset = budget_of(dataset_promise(policy), spent, lambda _: 0)
        analysts = {name: self.session(name).budget() for name in policy.analysts}
        return {"(dataset)": dataset, **analysts}

    def report(self) -> Report:
        """Return where all budgets stand: how much, who, what for, for how long."""
        ledger, policy = self.backends.ledger, self.loaded.policy
        spending = self._spending.read(ledger)
        granted = {name: requests.granted(ledger, name) for name in policy.analysts}
        return report_of(policy, spending, granted, tuple(self.requests()))

    def requests(self, *, decided: bool = False) -> list[BudgetRequest]:
        """Return the analysts' open requests, and with *decided* all, oldest first."""
        found = requests.listed(self.backends.ledger)
        return [shown(each) for each in found if decided or each.state == requests.OPEN]

    def approve(
        self,
        number: int | str,
        epsilon: Epsilon | None = None,
        expires: End | None = None,
        reason: str | None = None,
    ) -> BudgetRequest:
        """
        Grant what request *number* asks for, or *epsilon*.

        The analyst's quota is higher by it until it *expires*; the dataset's budget
        is not, and the notes of the answer say when there is less left of it.

        Raises:
            ConfigError: there is no such request, it was decided before, or what is
                given is no amount and no end.
            AccessDenied: the policy does not list the analyst any more.
        """
        ledger = self.backends.ledger
        decision = Decision(
            approve=True,
            epsilon=None if epsilon is None else read_epsilon(epsilon),
            expires=None if expires is None else read_end(expires),
            reason=None if reason is None else read_reason(reason),
        )
        request = requests.find(ledger, number)
        self.granted(request.analyst)  # refuses whom the policy does not list any more
        decided = requests.decide(ledger, request.number, decision)
        return shown(decided, self._smaller_dataset(decided.analyst))

    def deny(self, number: int | str, reason: str) -> BudgetRequest:
        """
        Decline request *number*.

        Raises:
            ConfigError: there is no such request, it was decided before, or no
                *reason* is given.
        """
        decision = Decision(approve=False, reason=read_reason(reason))
        return shown(requests.decide(self.backends.ledger, number, decision))

    def _smaller_dataset(self, analyst: str) -> tuple[str, ...]:
        """Say it when the dataset has less left than *analyst*."""
        ledger, whole = self.backends.ledger, promise_of(self.loaded.policy, DATASET)
        if whole is None:
            return ()
        left = whole.limit().minus(ledger.spent(DATASET))
        own = self.granted(analyst).limit.minus(ledger.spent(analyst_scope(analyst)))
        if own.within(left):
            return ()
        note = (
            f"the dataset has ε {whole.epsilon_of(left):.3g} left for everybody, less "
            f"than {analyst} may spend now; a grant never raises it"
        )
        return (note,)

    @property
    def digest(self) -> str:
        """The digest of the policy."""
        return str(self._promises["digest"])

    def _promise(self, scope: str) -> Promise:
        """Return what the losses of *scope* are read by."""
        policy = self.loaded.policy
        return promise_of(policy, scope) or dataset_promise(policy)

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
