"""What one analyst can do: ask, look at prices, budgets, tables and old answers."""

from __future__ import annotations

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
from dpquery.kernel.assumed import expected_of_all
from dpquery.kernel.clipping import retained_shares
from dpquery.kernel.counted import counts
from dpquery.kernel.explain import explain
from dpquery.kernel.notes import notes, reuse_notes
from dpquery.kernel.outlook import expected
from dpquery.kernel.quotes import by_price
from dpquery.kernel.release import Answer, Asked, plan, release, replayed
from dpquery.kernel.rounds import Rules, by_accuracy
from dpquery.ledger import requests
from dpquery.ledger.records import analyst_scope
from dpquery.results import (
    Amount,
    Budget,
    BudgetRequest,
    HistoryEntry,
    Price,
    Profile,
    Release,
    TableInfo,
)
from dpquery.service.access import owners_grant
from dpquery.service.accuracy import limit_of, loss_left, read_target
from dpquery.service.drafting import Drafts, profiled
from dpquery.service.profiling import histograms_of
from dpquery.service.purse import Purse
from dpquery.service.question import Question
from dpquery.service.report import amount, how_many
from dpquery.service.requests import Epsilon, read_epsilon, read_reason, shown
from dpquery.service.tables import table_infos

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dpquery.accounting.accountant import Promise
    from dpquery.kernel.introspect import Snapshot
    from dpquery.kernel.needs import Target
    from dpquery.kernel.prepare import Prepared
    from dpquery.service.access import Grant
    from dpquery.service.service import Service


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

    def __init__(
        self, service: Service, granted: Grant, *, closes: bool, owner: bool = False
    ) -> None:
        self._service = service
        self._closes = closes
        self._closed = False
        self._analyst = granted.analyst
        self._owner = owner
        drafts = Drafts.of(service, granted.analyst)
        self._all_drafts = drafts
        self._dataset, self.profiling = drafts.dataset, drafts.profiling
        self._purse = Purse(
            service.backends.ledger, self._analyst, drafts.dataset, drafts.blocks
        )

    @property
    def _drafts(self) -> Drafts:
        """What makes programs of questions, until the session is closed."""
        if self._closed:
            hint = "open another one: service.session(…) or dpquery.connect(…)"
            raise ConfigError("this session is closed", code="DPQ415", hint=hint)
        return self._all_drafts

    @property
    def analyst(self) -> str:
        """Who is asking."""
        return self._analyst

    @property
    def _grant(self) -> Grant:
        """What the owner grants now: what was approved may have come to its end."""
        if self._owner:
            return owners_grant(self._service.loaded.policy)
        return self._service.granted(self._analyst)

    def price(  # noqa: PLR0913 -- one parameter an option
        self,
        sql: str,
        *,
        epsilon: float | None = None,
        dialect: str = "duckdb",
        other: bool = False,
        nonnegative: bool = False,
        monotone: bool = False,
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
        question = Question(
            sql,
            epsilon,
            dialect,
            other,
            nonnegative=nonnegative,
            monotone=monotone,
            within=within,
            confidence=confidence,
            max_epsilon=max_epsilon,
        )
        target = read_target(question)
        prepared, asked = self.drafted(question)
        said: tuple[str, ...] = ()
        above = self._service.backends.above(asked.identity)
        if target is not None:
            rules = self._limits(target, question, self.profiling.price(prepared))
            prepared, said = by_price(prepared, rules, above)
        price, every = self._price_of(prepared, asked), expected_of_all(prepared, above)
        return replace(price, notes=(*said, *price.notes), expected=every)

    def _price_of(self, prepared: Prepared, asked: Asked) -> Price:
        backends = self._service.backends
        free = Loss.zero(prepared.loss.definition)
        if backends.ledger.find(
            asked.analyst, prepared.fingerprint, asked.data_version
        ):
            left = self._purse.left(asked.analyst_limit)
            return self._priced(prepared, left, free, ("asked before: free",))
        found = plan(prepared, asked, backends.ledger)
        price = found.reuse.price + self.profiling.price(prepared)
        left = self._purse.left(asked.analyst_limit)
        more = self.profiling.notes(prepared)
        more += reuse_notes(found.reuse, ids=False)
        if not price.within(left) or not self._purse.fits(found.blocks(asked)):
            more = ("this is more than is left", *more)
        return self._priced(prepared, left.minus(price), price, more)

    def query(  # noqa: PLR0913 -- one parameter an option
        self,
        sql: str,
        *,
        epsilon: float | None = None,
        dialect: str = "duckdb",
        as_of: str | None = None,
        other: bool = False,
        nonnegative: bool = False,
        monotone: bool = False,
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
        nothing is charged. With *other*, one more row holds all groups together that
        are withheld because their keys are not public; it takes a tenth of the price.

        With *nonnegative*, counts and sums of what is not negative are made so, and
        still add up to the noisy total; with *monotone*, their running totals along
        the one date or number of GROUP BY never fall. Both are made of the measured
        numbers, before the SQL above reads them, and are free for a known answer.

        Raises:
            ConfigError: there is no answer from that time, or an option makes no sense.
            SQLSyntaxError, QueryRefused: there is no private answer; not charged.
            BudgetExceeded: too little is left, or more than *max_epsilon* is needed;
                not charged.
            EngineFailure: the database did not answer. The charge stands if it had
                begun.
            LedgerError: the ledger cannot be trusted, read or written.
        """
        question = Question(
            sql,
            epsilon,
            dialect,
            other,
            nonnegative=nonnegative,
            monotone=monotone,
            within=within,
            confidence=confidence,
            max_epsilon=max_epsilon,
        )
        target = read_target(question, as_of)
        with self._service.data.turn:
            try:
                snapshot = self._service.data.snapshot()
                granted = self._grant
                asked = self._drafts.asked(snapshot, granted, question)
                sought = partial(
                    self._drafts.prepared, snapshot, granted, question, asked
                )
                until = "9999" if as_of is None or as_of == "last" else as_of
                version = snapshot.version if as_of is None else None
                prepared = self._drafts.as_before(sought, until, version)
                if as_of is not None:
                    old = self._old(prepared, as_of)
                    return self._release(prepared, old, asked)
                paid = self.profiling.price(prepared)
                rules = None if target is None else self._limits(target, question, paid)
                while prepared.program.missing:
                    self._profile(prepared, snapshot, asked)
                    prepared = sought()
                ask = partial(self._answer, snapshot=snapshot, asked=asked)
                if rules is None:
                    answer = ask(prepared)
                else:
                    prepared, answer = by_accuracy(prepared, rules, ask)
                answer = replace(answer, price=answer.price + paid)
            except (QueryRefused, SQLSyntaxError, BudgetExceeded) as refusal:
                self._note_refusal(refusal, question)
                raise
        return self._release(prepared, answer, asked)

    def _profile(self, prepared: Prepared, snapshot: Snapshot, asked: Asked) -> None:
        """Measure what limits are to be chosen from, if all of the query fits."""
        backends = self._service.backends
        backends.above(asked.identity).check(prepared)
        whole = prepared.loss + self.profiling.price(prepared)
        if not whole.within(self._purse.left(asked.analyst_limit)):
            msg = "less is left than this query and the profile that it needs cost"
            refusal = BudgetExceeded(msg, code="DPQ201")
            raise self._with_numbers(refusal, whole)
        self._service.data.require_sound_keys(snapshot, backends.ledger)
        self.profiling.measure(prepared, asked, backends)

    def profile(self, of: str, *, dry_run: bool = False) -> Profile:
        """
        Measure how large units are in a table or a query, and return what is known.

        Limits of later queries are chosen from it, for nothing. What was measured of
        this version of the data before is not measured again; with *dry_run* nothing
        is, and the price is what it would cost.

        Raises:
            ConfigError, SQLSyntaxError, QueryRefused: there is nothing to profile.
            BudgetExceeded: too little is left; not charged.
            EngineFailure: the charge stands if it had begun.
        """
        granted, purse = self._grant, self._purse
        found, price = profiled(
            self._drafts, granted, of, owner=self._owner, dry_run=dry_run
        )
        left = purse.left(granted.limit)
        cost = replace(
            purse.cost(price),
            remaining=purse.amount(left.minus(price) if dry_run else left),
            notes=self.profiling.notes(found),
        )
        return Profile(histograms_of(found), cost)

    def _answer(self, prepared: Prepared, snapshot: Snapshot, asked: Asked) -> Answer:
        backends = self._service.backends
        self._service.data.require_sound_keys(snapshot, backends.ledger)
        try:
            return release(prepared, asked, backends)
        except BudgetExceeded as refusal:
            raise self._with_numbers(refusal, prepared.loss) from None

    def _limits(self, target: Target, question: Question, paid: Loss) -> Rules:
        """Return what an answer by accuracy is asked with, beside *paid* profiles."""
        limit = limit_of(self._grant, question)
        left = loss_left(self._dataset, limit, question, paid)
        return Rules(target, left, self._dataset.epsilon_of)

    def _old(self, prepared: Prepared, as_of: str) -> Answer:
        """Return an earlier answer to the same question, whatever the data was."""
        until = "9999" if as_of == "last" else as_of
        stored = self._drafts.found(prepared, until, None)
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
        facts = {"sql": self._drafts.kept(question), "code": refusal.code}
        self._service.backends.ledger.note(self.analyst, "refused", facts)

    def budget(self) -> Budget:
        """Return this analyst's budget; what is left never exceeds the dataset's."""
        spent = self._service.backends.ledger.spent(analyst_scope(self.analyst))
        own = budget_of(self._grant.promise, spent, self._queries_left)
        left = self._purse.amount(self._purse.left(self._grant.limit))
        return replace(own, remaining=left)

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
                self._purse.cost(each.loss),
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
        asked = self._drafts.asked(snapshot, granted, question)
        sought = partial(self._drafts.prepared, snapshot, granted, question, asked)
        prepared = self._drafts.as_before(sought, "9999", snapshot.version)
        self._service.backends.above(snapshot.identity).check(prepared)
        return prepared, asked

    # --- inside ------------------------------------------------------------------

    def _priced(
        self, prepared: Prepared, left: Loss, price: Loss, more: tuple[str, ...] = ()
    ) -> Price:
        """Return *price* with notes, but no errors; *left* is what remains then."""
        cost = self._purse.cost(price)
        return Price(
            epsilon=cost.epsilon,
            delta=cost.delta,
            rho=cost.rho,
            remaining=self._purse.amount(left),
            queries_left=how_many(left, prepared.loss),
            notes=(*more, *notes(prepared)),
            explanation="\n".join([explain(prepared), *more]),
        )

    def _queries_left(self, sql: str) -> int:
        prepared, _ = self.drafted(Question(sql))
        return how_many(self._purse.left(self._grant.limit), prepared.loss)

    def _release(self, prepared: Prepared, answer: Answer, asked: Asked) -> Release:
        left = self._purse.left(asked.analyst_limit)
        price = self._priced(prepared, left, answer.price, answer.reused)
        published = answer.published
        return Release(
            id=answer.id,
            columns=published.columns,
            rows=published.rows,
            price=replace(price, expected=expected(prepared)),
            remaining=self._purse.amount(left),
            replayed=answer.replayed,
            notes=list(published.notes),
            counts=counts(prepared),
            noisy=tuple(published.estimates),
            retained=retained_shares(prepared),
            explanation=price.explanation,
            _intervals=published.bars,
            _flags=published.flags,
        )

    def _with_numbers(self, refusal: BudgetExceeded, loss: Loss) -> BudgetExceeded:
        """Say how much is left and how much was asked."""
        left = self._purse.amount(self._purse.left(self._grant.limit))
        cost = self._purse.cost(loss)
        hint = (
            f"this costs ε {cost.epsilon:.4g}, δ {cost.delta:.2g}; what is left is "
            f"ε {left.epsilon:.4g}, δ {left.delta:.2g}.\n"
            "Earlier answers can be had again for nothing"
        )
        return BudgetExceeded(refusal.message, code=refusal.code, hint=hint)
