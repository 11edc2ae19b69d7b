"""What a policy would answer, refuse and charge: every query priced, none answered.

No row is read and no ledger written: what would be spent is added up here. A price is
never lower than it would be, as far as the ledger is known; an answer that could be put
together from other tables than its own may cost less.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from dpquery.accounting.filters import admits
from dpquery.accounting.loss import Loss
from dpquery.errors import BudgetExceeded, QueryRefused, SQLSyntaxError
from dpquery.kernel.introspect import Data, limits_of, open_engine
from dpquery.kernel.outlook import expected
from dpquery.kernel.pieces import Shape, pieces_of
from dpquery.kernel.postprocess import open_released
from dpquery.kernel.profiles import source_of, view_of
from dpquery.kernel.release import Backends, Planned
from dpquery.kernel.reuse import Store, holdings_of, planned
from dpquery.kernel.stored import StoredReadings
from dpquery.ledger import requests
from dpquery.ledger.records import (
    DATASET,
    Debit,
    Holding,
    Measurement,
    View,
    analyst_scope,
)
from dpquery.policy.digest import promises_of
from dpquery.policy.load import load
from dpquery.results import Amount, Simulated
from dpquery.service.access import dataset_promise, grant
from dpquery.service.ledger_copy import ledger_copy
from dpquery.service.question import Question
from dpquery.service.report import amount
from dpquery.service.service import Service
from dpquery.sql.parsing.split import Part, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from dpquery.errors import DPQueryError
    from dpquery.kernel.pieces import Piece
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.release import Asked
    from dpquery.ledger.store import Ledger
    from dpquery.policy.load import LoadedPolicy
    from dpquery.service.access import Grant
    from dpquery.service.session import Session

__all__ = ["Simulation", "split"]


class Simulation(Service):
    """A service that prices queries one after the other, and answers none."""

    def __init__(self, loaded: LoadedPolicy, now: Ledger | None) -> None:
        """Begin with what the ledger *now* says, or with a fresh budget."""
        self.loaded = loaded
        self._promises = promises_of(loaded.policy)
        self._engine = open_engine(loaded)
        self._now = now
        # nothing that a simulation does asks the ledger of its backends
        nobody = cast("Ledger", None)
        self.backends = Backends(
            self._engine, nobody, open_released(), limits_of(loaded)
        )
        self.data = Data(loaded, self._engine)

    @property
    def earlier(self) -> Ledger | None:
        """The ledger that it began with."""
        return self._now

    @classmethod
    @contextmanager
    def of(cls, policy: str | Path, *, from_now: bool = False) -> Iterator[Self]:
        """Open the simulation of the policy file *policy*, for a block."""
        loaded = load(policy)
        with ledger_copy(loaded) if from_now else nullcontext() as now:
            service = cls(loaded, now)
            try:
                yield service
            finally:
                service.close()

    def granted(self, analyst: str) -> Grant:
        """Return what *analyst* may spend, with what was approved until now."""
        found = grant(self.loaded.policy, analyst)
        if self._now is None:
            return found
        more = requests.granted(self._now, analyst)
        return grant(self.loaded.policy, analyst, more)

    def run(
        self,
        analyst: str,
        parts: Sequence[Part],
        *,
        epsilon: float | None = None,
        dialect: str = "duckdb",
    ) -> Iterator[Simulated]:
        """
        Yield what would become of each query, in their order.

        Raises:
            AccessDenied: the policy does not list the analyst.
        """
        with self.session(analyst) as session:
            run = _Run(self, session, self._now)
            for number, part in enumerate(parts, 1):
                yield run.ask(number, part, epsilon, dialect)

    def close(self) -> None:
        """Close the data."""
        self.backends.released.close()
        self._engine.close()


class _Run:
    """What would have been spent and measured so far."""

    def __init__(
        self, service: Simulation, session: Session, now: Ledger | None
    ) -> None:
        self._session = session
        self._now = now
        self._promise = dataset_promise(service.loaded.policy)
        self._spent = now.balances() if now is not None else {}
        self._answered: set[str] = set()
        self._measured: list[Measurement] = []
        self._held: dict[str, Holding] = {}
        self._profiled: set[str] = set()

    def ask(
        self, number: int, part: Part, epsilon: float | None, dialect: str
    ) -> Simulated:
        """Say what would become of one query, and remember it."""
        try:
            prepared, asked = self._session.drafted(
                Question(part.sql, epsilon, dialect)
            )
            if self._is_answered(prepared, asked):
                found = self._told(number, part, "free")
                return replace(found, message="asked before")
        except (SQLSyntaxError, QueryRefused, BudgetExceeded) as refusal:
            return self._refused(number, part, refusal)
        made = self._plan(prepared, asked)
        profile = self._profile(prepared, asked)
        price = made.reuse.price + profile
        cost = amount(self._promise, price)
        try:
            self._charge(made, asked, profile)
        except BudgetExceeded as refusal:
            return replace(self._refused(number, part, refusal), price=cost)
        self._answered.add(prepared.fingerprint)
        decision = "free" if price == Loss.zero(price.definition) else "answered"
        found = self._told(number, part, decision)
        return replace(found, price=cost, expected=tuple(expected(prepared)))

    def _refused(self, number: int, part: Part, refusal: DPQueryError) -> Simulated:
        short = isinstance(refusal, BudgetExceeded)
        found = self._told(number, part, "over budget" if short else "refused")
        at = refusal.place.line - 1 if refusal.place is not None else 0
        return replace(
            found,
            line=part.line + at,
            code=refusal.code,
            message=refusal.message,
            hint=refusal.hint,
        )

    def _told(self, number: int, part: Part, decision: str) -> Simulated:
        """Return what is the same for each query: where it is, and the totals."""
        zero = Loss.zero(self._promise.definition)
        own = self._spent.get(analyst_scope(self._session.analyst), zero)
        whole = self._spent.get(DATASET, zero)
        return Simulated(
            number=number,
            line=part.line,
            sql=part.sql,
            decision=decision,
            price=Amount(0.0, 0.0),
            analyst_spent=amount(self._promise, own),
            dataset_spent=amount(self._promise, whole),
        )

    def _is_answered(self, prepared: Prepared, asked: Asked) -> bool:
        if prepared.fingerprint in self._answered:
            return True
        return self._now is not None and bool(
            self._now.find(asked.analyst, prepared.fingerprint, asked.data_version)
        )

    def _plan(self, prepared: Prepared, asked: Asked) -> Planned:
        """
        Return how a query would be answered from what was measured before.

        How the groups of other tables are divided depends on their rows, so that only
        a table that was measured itself is used again: it is its own source.
        """
        pieces = [
            [_by_itself(piece) for piece in pieces_of(each)] for each in prepared.steps
        ]
        views = {p.view.view for each in pieces for p in each if p.view is not None}
        measured, held = self._from_now(prepared, asked)
        measured += self._measured
        held |= self._held
        store = Store(
            [each for each in measured if each.view.view in views],
            [each for view, each in held.items() if view in views],
            _Groups(measured).readings,
        )
        reuse = planned(prepared.steps, pieces, store, prepared.loss.definition)
        return Planned(prepared, reuse, store)

    def _from_now(
        self, prepared: Prepared, asked: Asked
    ) -> tuple[list[Measurement], dict[str, Holding]]:
        """Return what the ledger has of the query's tables, each its own source."""
        if self._now is None or asked.isolated:
            return [], {}
        found = [p.view for each in prepared.steps for p in pieces_of(each)]
        sources = {view.source for view in found if view is not None}
        measured = self._now.measurements(sources, asked.data_version)
        held = self._now.holdings(asked.analyst, sources, asked.data_version)
        return (
            [replace(each, view=_alone(each.view)) for each in measured],
            {each.view.view: replace(each, view=_alone(each.view)) for each in held},
        )

    def _profile(self, prepared: Prepared, asked: Asked) -> Loss:
        """
        Return what a profile would cost that nobody has measured by then.

        What it would say is not known: later queries are taken as they are now.
        """
        price = Loss.zero(self._promise.definition)
        source, version = source_of(asked), asked.data_version
        now = [] if self._now is None else self._now.measurements({source}, version)
        known = {each.view.view for each in now} | self._profiled
        for sought in prepared.program.missing:
            view = view_of(sought, asked).view
            if view not in known:
                price += prepared.histogram or price
                self._profiled.add(view)
        return price

    def _charge(self, made: Planned, asked: Asked, profile: Loss) -> None:
        """
        Debit what a query would cost from all of its scopes.

        Raises:
            BudgetExceeded: one of them has no room for it; nothing is debited.
        """
        reuse = made.reuse
        own = analyst_scope(asked.analyst)
        debits = (
            Debit(own, reuse.price + profile, asked.analyst_limit),
            Debit(DATASET, reuse.loss + profile, asked.dataset_limit),
            *made.blocks(asked),
        )
        zero = Loss.zero(self._promise.definition)
        for debit in debits:
            before = self._spent.get(debit.scope, zero)
            if debit.limit is not None and not admits(debit.limit, before, debit.loss):
                raise self._too_much(debit, before, own)
        for debit in debits:
            before = self._spent.get(debit.scope, zero)
            self._spent[debit.scope] = before + debit.loss
        for holding in holdings_of(reuse, made.store):
            self._held[holding.view.view] = holding
        for use, new in reuse.new():
            number = 1 + max([use.newest, *(each.number for each in self._measured)])
            self._measured.append(
                Measurement(number, f"simulated {number}", "", new.view, new.loss)
            )

    def _too_much(self, debit: Debit, before: Loss, own: str) -> BudgetExceeded:
        """Say whose budget has too little left, with the ledger's codes."""
        whose, code = f"the budget of {debit.scope.partition(':')[2]}", "DPQ204"
        if debit.scope == own:
            whose, code = f"{self._session.analyst}'s budget", "DPQ201"
        elif debit.scope == DATASET:
            whose, code = "the dataset's budget", "DPQ202"
        cost = amount(self._promise, debit.loss)
        spent = amount(self._promise, before)
        hint = f"it costs ε {cost.epsilon:.4g}, and ε {spent.epsilon:.4g} is spent"
        message = f"this would cost more than is left of {whose}"
        return BudgetExceeded(message, code=code, hint=hint)


def _by_itself(piece: Piece) -> Piece:
    return piece if piece.view is None else replace(piece, view=_alone(piece.view))


def _alone(view: View) -> View:
    """Return *view* as the only one of its rows."""
    source = hashlib.sha256(f"alone {view.view}".encode()).hexdigest()
    return View(view.view, source, view.shape)


@dataclass(frozen=True)
class _Groups:
    """Groups of tables that nobody measured: one, for all that a price depends on."""

    measured: Sequence[Measurement]

    @cached_property
    def _shapes(self) -> dict[str, str]:
        return {each.id: each.view.shape for each in self.measured}

    def readings(self, measurement_id: str) -> StoredReadings:
        """Return readings of one group without a name, for its number alone."""
        keys = Shape.read(self._shapes[measurement_id]).keys
        key = cast("Any", (None,) * len(keys))
        return StoredReadings((), {key: ()})
