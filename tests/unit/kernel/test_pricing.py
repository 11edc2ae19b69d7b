"""What each measurement of a release may spend, and how noisy it is then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import Withholding
from dpquery.accounting.loss import Loss
from dpquery.errors import BudgetExceeded, QueryRefused
from dpquery.kernel.outlook import expected
from dpquery.kernel.pricing import weights
from dpquery.kernel.shares import OF_PAIR, OF_PRESENCE, OF_RANK_PRESENCE
from dpquery.noise.calibration import Law
from dpquery.plan.aggregates import PairKind, Total, Units

from .conftest import PURE, TERMS

if TYPE_CHECKING:
    from .conftest import Price

ENDS = (1 / 6, 1 / 6)
"""Of the interval of a quantile."""
DP = "WITH DIFFERENTIAL_PRIVACY OPTIONS ({})"


@pytest.mark.parametrize(
    ("items", "group", "shared"),
    [
        ("COUNT(*)", "", [1]),
        ("COUNT(*), SUM(amount)", "express", [1, 1]),
        # an average alone gives two thirds to its sum; shown beside its count, half
        ("AVG(amount)", "express", [1, 2]),
        ("AVG(amount), COUNT(amount)", "express", [1, 1]),
        ("AVG(amount), SUM(amount)", "express", [1, 2]),
        # what only says whether there is anything gets little
        ("SUM(amount)", "", [1, OF_PRESENCE]),
        ("SUM(amount), COUNT(DISTINCT customer_id)", "", [1, OF_PRESENCE, 1]),
        ("BOOL_OR(express)", "", [1, OF_PRESENCE]),
        ("MEDIAN(amount)", "", [OF_RANK_PRESENCE, 2 / 3, *ENDS]),
        ("MEDIAN(amount), MAX(amount)", "", [OF_RANK_PRESENCE, 2 / 3, 1, *ENDS]),
        # cells of one vector share
        ("COUNT_IF(status = 'a'), COUNT_IF(status = 'b')", "", [1]),
        ("COUNT(DISTINCT note)", "", [1]),
        ("AVG(DISTINCT amount)", "", [1, 2]),
        ("SUM(amount)", "note", [1, 1]),  # the units decide which groups are shown
        ("STDDEV(amount)", "express", [1] * 3),
        ("CORR(amount, order_id % 7)", "express", OF_PAIR[PairKind.CORR]),
        ("REGR_R2(amount, order_id % 7)", "express", OF_PAIR[PairKind.CORR]),
        # of two columns, each moment gets what the one that needs it most would give
        (
            "REGR_SXX(amount, order_id % 7), REGR_COUNT(amount, order_id % 7)",
            "express",
            OF_PAIR[PairKind.REGR_SXX],
        ),
    ],
)
def test_how_a_release_shares_its_loss(
    price: Price, items: str, group: str, shared: list[float]
) -> None:
    by = f"GROUP BY {group}" if group else ""
    (step,) = price(f"SELECT {items} FROM orders {by}").steps
    assert weights(step.step) == list(shared)
    whole = sum(loss.amount for loss in step.handed_out)
    parts = [sum(e.amount for e in each) for each in _measurements(step)]
    for part, weight in zip(parts, shared, strict=True):
        assert part / whole == pytest.approx(weight / sum(shared), rel=1e-3)


def _measurements(step) -> list[list[Loss]]:  # noqa: ANN001 -- a priced step
    found = [[vector.handed_out] for vector in step.vectors]
    found += [[union.handed_out] for union in step.unions]
    return found + [[loss for _, loss in choice.levels] for choice in step.choices]


QUERIES = [
    "SELECT COUNT(*), SUM(amount), AVG(amount) FROM orders",
    "SELECT note, COUNT(*) FROM orders GROUP BY note",
    "SELECT COUNT(DISTINCT note), MEDIAN(amount) FROM orders GROUP BY express",
    "SELECT status, COUNT(*) FROM orders GROUP BY ROLLUP (status)",
    "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM orders)",
    "SELECT category FROM products",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_no_more_is_lost_than_is_charged(price: Price, sql: str) -> None:
    prepared = price(sql)
    definition = prepared.loss.definition
    lost = loss_of_events(prepared.events, definition)
    assert lost.within(prepared.loss)
    asked = TERMS.promise.loss_of(TERMS.epsilon)
    assert prepared.loss.amount <= asked.amount
    if prepared.steps:
        assert prepared.loss.amount >= asked.amount * 0.999  # and nothing is left over
    handed = sum(
        (each for s in prepared.steps for each in s.handed_out), Loss.zero(definition)
    )
    assert handed.amount == prepared.loss.amount


def test_withholding_is_paid_once_for_each_release_that_withholds(price: Price) -> None:
    prepared = price("SELECT note, kind, COUNT(*) FROM orders GROUP BY ROLLUP (1, 2)")
    withheld = [e for e in prepared.events if isinstance(e, Withholding)]
    assert len(withheld) == 2  # (note, kind) and (note); one group of all is shown
    assert [step.threshold is None for step in prepared.steps] == [False, False, True]
    assert (
        prepared.loss.delta_amount if hasattr(prepared.loss, "delta_amount") else True
    )


# --- several releases -------------------------------------------------------------

TWO = (
    "SELECT a.n, b.n FROM (SELECT {} COUNT(*) AS n FROM orders) AS a,"
    " (SELECT {} COUNT(*) AS n FROM customers) AS b"
)


def amounts(price: Price, *options: str) -> list[int]:
    made = [DP.format(each) if each else "" for each in options]
    prepared = price(TWO.format(*made))
    return [sum(each.amount for each in step.handed_out) for step in prepared.steps]


def test_releases_share_the_loss_that_was_asked_with(price: Price) -> None:
    one, other = amounts(price, "", "")
    assert one == other
    assert one + other <= TERMS.promise.loss_of(TERMS.epsilon).amount <= one + other + 2


def test_a_release_with_an_epsilon_of_its_own_gets_that(price: Price) -> None:
    one, other = amounts(price, "epsilon = 0.1", "")
    assert one == pytest.approx(TERMS.promise.loss_of(0.1).amount, abs=2)
    assert other == pytest.approx(TERMS.promise.loss_of(TERMS.epsilon).amount, abs=2)
    both = amounts(price, "epsilon = 0.1", "epsilon = 0.3")
    expected = [TERMS.promise.loss_of(e).amount for e in (0.1, 0.3)]
    assert both == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("options", [("epsilon = 1.1", ""), ("epsilon = 0.9",) * 2])
def test_no_query_spends_more_than_one_query_may(
    price: Price, options: tuple[str, str]
) -> None:
    with pytest.raises(BudgetExceeded) as caught:
        amounts(price, *options)
    assert caught.value.code == "DPQ203"
    assert "ε 1," in caught.value.message
    assert caught.value.position is not None


def test_without_a_limit_of_its_own_a_query_may_spend_what_it_was_asked_with(
    price: Price,
) -> None:
    terms = replace(TERMS, max_epsilon=None)
    sql = f"SELECT {DP.format('epsilon = 0.3')} COUNT(*) FROM orders"
    with pytest.raises(BudgetExceeded) as caught:
        price(sql, terms)
    assert "ε 0.2," in caught.value.message


@pytest.mark.parametrize(
    ("delta", "code"), [("1e-11", None), ("1e-10", None), ("1e-9", "DPQ136")]
)
def test_delta_is_tightened_and_never_loosened(
    price: Price, delta: str, code: str | None
) -> None:
    sql = (
        f"SELECT {DP.format(f'delta = {delta}')} note, COUNT(*) FROM orders GROUP BY 1"
    )
    if code is None:
        (step,) = price(sql).steps
        assert step.delta == float(delta)
        (usual,) = price("SELECT note, COUNT(*) FROM orders GROUP BY 1").steps
        assert (step.threshold or 0) >= (usual.threshold or 0)
    else:
        with pytest.raises(QueryRefused) as caught:
            price(sql)
        assert caught.value.code == code
        assert caught.value.position is not None


@pytest.mark.parametrize("groups", [2, 8, 99])
def test_groups_are_tightened_and_never_loosened(price: Price, groups: int) -> None:
    options = DP.format(f"max_groups_contributed = {groups}")
    (step,) = price(f"SELECT {options} note, COUNT(*) FROM orders GROUP BY 1").steps
    assert step.step.bounding.groups == min(groups, 8)


@pytest.mark.parametrize(("said", "least"), [(None, 5), (3, 5), (9, 9)])
def test_a_minimum_of_units_is_tightened_and_never_loosened(
    price: Price, said: int | None, least: int
) -> None:
    option = "" if said is None else DP.format(f"min_privacy_units_per_group = {said}")
    sql = "SELECT {} note, COUNT(*) FROM orders GROUP BY 1"
    terms = replace(TERMS, rules=replace(TERMS.rules, min_units=5))
    (step,) = price(sql.format(option), terms).steps
    (usual,) = price(sql.format("")).steps
    assert (step.step.bounding.min_units, usual.step.bounding.min_units) == (least, 1)
    steps, _ = step.noise_of(Units())
    # as many units more are needed as others may be in a group that one unit decides
    assert (step.threshold or 0) - (usual.threshold or 0) == (least - 1) * steps


def test_public_groups_have_no_minimum(price: Price) -> None:
    """They are shown whatever they hold: a query that wants another is refused."""
    terms = replace(TERMS, rules=replace(TERMS.rules, min_units=5))
    sql = "SELECT {} status, COUNT(*) FROM orders GROUP BY 1"
    (step,) = price(sql.format(""), terms).steps
    assert (step.threshold, step.step.bounding.min_units) == (None, 1)
    with pytest.raises(QueryRefused, match="not public") as caught:
        price(sql.format(DP.format("min_privacy_units_per_group = 2")))
    assert caught.value.code == "DPQ136"
    assert caught.value.position is not None


def test_too_little_for_so_many_measurements_is_refused(price: Price) -> None:
    items = ", ".join(f"COUNT_IF(amount > {n})" for n in range(60))
    options = DP.format("epsilon = 1e-6")
    with pytest.raises(QueryRefused) as caught:
        price(f"SELECT {options} {items} FROM orders")
    assert caught.value.code == "DPQ140"


# --- pure DP ----------------------------------------------------------------------


def test_pure_dp_has_laplace_noise_and_no_delta(price: Price) -> None:
    prepared = price("SELECT status, COUNT(*) FROM orders GROUP BY status", PURE)
    (step,) = prepared.steps
    assert [vector.noise.law for vector in step.vectors] == [Law.LAPLACE]
    assert not any(isinstance(each, Withholding) for each in prepared.events)
    with pytest.raises(QueryRefused) as caught:
        price("SELECT note, COUNT(*) FROM orders GROUP BY note", PURE)
    assert caught.value.code == "DPQ127"


# --- fingerprints -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "same"),
    [
        ("select\n count(*) from ORDERS where Amount > 5", True),
        ("SELECT COUNT(*) FROM orders AS o WHERE o.amount > 5", True),
        ("SELECT COUNT(*) FROM orders WHERE amount > 6", False),
        ("SELECT COUNT(*) AS n FROM orders WHERE amount > 5", False),
        (
            (
                f"SELECT {DP.format('epsilon = 0.1')} COUNT(*) FROM orders WHERE amount"
                f" > 5"
            ),
            False,
        ),
    ],
)
def test_equal_questions_at_an_equal_price_are_one(
    price: Price, sql: str, *, same: bool
) -> None:
    one = price("SELECT COUNT(*) FROM orders WHERE amount > 5")
    assert (price(sql).fingerprint == one.fingerprint) is same


def test_expected_half_widths(price: Price) -> None:
    found = expected(
        price("SELECT COUNT(*) AS n, AVG(amount) AS a, 1 AS one FROM orders")
    )
    assert [(each.column, each.assuming) for each in found] == [
        ("n", None),
        ("a", "a group of 1,000 rows"),
    ]
    assert all(each.half_width for each in found)
    (step,) = price("SELECT COUNT(*) AS n FROM orders").steps
    sigma = step.vectors[0].noise.std / step.step.moments[0].steps
    (half,) = expected(price("SELECT COUNT(*) AS n FROM orders"))
    assert half.half_width == pytest.approx(1.96 * sigma, rel=0.02)


def test_the_error_of_a_deviation_is_that_of_its_variance(price: Price) -> None:
    """By the delta method, at a third of the way to the bounds (theory.md 4.3)."""
    sql = "SELECT VAR_POP(amount) AS v, STDDEV_POP(amount) AS d FROM orders"
    variance, deviation = expected(price(sql, TERMS))
    assert variance.assuming == deviation.assuming == "a group of 1,000 rows"
    assert variance.half_width is not None
    assert deviation.half_width is not None
    step = price(sql, TERMS).steps[0].step
    reach = next(m.moment.value for m in step.moments if isinstance(m.moment, Total))
    usual = float(reach.reach * reach.grid) / 3
    assert variance.half_width / deviation.half_width == pytest.approx(2 * usual)
