"""The public interface as its users' type checkers see it: checked, never run."""

from __future__ import annotations

from typing import Any, assert_type

import pandas as pd
import polars as pl
import pyarrow as pa
from altair.typing import ChartType

import dpquery
from dpquery.policy.lint import Finding
from dpquery.results import Amount, Expected, HistoryEntry, TableInfo


def sessions() -> None:
    """Ways to a session."""
    with dpquery.connect("policies/clinic.yaml", analyst="alice") as session:
        assert_type(session, dpquery.Session)
        assert_type(session.analyst, str)
    with dpquery.Service.open("policies/clinic.yaml") as service:
        assert_type(service, dpquery.Service)
        assert_type(service.session("alice"), dpquery.Session)
        assert_type(service.budgets(), dict[str, dpquery.Budget])
        assert_type(service.check(data=True), list[Finding])


def prices(session: dpquery.Session) -> None:
    """What is known before paying."""
    price = session.price("SELECT COUNT(*) FROM visits", epsilon=0.2)
    assert_type(price, dpquery.Price)
    assert_type(price.epsilon, float)
    assert_type(price.delta, float)
    assert_type(price.rho, float)
    assert_type(price.remaining, Amount | None)
    assert_type(price.queries_left, int | None)
    assert_type(price.expected, tuple[Expected, ...])
    assert_type(price.expected[0].half_width, float | None)
    assert_type(price.notes, tuple[str, ...])
    assert_type(price.explain(), str)


def answers(session: dpquery.Session) -> None:
    """What an answer holds."""
    release = session.query("SELECT COUNT(*) FROM visits", dialect="duckdb")
    assert_type(release, dpquery.Release)
    assert_type(release.id, str)
    assert_type(release.columns, tuple[str, ...])
    assert_type(release.rows, list[tuple[Any, ...]])
    assert_type(release.price, dpquery.Price)
    assert_type(release.remaining, Amount)
    assert_type(release.replayed, bool)
    assert_type(release.notes, list[str])
    bars = release.intervals(confidence=0.99)
    assert_type(bars, dict[str, list[dpquery.Interval | None]])
    assert_type(release.explain(), str)
    assert_type(release._repr_html_(), str)
    assert_type(release.plot(x="ward", y=["n"], confidence=0.9), ChartType)
    assert_type(release.counts, tuple[str, ...])


def frames(release: dpquery.Release) -> None:
    """Answers for other libraries."""
    assert_type(release.to_pandas(intervals=True), pd.DataFrame)
    assert_type(release.to_polars(), pl.DataFrame)
    assert_type(release.to_arrow(), pa.Table)


def budgets(session: dpquery.Session) -> None:
    """What is left, and what was asked."""
    budget = session.budget()
    assert_type(budget, dpquery.Budget)
    assert_type(budget.total, Amount)
    assert_type(budget.remaining.epsilon, float)
    assert_type(budget.spent.delta, float)
    assert_type(budget.queries_left("SELECT COUNT(*) FROM visits"), int)
    assert_type(session.history(), list[HistoryEntry])
    assert_type(session.tables(), list[TableInfo])


def refusals(session: dpquery.Session) -> str:
    """Errors are one tree with the same attributes."""
    try:
        session.query("SELECT * FROM visits")
    except (dpquery.SQLSyntaxError, dpquery.QueryRefused) as refusal:
        assert_type(refusal.code, str)
        assert_type(refusal.position, tuple[int, int] | None)
        return refusal.hint or refusal.message
    except (dpquery.BudgetExceeded, dpquery.AccessDenied) as denial:
        assert_type(denial.exit_status, int)
        return denial.code
    except dpquery.DPQueryError as error:
        assert_type(error.hint, str | None)
        assert_type(error.to_dict(), dict[str, object])
        return str(error)
    return dpquery.__version__
