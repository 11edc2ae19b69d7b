"""What a query says of its own release: heard, or refused; never loosened."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.program import Wishes

if TYPE_CHECKING:
    from .conftest import Ask, Refused

DP = "WITH DIFFERENTIAL_PRIVACY"


def wishes(ask: Ask, options: str) -> Wishes:
    query = ask(f"SELECT {DP} OPTIONS ({options}) COUNT(*) FROM orders GROUP BY status")
    return query.boundaries[0].wishes


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("epsilon = 0.1", Wishes(epsilon=Decimal("0.1"))),
        ("delta = 1e-11", Wishes(delta=Decimal("1e-11"))),
        ("max_groups_contributed = 3", Wishes(groups=3)),
        ("min_privacy_units_per_group = 20", Wishes(min_units=20)),
        ("group_selection_strategy = PUBLIC_GROUPS", Wishes(public_groups=True)),
        ("privacy_unit_column = customer_id", Wishes()),
    ],
)
def test_options(ask: Ask, options: str, found: Wishes) -> None:
    assert wishes(ask, options) == found


def test_without_options_nothing_is_wished(ask: Ask) -> None:
    assert ask("SELECT COUNT(*) FROM orders").boundaries[0].wishes == Wishes()


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        # each SELECT has its own
        (
            (
                f"SELECT a.n FROM (SELECT {DP} OPTIONS (epsilon = 0.1) COUNT(*) AS n"
                " FROM orders) AS a, (SELECT COUNT(*) AS n FROM customers) AS b"
            ),
            [Decimal("0.1"), None],
        ),
        (
            (
                f"SELECT {DP} OPTIONS (epsilon = 0.1) COUNT(*) FROM orders WHERE"
                f" amount >"
                f" (SELECT {DP} OPTIONS (epsilon = 0.2) AVG(amount) FROM orders)"
            ),
            [Decimal("0.2"), Decimal("0.1")],
        ),
        # all levels of one SELECT have the same
        (
            (
                f"SELECT {DP} OPTIONS (epsilon = 0.1) COUNT(*) FROM orders"
                " GROUP BY ROLLUP (status)"
            ),
            [Decimal("0.1"), Decimal("0.1")],
        ),
    ],
)
def test_options_belong_to_the_releases_of_their_select(
    ask: Ask, sql: str, found: list[Decimal | None]
) -> None:
    assert [each.wishes.epsilon for each in ask(sql).boundaries] == found


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        # another unit than the policy's
        (
            (
                f"SELECT {DP} OPTIONS (privacy_unit_column = order_id) COUNT(*) FROM"
                f" orders"
            ),
            "DPQ139",
        ),
        (
            f"SELECT {DP} OPTIONS (privacy_unit_column = nothing) COUNT(*) FROM orders",
            "DPQ102",
        ),
        # of a SELECT that makes no release
        (
            (
                f"SELECT MAX(n) FROM (SELECT {DP} OPTIONS (epsilon = 0.1) customer_id,"
                " COUNT(*) AS n FROM orders GROUP BY customer_id) AS t"
            ),
            "DPQ135",
        ),
        (
            (
                f"SELECT {DP} OPTIONS (epsilon = 0.1) MAX(n) FROM (SELECT status,"
                f" COUNT(*) AS n"
                " FROM orders GROUP BY status) AS t"
            ),
            "DPQ135",
        ),
        (f"SELECT {DP} OPTIONS (epsilon = 0.1) COUNT(*) FROM products", "DPQ135"),
    ],
)
def test_options_that_nobody_hears_are_refused(
    refused: Refused, sql: str, code: str
) -> None:
    refusal = refused(sql)
    assert refusal.code == code
    assert refusal.position is not None
