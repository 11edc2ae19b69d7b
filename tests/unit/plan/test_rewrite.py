"""From a bound query to a release: groups, limits, and equality of equal questions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import Rows, Total, Units
from dpquery.plan.program import BoundingMode, PublicKeys
from dpquery.plan.rewrite import BoundingRules
from dpquery.plan.walk import scans
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.program import ReleaseStep
    from dpquery.policy.catalog import Catalog

    Compile = Callable[..., ReleaseStep]

WITHHELD = "SELECT note, COUNT(*), SUM(amount) FROM orders GROUP BY note"


@pytest.mark.parametrize(
    ("sql", "groups", "cap"),
    [
        (WITHHELD, 8, 128),
        ("SELECT status, COUNT(*) FROM orders GROUP BY status", 2, None),
        ("SELECT quarter(placed_on), COUNT(*) FROM orders GROUP BY 1", 4, None),
        ("SELECT placed_on, COUNT(*) FROM orders GROUP BY 1", 8, None),
        ("SELECT status, express, COUNT(*) FROM orders GROUP BY ALL", 4, None),
        ("SELECT kind, COUNT(*) FROM orders GROUP BY kind", 8, None),
        ("SELECT city, COUNT(*) FROM customers GROUP BY city", 1, None),
        ("SELECT name, COUNT(*) FROM customers GROUP BY name", 1, None),
        ("SELECT COUNT(*) FROM orders", 1, None),
    ],
)
def test_groups_that_a_unit_can_be_in(
    compile_step: Compile, sql: str, groups: int, cap: int | None
) -> None:
    how = compile_step(sql).bounding
    assert (how.groups, how.group_cap) == (groups, cap)


@pytest.mark.parametrize("mode", list(BoundingMode))
@pytest.mark.parametrize("norm", [1, 2])
def test_limits_of_a_withheld_release(
    compile_step: Compile, mode: BoundingMode, norm: int
) -> None:
    step = compile_step(WITHHELD, BoundingRules(mode, norm, groups=4))
    units, rows, total = step.moments
    assert [type(m.moment) for m in step.moments] == [Units, Rows, Total]
    # 20 rows in all, 5 in a group, 4 groups, 1000.00 in cents; and one sub-step of room
    # for the clip, in each group under truncation
    expected = {
        # a unit's weights have the norm 1, for they only decide which groups show;
        # rows √(5·20) = 10; sums 1,000 times that
        (BoundingMode.NORM, 2): (1024, 10 * 1024 + 1, 10 * 100_000 + 1),
        (BoundingMode.NORM, 1): (1024, 20 * 1024 + 1, 20 * 100_000 + 1),
        (BoundingMode.TRUNCATE, 2): (2 * 1024, 10 * 1024 + 2, 10 * 100_000 + 2),
        (BoundingMode.TRUNCATE, 1): (4 * 1024, 20 * 1024 + 4, 20 * 100_000 + 4),
    }
    found = (units.sensitivity, rows.sensitivity, total.sensitivity)
    assert found == expected[mode, norm]
    assert (units.steps, rows.steps, total.steps) == (1024, 1024, 1)
    per_group = mode is BoundingMode.TRUNCATE
    assert (rows.limit == 5 * 1024) is per_group


@pytest.mark.parametrize(
    ("asked", "groups", "full"),
    [
        ("COUNT(*)", "note", 1),
        ("MEDIAN(amount)", "note", 1),
        # the number itself is asked for: a unit counts in full in k groups
        ("COUNT(DISTINCT customer_id)", "note", 4),
        ("COUNT(*), COUNT(DISTINCT customer_id)", "note", 4),
        ("BOOL_OR(express)", "note", 1),
        ("COUNT(*)", "note, kind", 1),
    ],
)
def test_units_that_only_decide_which_groups_show(
    compile_step: Compile, asked: str, groups: str, full: int
) -> None:
    rules = BoundingRules(BoundingMode.NORM, 2, groups=4)
    step = compile_step(f"SELECT {asked} FROM orders GROUP BY {groups}", rules)
    assert (step.bounding.groups, step.bounding.full_units) == (4, full)
    counted = [b.sensitivity for b in step.moments if b.moment == Units()]
    assert counted in ([], [math.ceil(1024 * math.sqrt(full))])


@pytest.mark.parametrize(
    ("sql", "measured"),
    [
        ("SELECT name, COUNT(*) FROM customers GROUP BY name", [Units]),
        ("SELECT name, COUNT(*), COUNT(DISTINCT customer_id) FROM customers GROUP BY 1",
         [Units]),
        # several rows each; another number of rows; public groups, which nobody counts
        ("SELECT note, COUNT(*) FROM orders GROUP BY note", [Units, Rows]),
        ("SELECT name, COUNT_IF(name > 'b') FROM customers GROUP BY name",
         [Units, Rows]),
        ("SELECT city, COUNT(*) FROM customers GROUP BY city", [Rows]),
    ],
)  # fmt: skip
def test_units_with_one_row_each_are_counted_once(
    compile_step: Compile, sql: str, measured: list[type]
) -> None:
    step = compile_step(sql)
    assert [type(b.moment) for b in step.moments] == measured


def test_keys_of_left_joined_tables_have_a_group_without_partner(
    compile_step: Compile,
) -> None:
    for join, optional in (("LEFT JOIN", True), ("JOIN", False)):
        step = compile_step(
            f"SELECT p.category, COUNT(*) FROM orders AS o {join} products AS p"
            " ON o.kind = p.category GROUP BY 1"
        )
        assert step.domain is not None
        (source,) = step.domain.sources
        assert isinstance(source, PublicKeys)
        assert source.optional is optional


@pytest.mark.parametrize(
    ("sql", "code", "place"),
    [
        ("SELECT COUNT(*)\nFROM orders\nGROUP BY customer_id", "DPQ123", (3, 10)),
        (
            "SELECT amount + 1, COUNT(*) FROM orders GROUP BY amount + 1",
            "DPQ126",
            (1, 50),
        ),
        ("SELECT income, COUNT(*) FROM customers GROUP BY income", "DPQ126", (1, 49)),
        ("SELECT amount / 2 AS half FROM orders GROUP BY half", "DPQ126", (1, 8)),
    ],
)
def test_keys_that_are_refused(
    compile_step: Compile, sql: str, code: str, place: tuple[int, int]
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        compile_step(sql)
    assert refusal.value.code == code
    assert refusal.value.position == place


@pytest.mark.parametrize(
    "other",
    [
        "select Note, count(*), sum(amount) from ORDERS group by 1",
        "SELECT\n o.note, COUNT(1), SUM((amount))\nFROM main.orders AS o GROUP BY ALL",
        'SELECT "note", COUNT(*), SUM(amount) FROM "orders" GROUP BY "note", note -- x',
    ],
)
def test_equal_questions_have_equal_releases(compile_step: Compile, other: str) -> None:
    one, two = compile_step(WITHHELD), compile_step(other)
    assert one == two
    assert repr(one) == repr(two)  # places in the text are not part of either


def test_different_questions_differ(compile_step: Compile) -> None:
    asked = [
        WITHHELD,
        WITHHELD.replace("note", "kind"),
        WITHHELD.replace("amount", "amount + 1"),
        WITHHELD.replace("orders", "orders WHERE express"),
        WITHHELD.replace("SUM", "AVG"),
    ]
    assert len({repr(compile_step(sql)) for sql in asked}) == len(asked)


def test_a_second_copy_of_a_table_never_takes_a_name_that_is_there(
    shop: Catalog,
) -> None:
    tables = dict(shop.tables)
    for number in (2, 3):
        tables[f"orders_{number}"] = replace(tables["orders"], name=f"orders_{number}")
    query = bind(
        "SELECT COUNT(*) FROM orders AS a"
        " JOIN orders_3 AS b ON a.customer_id = b.customer_id"
        " JOIN orders_2 AS c ON a.customer_id = c.customer_id"
        " JOIN orders AS d ON a.customer_id = d.customer_id",
        replace(shop, tables=tables),
    )
    names = [scan.name for scan in scans(query.boundaries[0].source)]
    assert names == ["orders", "orders_3", "orders_2", "orders_4"]
