"""Rules of ownership, broken in turn: each must be noticed by the checks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlglot import exp

from dpquery.plan import rewrite
from dpquery.plan.analysis import (
    owner_paths,
    privacy_unit,
)
from dpquery.plan.expressions import TRUE
from dpquery.plan.relations import Join, JoinKind
from dpquery.sql.lowering import chain as lower_chain

from .clinic import Hints
from .designs import Design, Noticed, database, row, visit
from .removal import NOBODY, NOT_LOCAL

if TYPE_CHECKING:
    from dpquery.plan.analysis.owner_paths import Pair
    from dpquery.plan.analysis.privacy_unit import _Owners
    from dpquery.plan.relations import Owned, Relation, Rows


def test_a_join_that_separates_rows_from_their_unit(
    accepted: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bill of 2 is for a visit of 1, so it is a row of both."""
    of = Design(
        "SELECT COUNT(*) FROM bills AS b JOIN visits AS v ON b.visit = v.visit",
        database(bills=[row("bills", person="2", visit="7")], visits=[visit(7)]),
    )

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "ties", lambda *_: [])

    assert NOT_LOCAL in accepted(of, break_it)


FALSE_KEY = database(
    bills=[row("bills", person=who, visit="7", amount="1") for who in ("1", "2")]
)
"""The policy says that ``bills.visit`` is unique; it is not."""


@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN", "FULL JOIN"])
def test_a_key_that_is_believed(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch, join: str
) -> None:
    """The unit conjunct makes locality independent of what the policy says."""
    of = Design(
        f"SELECT COUNT(*) FROM bills AS a {join} bills AS b ON a.visit = b.visit",
        FALSE_KEY,
        hints=Hints(4, None),
    )

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "equal_units", lambda *_: [])
        monkeypatch.setattr(privacy_unit, "ties", lambda *_: [])

    assert NOT_LOCAL in noticed(of, break_it)


def test_a_key_that_is_believed_in_a_subquery(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Design(
        "SELECT COUNT(*) FROM bills AS a WHERE EXISTS (SELECT 1 FROM bills AS b "
        "WHERE a.visit = b.visit AND b.amount > a.amount)",
        database(
            bills=[
                row("bills", person="1", visit="7", amount="1"),
                row("bills", person="2", visit="7", amount="2"),
            ]
        ),
    )

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "equal_units", lambda *_: [])

    assert NOT_LOCAL in noticed(of, break_it)


LOOSE = "EXISTS (SELECT 1 FROM bills AS b WHERE b.amount > v.stay)"
RICH = database(
    visits=[visit(1, stay="1")], bills=[row("bills", person="2", amount="9")]
)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT COUNT(*) FROM visits AS v WHERE {LOOSE}",
        f"SELECT SUM(n) FROM (SELECT {LOOSE} AS n FROM visits AS v) AS d",
        f"SELECT COUNT(*) FROM visits AS v JOIN codes AS c ON {LOOSE}",
        (
            "SELECT COUNT(*) FROM visits AS v, "
            "LATERAL (SELECT 1 FROM bills AS b WHERE b.amount > v.stay) AS d"
        ),
    ],
)
def test_a_subquery_on_rows_of_others(
    accepted: Noticed, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    tables = RICH | {"codes": [("1", "a", "1")]}
    of = Design(sql, tables, hints=Hints(4, None))

    def untied(self: _Owners, relation: Relation, outer: Rows, *_: object) -> Relation:
        return self.of(relation, outer).relation

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit._Owners, "_tied_to", untied)

    assert NOT_LOCAL in accepted(of, break_it)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT COUNT(*) FILTER (WHERE {LOOSE}) FROM visits AS v",
        f"SELECT SUM(CASE WHEN {LOOSE} THEN 1 ELSE 0 END) FROM visits AS v",
        f"SELECT COUNT(DISTINCT CASE WHEN {LOOSE} THEN 1 ELSE 2 END) FROM visits AS v",
        f"SELECT MEDIAN(CASE WHEN {LOOSE} THEN 1 ELSE 2 END) FROM visits AS v",
        f"SELECT CORR(v.stay, CASE WHEN {LOOSE} THEN 1 ELSE 2 END) FROM visits AS v",
        f"SELECT BOOL_OR({LOOSE}) FROM visits AS v",
        f"SELECT COUNT(DISTINCT v.person) FILTER (WHERE {LOOSE}) FROM visits AS v",
        (
            "SELECT COUNT(*) FROM visits AS v "
            f"GROUP BY CASE WHEN {LOOSE} THEN 'a' ELSE 'b' END"
        ),
    ],
)
def test_a_subquery_on_rows_of_others_at_the_boundary(
    accepted: Noticed, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    """Keys and aggregates are no part of the relation, and were forgotten once."""
    of = Design(sql, RICH, hints=Hints(4, None))

    def break_it() -> None:
        monkeypatch.setattr(rewrite, "own_values", lambda query, *_: query)

    assert NOT_LOCAL in accepted(of, break_it)


def test_a_wrong_way_to_the_owner(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its condition, the hidden join gives every exam to everybody."""
    of = Design(
        "SELECT COUNT(*) FROM exams",
        database(
            exams=[row("exams", exam="e1", visit="7")], visits=[visit(7), visit(8, "2")]
        ),
    )

    def break_it() -> None:
        monkeypatch.setattr(owner_paths, "equals", lambda *_: TRUE)

    assert NOT_LOCAL in noticed(of, break_it)


def kept_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the condition out that drops rows without a unit."""
    real = lower_chain.Chain._source

    def unfiltered(chain: lower_chain.Chain) -> exp.Select:
        query = real(chain)
        query.set("where", None)
        return query

    monkeypatch.setattr(lower_chain.Chain, "_source", unfiltered)


def test_rows_without_a_unit(noticed: Noticed, monkeypatch: pytest.MonkeyPatch) -> None:
    """All NULLs would be one unit to GROUP BY, of any size."""
    rows = database(visits=[visit(1), visit(2, None), visit(3, None)])
    of = Design("SELECT COUNT(*) FROM visits", rows)
    assert NOBODY in noticed(of, lambda: kept_nobody(monkeypatch))


def test_orphans(noticed: Noticed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A LEFT JOIN on the way to the owner would make one unit of all orphans."""

    class AlwaysLeft:
        INNER = LEFT = JoinKind.LEFT

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "JoinKind", AlwaysLeft)
        kept_nobody(monkeypatch)

    exams = [row("exams", exam="e1", visit="99")]
    of = Design("SELECT COUNT(*) FROM exams", database(exams=exams))
    assert NOBODY in noticed(of, break_it)


def test_public_rows_that_nobody_matches(
    accepted: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a code has no visit is a statement about everybody."""
    of = Design(
        "SELECT COUNT(*) FROM codes AS c LEFT JOIN visits AS v ON c.code = v.code "
        "WHERE v.visit IS NULL",
        database(codes=[("1", "a", "1"), ("2", "b", "1")], visits=[visit(1, code="1")]),
    )

    def loose(self: _Owners, join: Join, outer: Rows | None) -> Rows:
        right = self.of(join.right, outer)
        left = self.of(join.left, outer)
        made = replace(join, left=left.relation, right=right.relation)
        return replace(right, relation=made)

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit._Owners, "_outer_join", loose)
        kept_nobody(monkeypatch)

    assert NOBODY in accepted(of, break_it)


def test_the_unit_of_the_side_that_an_outer_join_leaves_empty(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Design(
        "SELECT COUNT(*) FROM visits AS v LEFT JOIN bills AS b ON v.person = b.person",
        database(visits=[visit(1)]),
    )
    real = privacy_unit._Owners._joined

    def wrong(
        self: _Owners, join: Join, left: Owned, right: Owned, pairs: list[Pair]
    ) -> Owned:
        return replace(real(self, join, left, right, pairs), unit=right.unit)

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit._Owners, "_joined", wrong)
        kept_nobody(monkeypatch)

    assert NOBODY in noticed(of, break_it)
