"""From a question to a priced program: by whose rules, on whose behalf."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from dpquery.errors import QueryRefused
from dpquery.kernel.blocks import Blocks, calendar_of
from dpquery.kernel.consistency import Shaping
from dpquery.kernel.prepare import Prepared, Terms, prepare
from dpquery.kernel.release import Asked
from dpquery.kernel.shaping import shaped
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules
from dpquery.service.access import dataset_promise, epsilon_to_spend
from dpquery.service.accuracy import limit_of
from dpquery.service.profiling import Profiling, question_of
from dpquery.service.question import Question
from dpquery.sql.parsing.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.accounting.accountant import Promise
    from dpquery.accounting.loss import Loss
    from dpquery.kernel.introspect import Snapshot
    from dpquery.ledger.records import Stored
    from dpquery.service.access import Grant
    from dpquery.service.service import Service

LONGEST_KEPT = 16_384
"""Characters of a query that the ledger keeps: no longer one is answered."""


@dataclass(frozen=True, slots=True)
class Drafts:
    """What turns the questions of one analyst into programs."""

    service: Service
    analyst: str
    dataset: Promise
    rules: BoundingRules
    profiling: Profiling
    blocks: Blocks | None
    """Blocks of time, where they are the promise."""

    @classmethod
    def of(cls, service: Service, analyst: str) -> Drafts:
        """Return what the policy of *service* makes of *analyst*'s questions."""
        policy = service.loaded.policy
        dataset = dataset_promise(policy)
        rules = BoundingRules(
            BoundingMode(policy.query.bounding),
            norm=1 if dataset.delta is None else 2,
            groups=policy.query.max_groups_per_unit,
            min_units=policy.query.min_group_units,
        )
        blocks = None if policy.epochs is None else Blocks(policy.epochs, dataset)
        profiling = Profiling.of(policy, dataset)
        return cls(service, analyst, dataset, rules, profiling, blocks)

    def prepared(
        self,
        snapshot: Snapshot,
        granted: Grant,
        question: Question,
        asked: Asked,
        *,
        seeks: bool = False,
        plain: bool = False,
    ) -> Prepared:
        """
        Return *question* as a priced program.

        With *seeks*, histograms of its very rows are sought; *plain*, none are.
        """
        policy, backends = self.service.loaded.policy, self.service.backends
        backends.start()
        if question.within is not None:
            epsilon = limit_of(granted, question)
        else:
            epsilon = epsilon_to_spend(granted, question.epsilon)
        rules = self.rules
        if not plain:
            rules = self.profiling.rules(rules, asked, backends, epsilon, seeks=seeks)
        if policy.epochs is not None:
            calendar = calendar_of(policy.epochs, snapshot.catalog)
            rules = replace(rules, calendar=calendar)
        terms = Terms(
            self.dataset,
            epsilon,
            float(policy.query.delta),
            rules,
            dt.datetime.now(dt.UTC),
            max_epsilon=granted.max_epsilon,
            histogram=self.profiling.each(epsilon),
            other=question.other,
        )
        prepared = prepare(question.sql, snapshot.catalog, terms, question.dialect)
        return shaped(prepared, Shaping(question.nonnegative, question.monotone))

    def asked(self, snapshot: Snapshot, granted: Grant, question: Question) -> Asked:
        """Return on whose behalf, and on which data, *question* is asked."""
        return Asked(
            self.analyst,
            snapshot.version,
            self.dataset.limit() if self.blocks is None else None,
            granted.limit,
            isolated=self.service.loaded.policy.sharing == "isolated",
            blocks=self.blocks,
            policy=self.service.digest,
            sql=self.kept(question),
            identity=snapshot.identity,
        )

    def kept(self, question: Question) -> str:
        """Return what the ledger keeps of a query's text."""
        sql = question.sql[:LONGEST_KEPT]
        if self.service.loaded.policy.audit.literals == "redact":
            return redacted(sql, question.dialect)
        return sql

    def as_before(
        self, sought: Callable[..., Prepared], until: str, version: str | None
    ) -> Prepared:
        """
        Return the question with limits from profiles, or as it was answered without.

        What was answered before there was a profile is still answered for nothing.
        """
        prepared = sought()
        if not any(p.step.profile or p.step.missing for p in prepared.steps):
            return prepared
        if self.found(prepared, until, version):
            return prepared
        try:
            plain = sought(plain=True)
        except QueryRefused:  # nothing but a profile bounds it
            return prepared
        return plain if self.found(plain, until, version) else prepared

    def found(
        self, prepared: Prepared, until: str, version: str | None
    ) -> Stored | None:
        """Return an earlier answer, on a *version* of the data or on whatever data."""
        ledger, named = self.service.earlier, prepared.fingerprint
        if ledger is None:
            return None
        if version is not None:
            return ledger.find(self.analyst, named, version)
        return ledger.find_until(self.analyst, named, until)


def profiled(
    drafts: Drafts, granted: Grant, of: str, *, owner: bool, dry_run: bool
) -> tuple[Prepared, Loss]:
    """
    Measure what is not known of the units of a table or query, and what that cost.

    With *dry_run* nothing is measured. Of an *owner* the dataset pays alone.
    """
    service, profiling = drafts.service, drafts.profiling
    with service.data.turn:
        snapshot = service.data.snapshot()
        question = Question(question_of(of, snapshot.catalog))
        asked = drafts.asked(snapshot, granted, question)
        sought = partial(
            drafts.prepared, snapshot, granted, question, asked, seeks=True
        )
        found = sought()
        price = profiling.price(found)
        while found.program.missing and not dry_run:
            service.data.require_sound_keys(snapshot, service.backends.ledger)
            profiling.measure(found, asked, service.backends, of_analyst=not owner)
            found = sought()
    return found, price
