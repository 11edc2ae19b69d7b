"""Limits, choices and shapes, broken in turn: each must be noticed."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from sqlglot import exp, parse_one

from dpquery.plan.analysis import privacy_unit
from dpquery.sql.functions import cast, number
from dpquery.sql.lowering import bounding as lower_bounding
from dpquery.sql.lowering import chain as lower_chain
from dpquery.sql.lowering import domain as lower_domain
from dpquery.sql.lowering import lower
from dpquery.sql.lowering import rankings as lower_rankings
from dpquery.sql.lowering import values as lower_values

from .clinic import Hints
from .designs import NORM, TRUNCATE, Design, Noticed, database, row, visit
from .removal import NOT_LOCAL, SHAPE, TOO_FAR, TOO_VISIBLE

if TYPE_CHECKING:
    from dpquery.plan.program import Bounding, ReleaseStep
    from dpquery.plan.rewrite import BoundingRules

bound_contributions = import_module("dpquery.plan.rewrite.bound_contributions")
"""The package exports a function of that name, which hides the module."""

BY_WARD = "SELECT ward, COUNT(*) FROM visits GROUP BY ward"
VISITS = [visit(at, ward=f"w{at % 3}", stay="5", weight="2.5") for at in range(12)]
"""One person with a few groups, and a few rows in each."""


@pytest.mark.parametrize(
    "sql",
    [
        (
            "SELECT c.label, COUNT(*) FROM (SELECT reading FROM sensors) AS s "
            "JOIN codes AS c ON s.reading < c.code GROUP BY c.label"
        ),
        (
            "SELECT COUNT(DISTINCT c.label) FROM (SELECT reading FROM sensors) AS s "
            "JOIN codes AS c ON s.reading < c.code"
        ),
    ],
)
def test_a_choice_by_the_number_of_a_row(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    """Row numbers are positions: when a row goes, the next ones have new numbers."""
    rows = database(
        sensors=[row("sensors", reading=str(at % 3)) for at in range(30)],
        codes=[(str(at), f"c{at}", "1") for at in range(1, 9)],
    )
    of = Design(sql, rows, TRUNCATE)

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "ROW_ID", "no column")

    found = noticed(of, break_it)
    assert TOO_FAR in found or NOT_LOCAL in found


def test_a_hash_that_reads_other_rows(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most popular group first: others choose another one when somebody goes."""
    rows = [
        *(
            visit(10 * who + at, str(who), ward="ab"[at])
            for who in (2, 3)
            for at in (0, 1)
        ),
        visit(1, "1", ward="a"),
    ]
    of = Design(BY_WARD, database(visits=rows), TRUNCATE)
    real = lower_chain.Chain.kept

    def popular(chain: lower_chain.Chain) -> exp.Select:
        kept = real(chain)
        (window,) = kept.find_all(exp.Window)
        others = "(SELECT COUNT(*) FROM parts AS p WHERE p.k0 = parts.k0)"
        made = parse_one(f"SELECT 1 ORDER BY {others} DESC, k0 DESC", read="duckdb")
        window.set("order", made.args["order"])
        return kept

    def break_it() -> None:
        monkeypatch.setattr(lower_chain.Chain, "kept", popular)

    assert SHAPE in noticed(of, break_it)


# --- limits ----------------------------------------------------------------------


@pytest.mark.parametrize("rules", [NORM, TRUNCATE])
def test_a_missing_clip(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch, rules: BoundingRules
) -> None:
    def never(*_: object) -> exp.Expr:
        return cast(number(1), "DOUBLE")

    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "_factor", never)

    of = Design(BY_WARD, database(visits=VISITS), rules, Hints(2, 1))
    assert TOO_FAR in noticed(of, break_it)


def test_a_clip_to_the_nearest_integer(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three groups of 2 under the norm 2: 1.15 each, and 2 is too much."""
    real = lower_bounding.call

    def up(name: str, *arguments: exp.Expr) -> exp.Anonymous:
        return real("ceil" if name == "trunc" else name, *arguments)

    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "SUB_STEPS", 1)
        monkeypatch.setattr(bound_contributions, "sub_steps", lambda *_: 1)
        monkeypatch.setattr(lower_bounding, "call", up)

    of = Design(BY_WARD, database(visits=VISITS), NORM, Hints(2, None))
    assert TOO_FAR in noticed(of, break_it)


def test_a_missing_clamp(noticed: Noticed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clip alone keeps Δ; without the clamp, one huge value makes the SQL raise."""

    def break_it() -> None:
        monkeypatch.setattr(lower_values, "_clamped", lambda name, _: name)

    huge = [visit(1, stay="9223372036854775807")]
    of = Design("SELECT SUM(stay) FROM visits", database(visits=huge))
    assert "can't be cast" in noticed(of, break_it)


@pytest.mark.parametrize("rules", [NORM, TRUNCATE])
def test_half_the_sensitivity(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch, rules: BoundingRules
) -> None:
    real = bound_contributions.sensitivity

    def half(limit: int, how: Bounding) -> int:
        return real(limit, how) // 2

    def break_it() -> None:
        monkeypatch.setattr(bound_contributions, "sensitivity", half)

    of = Design(BY_WARD, database(visits=VISITS), rules)
    assert TOO_FAR in noticed(of, break_it)


def test_one_group_too_many(noticed: Noticed, monkeypatch: pytest.MonkeyPatch) -> None:
    real = lower_chain.Chain.kept

    def generous(chain: lower_chain.Chain) -> exp.Select:
        kept = real(chain)
        most = next(iter(kept.args["where"].find_all(exp.Literal)))
        most.set("this", "2")
        return kept

    def break_it() -> None:
        monkeypatch.setattr(lower_chain.Chain, "kept", generous)

    of = Design(BY_WARD, database(visits=VISITS), TRUNCATE)
    assert TOO_VISIBLE in noticed(of, break_it)


def test_a_unit_that_weighs_the_same_in_every_group(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "_unit_weight", lambda *_: number(1024))

    of = Design(BY_WARD, database(visits=VISITS))
    assert TOO_VISIBLE in noticed(of, break_it)


def test_a_unit_in_more_groups_than_the_threshold_knows_of(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seventeen groups at k = 1: beyond G = 16 the unit must not count at all."""
    real = lower_bounding._unit_weight

    def uncapped(how: Bounding, full: int) -> exp.Expr:
        weight = real(how, full)
        weight.set("ifs", weight.args["ifs"][:1])
        return weight

    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "_unit_weight", uncapped)

    many = [visit(at, ward=f"w{at}") for at in range(17)]
    of = Design(BY_WARD, database(visits=many))
    assert TOO_VISIBLE in noticed(of, break_it)


def test_groups_that_nobody_counts_in(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group of weight zero must not be tried against the threshold."""

    def break_it() -> None:
        always = exp.EQ(this=number(1), expression=number(1))
        monkeypatch.setattr(lower._Builder, "_counted", lambda _: always)

    many = [visit(at, ward=f"w{at}") for at in range(17)]
    of = Design(BY_WARD, database(visits=many))
    assert TOO_VISIBLE in noticed(of, break_it)


def test_a_minimum_that_counts_one_unit_too_few(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of N - 1 other units would be shown for what the last of N adds."""

    def break_it() -> None:
        def more(self: lower._Builder) -> exp.Expr:
            weight = f"m{lower.units_index(self._step)}"
            return parse_one(f"count_if({weight} > 0) >= 3", read="duckdb")

        monkeypatch.setattr(lower._Builder, "_counted", more)

    rows = [visit(at, str(1 + at % 3), ward=f"w{at // 3}") for at in range(6)]
    of = Design(BY_WARD, database(visits=rows), replace(NORM, min_units=2))
    assert TOO_VISIBLE in noticed(of, break_it)


def test_a_minimum_of_weights(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that add up to N whole ones: one unit lifts more than N - 1 over it."""

    def break_it() -> None:
        def weighted(self: lower._Builder) -> exp.Expr:
            weight = f"m{lower.units_index(self._step)}"
            return parse_one(f"sum({weight}) >= 2048", read="duckdb")

        monkeypatch.setattr(lower._Builder, "_counted", weighted)

    # person 1 is in four groups, in each with half a weight; two others in the first
    rows = [visit(at, ward=f"w{at}") for at in range(4)]
    rows += [visit(10, "2", ward="w0"), visit(11, "3", ward="w0")]
    rows += [visit(12, "3", ward="w9"), visit(13, "4", ward="w8")]
    of = Design(BY_WARD, database(visits=rows), replace(NORM, min_units=2))
    assert TOO_VISIBLE in noticed(of, break_it)


def test_rows_that_are_counted_twice(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conditions that only look disjoint: light units are not clipped at all."""

    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "_row_norm", lambda *_: 1)

    one, other = "weight <= 2.50000000000000001", "weight >= 2.50000000000000002"
    of = Design(
        f"SELECT urgent, COUNT(*) FILTER (WHERE {one}), COUNT(*) FILTER (WHERE {other})"
        " FROM visits GROUP BY urgent",
        database(visits=VISITS[:4]),
        hints=Hints(4, None),
    )
    assert TOO_FAR in noticed(of, break_it)


def test_a_union_without_a_limit_for_each_unit(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lower_rankings.binary

    def unlimited(kind: type[exp.Binary], one: exp.Expr, other: exp.Expr) -> exp.Expr:
        most = number(1000) if kind is exp.LTE else other
        return real(kind, one, most)

    def break_it() -> None:
        monkeypatch.setattr(lower_rankings, "binary", unlimited)

    of = Design("SELECT COUNT(DISTINCT ward) FROM visits", database(visits=VISITS))
    assert TOO_FAR in noticed(of, break_it)


def test_a_histogram_without_the_factor(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(_: object) -> list[tuple[str, exp.Expr]]:
        return [("f0", cast(number(1), "DOUBLE"))]

    def break_it() -> None:
        monkeypatch.setattr(lower_rankings, "factors", whole)

    of = Design("SELECT MEDIAN(stay) FROM visits", database(visits=VISITS))
    assert TOO_FAR in noticed(of, break_it)


def test_groups_that_only_data_lists(
    noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public list that leaves out what no row has is not public."""
    real = lower_domain.domain

    def found(step: ReleaseStep) -> exp.Select:
        made = real(step)
        inner = made.sql("duckdb")
        text = f"SELECT * FROM ({inner}) AS d WHERE k0 IN (SELECT k0 FROM rows)"
        return parse_one(text, read="duckdb")

    def break_it() -> None:
        for module in (lower, lower_chain):
            monkeypatch.setattr(module, "domain", found)

    of = Design(
        "SELECT urgent, COUNT(*) FROM visits GROUP BY urgent",
        database(visits=[visit(1, "1", urgent="true")]),
    )
    assert SHAPE in noticed(of, break_it)
