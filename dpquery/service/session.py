"""What one analyst can do: ask, look at prices, budgets, tables and old answers."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self

from dpquery.accounting.loss import Loss
from dpquery.errors import (
    BudgetExceeded,
    ConfigError,
    DPQueryError,
    QueryRefused,
    SQLSyntaxError,
)
from dpquery.kernel import payload
from dpquery.kernel.blocks import Blocks, calendar_of
from dpquery.kernel.explain import explain
from dpquery.kernel.notes import notes, reuse_notes
from dpquery.kernel.outlook import expected
from dpquery.kernel.prepare import Prepared, Terms, prepare
from dpquery.kernel.release import Answer, Asked, plan, release, replayed
from dpquery.kernel.rounds import Rules, by_accuracy, by_price
from dpquery.ledger import requests
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules
from dpquery.results import (
    Amount,
    Budget,
    BudgetRequest,
    HistoryEntry,
    Price,
    Release,
    TableInfo,
)
from dpquery.service.access import dataset_promise, epsilon_to_spend
from dpquery.service.accuracy import limit_of, read_target
from dpquery.service.question import Question
from dpquery.service.report import amount, how_many
from dpquery.service.requests import Epsilon, read_epsilon, read_reason, shown
from dpquery.service.tables import table_infos
from dpquery.sql.parsing.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from dpquery.accounting.accountant import Promise
    from dpquery.kernel.introspect import Snapshot
    from dpquery.kernel.targets import Target
    from dpquery.ledger.records import Debit
    from dpquery.service.access import Grant
    from dpquery.service.service import Service


LONGEST_KEPT = 16_384
"""Characters of a query that the ledger keeps: no longer one is answered."""


def budget_of(promise: Promise, spent: Loss, count: Callable[[str], int]) -> Budget:
    """
    Return a budget: the promise, a reading of what is spent, and what is left.

    ε does not add up: ``spent`` and ``remaining`` are each read off the loss that
    the ledger adds, so together they are more than ``total`` (theory.md 3.3).
    """
    left = promise.limit().minus(spent)
    total = Amount(promise.epsilon, promise.delta or 0.0)
    return Budget(total, amount(promise, spent), amount(promise, left), count)


class Session:
    """One analyst's view of a service; made by :meth:`Service.session`."""

    def __init__(self, service: Service, granted: Grant, *, closes: bool) -> None:
        self._service = service
        self._closes = closes
        self._closed = False
        self._analyst = granted.analyst
        policy = service.loaded.policy
        self._dataset = dataset_promise(policy)
        pure = self._dataset.delta is None
        self._blocks = (
            None if policy.epochs is None else Blocks(policy.epochs, self._dataset)
        )
        self._rules = BoundingRules(
            BoundingMode(policy.query.bounding),
            norm=1 if pure else 2,
            groups=policy.query.max_groups_per_unit,
        )

    @property
    def analyst(self) -> str:
        """Who is asking."""
        return self._analyst

    @property
    def _grant(self) -> Grant:
        """What the owner grants now: what was approved may have come to its end."""
        return self._service.granted(self._analyst)

    def price(
        self,
        sql: str,
        *,
        epsilon: float | None = None,
        dialect: str = "duckdb",
        within: float | str | None = None,
        confidence: float | None = None,
        max_epsilon: float | None = None,
    ) -> Price:
        """
        Return what *sql* would cost and how good its answer would be.

        With *within*, what an answer as good as that would cost: see :meth:`query`.
        No data is read and nothing is charged.

        Raises:
            ConfigError: an option makes no sense.
            SQLSyntaxError, QueryRefused: there is no private answer.
            BudgetExceeded: *epsilon* is more than one query may cost.
        """
        question = Question(sql, epsilon, dialect, within, confidence, max_epsilon)
        target = read_target(question)
        prepared, asked = self.drafted(question)
        said: tuple[str, ...] = ()
        if target is not None:
            prepared, said = by_price(prepared, self._limits(target, question))
        price = self._price_of(prepared, asked)
        return replace(price, notes=(*said, *price.notes))

    def _price_of(self, prepared: Prepared, asked: Asked) -> Price:
        backends = self._service.backends
        free = Loss.zero(prepared.loss.definition)
        if backends.ledger.find(
            asked.analyst, prepared.fingerprint, asked.data_version
        ):
            left = self._left(asked.analyst_limit)
            return self._priced(prepared, left, free, ("asked before: free",))
        found = plan(prepared, asked, backends.ledger)
        reuse = found.reuse
        left = self._left(asked.analyst_limit)
        more = reuse_notes(reuse, ids=False)
        if not reuse.price.within(left) or not self._fits(found.blocks(asked)):
            more = ("this is more than is left", *more)
        return self._priced(prepared, left.minus(reuse.price), reuse.price, more)

    def query(
        self,
        sql: str,
        *,
        epsilon: float | None = None,
        dialect: str = "duckdb",
        as_of: str | None = None,
        within: float | str | None = None,
        confidence: float | None = None,
        max_epsilon: float | None = None,
    ) -> Release:
        """
        Answer *sql* with noise, and debit its price before any row is read.

        With *within*, the cheapest answer of which every noisy value is that exact,
        at *confidence* (0.95): ``25`` is ± 25, ``"5%"`` is ± 5 % of the value. It
        costs at most *max_epsilon*, which is at most the policy's limit of one query.
        Where the target is not reached below it, a note says how exact the answer is.

        The same question on the same data is answered again for nothing, with the
        same numbers. With *as_of*, a time (UTC, ISO 8601, or its beginning) or
        ``last``, the newest answer until then is shown again, whatever the data was;
        nothing is charged.

        Raises:
            ConfigError: there is no answer from that time, or an option makes no sense.
            SQLSyntaxError, QueryRefused: there is no private answer; not charged.
            BudgetExceeded: too little is left, or more than *max_epsilon* is needed;
                not charged.
            EngineFailure: the database did not answer. The charge stands if it had
                begun.
            LedgerError: the ledger cannot be trusted, read or written.
        """
        question = Question(sql, epsilon, dialect, within, confidence, max_epsilon)
        target = read_target(question, as_of)
        with self._service.data.turn:
            try:
                snapshot = self._service.data.snapshot()
                granted = self._grant
                prepared = self._prepare(snapshot, granted, question)
                asked = self._asked(snapshot, granted, question)
                if as_of is not None:
                    old = self._old(prepared, as_of)
                    return self._release(prepared, old, asked)
                if target is None:
                    answer = self._answer(prepared, snapshot, asked)
                else:
                    rules = self._limits(target, question)
                    prepared, answer = by_accuracy(
                        prepared,
                        rules,
                        partial(self._answer, snapshot=snapshot, asked=asked),
                    )
            except (QueryRefused, SQLSyntaxError, BudgetExceeded) as refusal:
                self._note_refusal(refusal, question)
                raise
        return self._release(prepared, answer, asked)

    def _answer(self, prepared: Prepared, snapshot: Snapshot, asked: Asked) -> Answer:
        backends = self._service.backends
        self._service.data.require_sound_keys(snapshot, backends.ledger)
        try:
            return release(prepared, asked, backends)
        except BudgetExceeded as refusal:
            raise self._with_numbers(refusal, prepared) from None

    def _limits(self, target: Target, question: Question) -> Rules:
        """Return what an answer by accuracy is asked with."""
        limit = self._dataset.loss_of(limit_of(self._grant, question))
        return Rules(target, limit, self._dataset.epsilon_of)

    def _old(self, prepared: Prepared, as_of: str) -> Answer:
        """Return an earlier answer to the same question, whatever the data was."""
        ledger = self._service.backends.ledger
        until = "9999" if as_of == "last" else as_of
        stored = ledger.find_until(self.analyst, prepared.fingerprint, until)
        if stored is None:
            msg = f"this question has no answer from {as_of} or before"
            hint = "`dpquery history` lists what was asked, and when"
            raise ConfigError(msg, code="DPQ416", hint=hint)
        answer = replayed(stored)
        said = f"as of {stored.reserved_at}: the data may have changed since"
        published = replace(answer.published, notes=(said, *answer.published.notes))
        return replace(answer, published=published)

    def _note_refusal(self, refusal: DPQueryError, question: Question) -> None:
        """Write in the audit what was refused, which depends on no row."""
        facts = {"sql": self._kept(question), "code": refusal.code}
        self._service.backends.ledger.note(self.analyst, "refused", facts)

    def _kept(self, question: Question) -> str:
        """Return what the ledger keeps of a query's text."""
        sql = question.sql[:LONGEST_KEPT]
        if self._service.loaded.policy.audit.literals == "redact":
            return redacted(sql, question.dialect)
        return sql

    def budget(self) -> Budget:
        """Return this analyst's budget; what is left never exceeds the dataset's."""
        spent = self._service.backends.ledger.spent(analyst_scope(self.analyst))
        own = budget_of(self._grant.promise, spent, self._queries_left)
        return Budget(own.total, own.spent, self._amount(self._left()), own._count)  # noqa: SLF001

    def tables(self) -> list[TableInfo]:
        """Return what may be asked about."""
        return table_infos(self._service.data.latest().catalog)

    def history(self) -> list[HistoryEntry]:
        """Return this analyst's releases, newest first."""
        stored = self._service.backends.ledger.history(self.analyst)
        return [
            HistoryEntry(
                each.release_id,
                each.reserved_at,
                each.sql,
                self._cost(each.loss),
                each.state,
            )
            for each in stored
        ]

    def request(self, epsilon: Epsilon, reason: str) -> BudgetRequest:
        """
        Ask the owner for *epsilon* more than this analyst's budget.

        Raises:
            ConfigError: *epsilon* is no amount, or there is no *reason*.
            BudgetExceeded: too many requests of this analyst are open.
        """
        asked, why = read_epsilon(epsilon), read_reason(reason)
        ledger = self._service.backends.ledger
        return shown(requests.ask(ledger, self.analyst, asked, why))

    def requests(self) -> list[BudgetRequest]:
        """Return this analyst's requests and what became of them, oldest first."""
        ledger = self._service.backends.ledger
        return [shown(each) for each in requests.listed(ledger, self.analyst)]

    def close(self) -> None:
        """Let go of the session, and of its service if it has one of its own."""
        self._closed = True
        if self._closes:
            self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def drafted(self, question: Question) -> tuple[Prepared, Asked]:
        """
        Return *question* ready to be answered, and on whose behalf; no data is read.

        Raises:
            SQLSyntaxError, QueryRefused, BudgetExceeded: as :meth:`price`.
        """
        snapshot = self._service.data.latest()
        granted = self._grant
        prepared = self._prepare(snapshot, granted, question)
        self._service.backends.above(snapshot.identity).check(prepared)
        return prepared, self._asked(snapshot, granted, question)

    # --- inside ------------------------------------------------------------------

    def _prepare(
        self, snapshot: Snapshot, granted: Grant, question: Question
    ) -> Prepared:
        if self._closed:
            hint = "open another one: service.session(…) or dpquery.connect(…)"
            raise ConfigError("this session is closed", code="DPQ415", hint=hint)
        self._service.backends.start()
        rules, policy = self._rules, self._service.loaded.policy
        if policy.epochs is not None:
            calendar = calendar_of(policy.epochs, snapshot.catalog)
            rules = replace(rules, calendar=calendar)
        terms = Terms(
            self._dataset,
            limit_of(granted, question)
            if question.within is not None
            else epsilon_to_spend(granted, question.epsilon),
            float(policy.query.delta),
            rules,
            dt.datetime.now(dt.UTC),
            granted.max_epsilon,
        )
        return prepare(question.sql, snapshot.catalog, terms, question.dialect)

    def _asked(self, snapshot: Snapshot, granted: Grant, question: Question) -> Asked:
        return Asked(
            self.analyst,
            snapshot.version,
            self._dataset.limit() if self._blocks is None else None,
            granted.limit,
            isolated=self._service.loaded.policy.sharing == "isolated",
            blocks=self._blocks,
            policy=self._service.digest,
            sql=self._kept(question),
            identity=snapshot.identity,
        )

    def _fits(self, debits: Iterable[Debit]) -> bool:
        """Return whether blocks have room for what would be debited to them."""
        spent = self._service.backends.ledger.balances()
        return all(
            debit.limit is None
            or (
                spent.get(debit.scope, Loss.zero(debit.loss.definition)) + debit.loss
            ).within(debit.limit)
            for debit in debits
        )

    def _left(self, limit: Loss | None = None) -> Loss:
        """Return the largest loss that both ledgers admit; *limit* is the analyst's."""
        ledger = self._service.backends.ledger
        limit = self._grant.limit if limit is None else limit
        own = limit.minus(ledger.spent(analyst_scope(self.analyst)))
        if self._blocks is not None:  # which blocks are asked about is not known here
            return own
        all_ = self._dataset.limit().minus(ledger.spent(DATASET))
        return Loss(
            own.definition, min(own.amount, all_.amount), min(own.delta, all_.delta)
        )

    def _amount(self, loss: Loss) -> Amount:
        return amount(self._dataset, loss)

    def _cost(self, loss: Loss) -> Price:
        return Price(self._dataset.epsilon_of(loss), loss.delta_value, loss.rho)

    def _priced(
        self, prepared: Prepared, left: Loss, price: Loss, more: tuple[str, ...] = ()
    ) -> Price:
        """Return *price* with what is worth knowing; *left* is what remains then."""
        cost = self._cost(price)
        return Price(
            epsilon=cost.epsilon,
            delta=cost.delta,
            rho=cost.rho,
            remaining=self._amount(left),
            queries_left=how_many(left, prepared.loss),
            expected=expected(prepared),
            notes=(*more, *notes(prepared)),
            explanation="\n".join([explain(prepared), *more]),
        )

    def _queries_left(self, sql: str) -> int:
        snapshot = self._service.data.latest()
        prepared = self._prepare(snapshot, self._grant, Question(sql))
        return how_many(self._left(), prepared.loss)

    def _release(self, prepared: Prepared, answer: Answer, asked: Asked) -> Release:
        left = self._left(asked.analyst_limit)
        price = self._priced(prepared, left, answer.price, answer.reused)
        published = answer.published
        return Release(
            id=answer.id,
            columns=published.columns,
            rows=published.rows,
            price=price,
            remaining=self._amount(left),
            replayed=answer.replayed,
            notes=list(published.notes),
            noisy=tuple(published.estimates),
            explanation=price.explanation,
            _intervals=lambda confidence: payload.bars(published.estimates, confidence),
        )

    def _with_numbers(
        self, refusal: BudgetExceeded, prepared: Prepared
    ) -> BudgetExceeded:
        """Say how much is left and how much was asked."""
        left, cost = self._amount(self._left()), self._cost(prepared.loss)
        hint = (
            f"this costs ε {cost.epsilon:.4g}, δ {cost.delta:.2g}; what is left is "
            f"ε {left.epsilon:.4g}, δ {left.delta:.2g}.\n"
            "Earlier answers can be had again for nothing"
        )
        return BudgetExceeded(refusal.message, code=refusal.code, hint=hint)
