"""
dpquery's own answers, each from a ledger that nothing was charged to yet.

A session answers each question as always: prepare, price, reserve, measure, settle.
Only DuckDB's exact rows are kept between trials, so that a trial costs its noise.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks.accuracy.data import Split, by_key, policy_text
from dpquery.accounting.loss import Definition
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.errors import BudgetExceeded
from dpquery.ledger.store import Ledger
from dpquery.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.accuracy.data import Data
    from benchmarks.accuracy.lines import Line
    from benchmarks.accuracy.terms import Terms
    from dpquery.engines.base import Statement
    from dpquery.engines.sealed import Sealed

Answers = list[dict[str, tuple[float, ...]]]
MOST_HISTOGRAMS = 10
"""More of one query share the profile's part no further."""


@contextmanager
def exact_rows_once() -> Iterator[None]:
    """Have the engine answer each statement once: the data does not change."""
    execute, unique = DuckDBEngine.execute, DuckDBEngine.check_unique
    answers: dict[str, Sealed] = {}
    checks: dict[tuple[str, str], Any] = {}

    def kept(self: DuckDBEngine, statement: Statement) -> Sealed:
        key = repr(statement)
        if key not in answers:
            answers[key] = execute(self, statement)
        return answers[key]

    def checked(self: DuckDBEngine, table: str, column: str) -> object:
        if (table, column) not in checks:
            checks[table, column] = unique(self, table, column)
        return checks[table, column]

    with (
        mock.patch.object(DuckDBEngine, "execute", kept),
        mock.patch.object(DuckDBEngine, "check_unique", checked),
    ):
        yield


def answers(
    of: Data, line: Line, terms: Terms, trials: int, share: float, *, own: bool
) -> Answers:
    """
    Return *trials* independent answers to *line*, by key.

    A *share* of the loss pays for the profile that limits are chosen from, in equal
    parts for its histograms: as many as the budget has room for. With none, limits
    are what the policy hints at. The profile is of the query's *own* rows and groups,
    as ``session.profile`` makes it, or of its tables, as a query does by itself.
    """
    if not share:
        return _answers(of, line, terms, trials, None)
    for histograms in range(1, MOST_HISTOGRAMS):
        with suppress(BudgetExceeded):  # there are more histograms than that
            return _answers(of, line, terms, trials, Split(share, histograms, own))
    return _answers(of, line, terms, trials, Split(share, MOST_HISTOGRAMS, own))


def _answers(
    of: Data, line: Line, terms: Terms, trials: int, split: Split | None
) -> Answers:
    """
    Return independent answers, each from a ledger of its own.

    Raises:
        BudgetExceeded: they would cost more than *terms*.
    """
    epsilon = terms.epsilon_of(1.0 if split is None else split.of_query)
    found: Answers = []
    with tempfile.TemporaryDirectory() as folder, exact_rows_once():
        policy = Path(folder) / "policy.yaml"
        policy.write_text(policy_text(of, terms, Path(folder) / "0.ledger", split))
        with Service.open(policy) as service:
            opened = service.backends
            for trial in range(trials):
                location = str(Path(folder) / f"{trial + 1}.ledger")
                ledger = Ledger.open(location, definition=Definition.ZCDP)
                service.backends = replace(opened, ledger=ledger)
                session = service.session("alice")
                if split is not None and split.own:
                    session.profile(line.sql)
                release = session.query(line.sql, epsilon=epsilon)
                found.append(by_key(release.rows, len(line.keys)))
                ledger.close()
            service.backends = opened
    return found
