"""What is computed inside a unit, broken in turn: each must be noticed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlglot import exp, parse_one

from dpquery.plan.analysis import (
    carried_unit,
    privacy_unit,
)
from dpquery.sql.functions import call
from dpquery.sql.lowering import aggregates as lower_aggregates
from dpquery.sql.lowering import expressions as lower_expressions
from dpquery.sql.lowering import relations as lower_relations
from dpquery.sql.lowering.expressions import lower as lowered

from .clinic import Hints
from .designs import Design, Noticed, database, row, visit
from .removal import NOT_LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.analysis.privacy_unit import _Owners
    from dpquery.plan.expressions import Aggregated
    from dpquery.plan.relations import Owned, Project, Relation, Rows, Top


def test_distinct_rows_of_different_units(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Design(
        "SELECT COUNT(*) FROM (SELECT DISTINCT person, ward FROM visits) AS d",
        database(visits=[visit(1, "1", ward="a"), visit(2, "2", ward="a")]),
    )
    real = lower_relations.query

    def merging(relation: Relation) -> exp.Query:
        made = real(relation)
        if made.args.get("distinct"):
            on = exp.Tuple(expressions=[exp.column("ward")])
            made.set("distinct", exp.Distinct(on=on))
        return made

    def break_it() -> None:
        monkeypatch.setattr(lower_relations, "query", merging)

    assert NOT_LOCAL in noticed(of, break_it)


def test_groups_of_different_units(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Design(
        "SELECT SUM(n) FROM (SELECT person, ward, COUNT(*) AS n FROM visits "
        "GROUP BY person, ward) AS d",
        database(visits=[visit(1, "1", ward="a"), visit(2, "2", ward="a")]),
    )
    real = lower_relations.query

    def merging(relation: Relation) -> exp.Query:
        made = real(relation)
        if made.args.get("group"):
            made.set("group", exp.Group(expressions=[exp.column("ward")]))
            made.expressions[0].set("this", exp.Min(this=exp.column("person")))
        return made

    def break_it() -> None:
        monkeypatch.setattr(lower_relations, "query", merging)

    assert NOT_LOCAL in noticed(of, break_it)


def without_unit(kind: str) -> Callable[[Relation], exp.Query]:
    """Compare rows of a set operation by what was asked for, and not by their unit."""
    real = lower_relations.query

    def query(relation: Relation) -> exp.Query:
        made = real(relation)
        if isinstance(made, exp.Except | exp.Intersect):
            left, right = made.this.sql("duckdb"), made.expression.sql("duckdb")
            word = "NOT IN" if kind == "EXCEPT" else "IN"
            mine, theirs = (
                s.expressions[1].alias for s in (made.this, made.expression)
            )
            text = f'SELECT * FROM ({left}) AS l WHERE l."{mine}" {word} '
            text += f'(SELECT "{theirs}" FROM ({right}) AS r)'
            return parse_one(text, read="duckdb")
        return made

    return query


@pytest.mark.parametrize("kind", ["EXCEPT", "INTERSECT"])
def test_set_operations_without_the_unit(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    of = Design(
        f"SELECT COUNT(*) FROM (SELECT person, stay FROM visits {kind} "
        "SELECT id, born FROM people) AS d",
        database(
            visits=[visit(1, "1", stay="5")], people=[row("people", id="2", born="5")]
        ),
    )
    replaced = without_unit(kind)

    def break_it() -> None:
        monkeypatch.setattr(lower_relations, "query", replaced)

    assert NOT_LOCAL in noticed(of, break_it)


def test_a_set_operation_whose_side_has_another_column_for_its_unit(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Design(
        "SELECT COUNT(*) FROM (SELECT stay, person FROM visits UNION ALL "
        "SELECT born, id FROM people) AS d",
        database(
            visits=[visit(1, "1", stay="2")],
            people=[row("people", id="2", born="1")],
        ),
    )
    real = carried_unit._with_unit_last

    def wrong(side: Owned, width: int) -> Project:
        project = real(side, width)
        unit = replace(project.columns[-1], expression=project.columns[0].expression)
        return replace(project, columns=(*project.columns[:-1], unit))

    def break_it() -> None:
        monkeypatch.setattr(carried_unit, "_with_unit_last", wrong)

    assert NOT_LOCAL in noticed(of, break_it)


def test_a_window_without_the_unit(
    accepted: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Design(
        "SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (ORDER BY stay) AS n "
        "FROM visits) AS d WHERE n = 1",
        database(visits=[visit(1, "1", stay="1"), visit(2, "2", stay="2")]),
    )

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "windows_by_unit", lambda each, _: each)

    assert NOT_LOCAL in accepted(of, break_it)


def test_a_window_by_a_key_that_is_believed(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bills = [row("bills", person=who, visit="7", amount="1") for who in ("1", "2")]
    of = Design(
        "SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (PARTITION BY visit "
        "ORDER BY amount) AS n FROM bills) AS d WHERE n = 1",
        database(bills=bills),
    )

    def break_it() -> None:
        monkeypatch.setattr(carried_unit, "_by_unit", lambda each, _: each)

    assert NOT_LOCAL in noticed(of, break_it)


def test_the_first_rows_of_all(
    accepted: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Design(
        "SELECT COUNT(*) FROM (SELECT stay FROM visits ORDER BY stay LIMIT 1) AS d",
        database(visits=[visit(1, "1", stay="1"), visit(2, "2", stay="2")]),
    )

    def any_rows(self: _Owners, top: Top, outer: Rows | None) -> Rows:
        child = self.of(top.child, outer)
        return replace(child, relation=replace(top, child=child.relation))

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit._Owners, "_top", any_rows)

    assert NOT_LOCAL in accepted(of, break_it)


@pytest.mark.parametrize(
    "inner",
    [
        "SELECT ward, ROW_NUMBER() OVER (PARTITION BY person) AS n FROM visits",
        "SELECT DISTINCT ON (person) ward, 1 AS n FROM visits",
        (
            "SELECT LAST_VALUE(ward) OVER (PARTITION BY person) AS ward, 1 AS n "
            "FROM visits"
        ),
        (
            "SELECT LAG(ward, 1, ward) OVER (PARTITION BY person) AS ward, 1 AS n "
            "FROM visits"
        ),
        (
            "SELECT CASE WHEN SUM(stay) OVER (PARTITION BY person ROWS 1 PRECEDING) "
            "> 2 THEN 'a' ELSE 'b' END AS ward, 1 AS n FROM visits"
        ),
    ],
)
def test_an_order_with_ties(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    """Which row comes first would follow from how rows are stored."""
    rows = [
        visit(10 * int(who) + at, who, ward=f"w{at}", stay=str(at))
        for who in ("1", "2")
        for at in range(4)
    ]
    sql = f"SELECT ward, COUNT(*) FROM ({inner}) AS d WHERE n = 1 GROUP BY ward"
    of = Design(sql, database(visits=rows), hints=Hints(4, None))

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "without_ties", lambda project, _: project)

    assert NOT_LOCAL in noticed(of, break_it)


def test_a_limit_with_ties(noticed: Noticed, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = database(
        visits=[visit(at, str(at % 2 + 1), ward=f"w{at}", stay="1") for at in range(8)],
        people=[row("people", id="1"), row("people", id="2")],
    )
    of = Design(
        "SELECT d.ward, COUNT(*) FROM people AS p, LATERAL (SELECT v.ward FROM visits "
        "AS v WHERE v.person = p.id ORDER BY v.stay LIMIT 1) AS d GROUP BY 1",
        rows,
    )

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "tie_breakers", lambda _: [])

    assert NOT_LOCAL in noticed(of, break_it)


def test_a_sum_of_fractions(noticed: Noticed, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 + 0.2 + 0.3 is 0.6000000000000001 or 0.6, after the order of rows."""
    rows = [
        visit(10 * int(who) + at, who, weight=f"0.{at}")
        for who in ("1", "2")
        for at in (1, 2, 3)
    ]
    of = Design(
        "SELECT CASE WHEN s = 0.6 THEN 'same' ELSE 'other' END AS k, COUNT(*) FROM "
        "(SELECT person, SUM(weight) AS s FROM visits GROUP BY person) AS d GROUP BY k",
        database(visits=rows),
    )

    def as_double(
        expression: Aggregated,
        over: Callable[[exp.Expr], exp.Expr],
        **_: object,
    ) -> exp.Expr:
        return over(call("sum", lowered(expression.arguments[0])))

    def break_it() -> None:
        monkeypatch.setattr(lower_aggregates, "_summed", as_double)

    assert NOT_LOCAL in noticed(of, break_it)


@pytest.mark.parametrize("equal", [("0.0", "-0.0"), ("nan", "-nan")])
@pytest.mark.parametrize(
    "inner",
    [
        "SELECT DISTINCT person, weight AS x FROM visits",
        "SELECT person, weight AS x FROM visits GROUP BY person, weight",
        "SELECT person, MAX(weight) AS x FROM visits GROUP BY person",
        (
            "SELECT person, weight AS x FROM visits "
            "EXCEPT ALL SELECT id, score FROM people"
        ),
    ],
)
def test_equal_numbers_that_print_apart(
    noticed: Noticed,
    monkeypatch: pytest.MonkeyPatch,
    inner: str,
    equal: tuple[str, str],
) -> None:
    rows = database(
        visits=[
            visit(10 * int(who) + at, who, weight=equal[at // 2])
            for who in ("1", "2")
            for at in range(4)
        ],
        people=[row("people", id=who, score=equal[0]) for who in ("1", "2")],
    )
    sql = "SELECT CAST(x AS VARCHAR) AS k, COUNT(*) FROM ({}) AS d GROUP BY k"
    of = Design(sql.format(inner), rows, hints=Hints(4, None))

    def break_it() -> None:
        monkeypatch.setattr(lower_aggregates, "merged", lowered)
        # or a NaN has one text, with a sign or without
        monkeypatch.setattr(lower_expressions, "_may_be_nan", lambda _: False)

    assert NOT_LOCAL in noticed(of, break_it)


def test_what_is_chosen_of_several_values(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scalar subquery with several rows is NULL: one of them would be the first."""
    rows = database(
        visits=[
            visit(10 * int(who) + at, who, ward=f"w{at}")
            for who in ("1", "2")
            for at in range(3)
        ],
        people=[row("people", id="1"), row("people", id="2")],
    )
    of = Design(
        "SELECT COUNT(*) FROM people AS p WHERE "
        "COALESCE((SELECT v.ward FROM visits AS v WHERE v.person = p.id), 'w') <> 'w0'",
        rows,
    )
    real = lower_aggregates.aggregated

    def first(expression: Aggregated) -> exp.Expr:
        if expression.function != "only":
            return real(expression)
        return call("first", lowered(expression.arguments[0]))

    def break_it() -> None:
        monkeypatch.setattr(lower_aggregates, "aggregated", first)

    assert NOT_LOCAL in noticed(of, break_it)
