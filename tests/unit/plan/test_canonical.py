"""Pairs of questions: what is one release, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dpquery.plan.aggregates import RankKind, RankTarget
from dpquery.plan.analysis.canonical import Canonical, canonical, target_digest
from dpquery.plan.expressions import Expression, Subquery, SubqueryKind
from dpquery.plan.program import BoundingMode, KeyDomain, PublicKeys, ReleaseStep
from dpquery.plan.relations import Filter, Relation, Released
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.catalog import Catalog, SqlType
from dpquery.sql.queries.bind import bind

NORM = BoundingRules(BoundingMode.NORM, norm=2, groups=8)
TRUNCATE = BoundingRules(BoundingMode.TRUNCATE, norm=2, groups=2)
FOLDER = Path(__file__).parent


def pairs(name: str, sign: str) -> list[tuple[str, str]]:
    """Return the pairs of questions in a file: blocks of text, a sign between two."""
    text = (FOLDER / f"canonical_{name}.txt").read_text(encoding="utf-8")
    blocks = [each for each in text.split("\n\n") if not each.startswith("#")]
    found = [each.strip().split(f"\n{sign}\n") for each in blocks]
    return [(one, other) for one, other in found]


SAME, DIFFERENT = pairs("same", "="), pairs("different", "≠")


def one_step(sql: str, catalog: Catalog, rules: BoundingRules = NORM) -> ReleaseStep:
    (step,) = compile_program(bind(sql, catalog), catalog, rules).releases
    return step


def regardless_of_order(made: Canonical) -> Canonical:
    """Return a normal form whose keys and measurements are sorted."""
    pairs = sorted(zip(made.moments, made.limits, strict=True))
    return replace(
        made,
        keys=tuple(sorted(made.keys)),
        moments=tuple(moment for moment, _ in pairs),
        limits=tuple(limit for _, limit in pairs),
        distinct=tuple(sorted(made.distinct)),
        rankings=tuple(sorted(made.rankings)),
    )


Form = Callable[..., Canonical]


@pytest.fixture
def form(shop: Catalog) -> Form:
    """Return the normal form of the one release of a question."""

    def normal(sql: str, rules: BoundingRules = NORM) -> Canonical:
        return regardless_of_order(canonical(one_step(sql, shop, rules)))

    return normal


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_release(form: Form, one: str, other: str) -> None:
    assert one != other
    assert form(one) == form(other)
    assert form(one, TRUNCATE).source == form(other, TRUNCATE).source


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_releases(form: Form, one: str, other: str) -> None:
    apart = [replace(form(each), limits=()) for each in (one, other)]
    assert apart[0] != apart[1]  # not only by how much there is of it


def test_there_are_enough_pairs() -> None:
    assert len(SAME) >= 40
    assert len(DIFFERENT) >= 40


def test_other_rules_are_other_bounds(form: Form) -> None:
    sql = "SELECT note, COUNT(*) FROM orders GROUP BY note"
    one, other = form(sql), form(sql, TRUNCATE)
    assert one.bounding != other.bounding
    assert (one.source, one.keys, one.moments) == (
        other.source,
        other.keys,
        other.moments,
    )


def test_moments_are_the_same_beside_others(form: Form) -> None:
    one = form("SELECT COUNT(*) FROM orders")
    other = form("SELECT COUNT(*), SUM(amount) FROM orders")
    assert one.source == other.source
    assert set(one.moments) < set(other.moments)
    assert set(one.limits) < set(other.limits)


def test_what_is_scaled_together_has_its_limits_together(form: Form) -> None:
    """SUM alone is scaled by a factor of its own, and AVG's parts by one of both."""
    total = "SUM(amount, contribution_bounds_per_row => (-5, 5))"
    mean = "AVG(amount, contribution_bounds_per_row => (-5, 5))"
    one = form(f"SELECT {total} FROM orders")
    other = form(f"SELECT {mean} FROM orders")
    assert set(one.moments) & set(other.moments)
    assert not set(one.limits) & set(other.limits)


def test_which_groups_a_unit_keeps_depends_on_the_order_of_keys(form: Form) -> None:
    """It is decided by a hash of the keys, one after the other."""
    one = "SELECT note, status, COUNT(*) FROM orders GROUP BY note, status"
    other = one.replace("BY note, status", "BY status, note")
    assert form(one) == form(other)
    assert form(one, TRUNCATE).keys == form(other, TRUNCATE).keys
    assert form(one, TRUNCATE).bounding != form(other, TRUNCATE).bounding


def test_which_values_a_unit_keeps_depends_on_the_order_of_keys(form: Form) -> None:
    one = "SELECT COUNT(DISTINCT kind) FROM orders GROUP BY note, status"
    other = one.replace("BY note, status", "BY status, note")
    assert form(one).distinct != form(other).distinct


def test_equal_keys_are_numbered(shop: Catalog) -> None:
    step = one_step("SELECT status, COUNT(*) FROM orders GROUP BY status", shop)
    (source,) = step.domain.sources if step.domain else ()
    twice = replace(step, keys=step.keys * 2)
    assert len(set(canonical(twice).keys)) == 2
    assert canonical(twice).domain == canonical(step).domain
    second = replace(source, keys=(1,))
    moved = replace(twice, domain=replace(step.domain, sources=(second,)))
    assert canonical(moved).domain != canonical(step).domain


def test_order_and_copies_of_listed_groups_do_not_matter(shop: Catalog) -> None:
    step = one_step("SELECT status, COUNT(*) FROM orders GROUP BY status", shop)
    assert step.domain is not None
    (source,) = step.domain.sources
    other = replace(source, rows=source.rows[::-1] + source.rows[:1])
    changed = replace(step, domain=replace(step.domain, sources=(other,)))
    assert canonical(changed) == canonical(step)
    fewer = replace(source, rows=source.rows[:1])
    changed = replace(step, domain=replace(step.domain, sources=(fewer,)))
    assert canonical(changed) != canonical(step)


def test_unknown_groups_have_no_domain(form: Form) -> None:
    assert form("SELECT note, COUNT(*) FROM orders GROUP BY note").domain is None
    assert form("SELECT COUNT(*) FROM orders").domain == ()


def test_very_large_limits_are_about_all_moments(shop: Catalog) -> None:
    """Beyond 53 bits it shows whether a unit was scaled by a factor of one."""
    step = one_step("SELECT COUNT(*), SUM(amount) FROM orders", shop)
    first, *others = step.moments
    apart = canonical(step).limits
    assert apart[0] == canonical(replace(step, moments=(first,))).limits[0]
    large = (first, *(replace(each, limit=1 << 53) for each in others))
    assert canonical(replace(step, moments=large)).limits[0] != apart[0]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM orders)",
        (
            "SELECT SUM(CASE WHEN amount > (SELECT AVG(amount) FROM orders) THEN 1 END)"
            " FROM orders"
        ),
        (
            "SELECT COUNT(*) FROM orders AS o JOIN (SELECT status AS s, COUNT(*) AS n"
            " FROM orders GROUP BY status) AS t ON t.s = o.status"
        ),
    ],
)
def test_what_reads_answers_is_volatile(shop: Catalog, sql: str) -> None:
    first, last = compile_program(bind(sql, shop), shop, NORM).releases
    assert not canonical(first).volatile
    assert canonical(last).volatile


def test_released_groups_are_volatile(shop: Catalog) -> None:
    step = one_step(
        "SELECT p.category, COUNT(*) FROM orders AS o JOIN products AS p"
        " ON p.category = o.kind GROUP BY 1",
        shop,
    )
    assert step.domain is not None
    assert not canonical(step).volatile
    (source,) = step.domain.sources
    assert isinstance(source, PublicKeys)
    rows = Released("r", "i1", ())
    read = replace(source, relation=Filter(source.relation, _exists(rows)))
    changed = replace(step, domain=KeyDomain((read,)))
    assert canonical(changed).volatile


def _exists(rows: Relation) -> Expression:
    return Subquery(SubqueryKind.EXISTS, rows, SqlType.BOOLEAN)


def test_many_leaves_that_are_alike_take_no_time(shop: Catalog) -> None:
    names = [f"t{at}" for at in range(12)]
    tables = ", ".join(f"orders AS {name}" for name in names)
    equal = " AND ".join(f"t0.customer_id = {each}.customer_id" for each in names[1:])
    step = one_step(f"SELECT COUNT(*) FROM {tables} WHERE {equal}", shop)
    assert canonical(step) == canonical(step)


def test_nested_tables_take_no_time(shop: Catalog) -> None:
    """Each level reads the one below twice."""
    table = "orders"
    for _ in range(12):
        table = f"(SELECT customer_id, amount + amount AS amount FROM {table})"
    step = one_step(f"SELECT COUNT(*) FROM {table} WHERE amount > 3", shop)
    assert not canonical(step).volatile


def test_targets() -> None:
    half, low = RankTarget(RankKind.QUANTILE), RankTarget(RankKind.LOWEST)
    assert target_digest(half) != target_digest(low)
    assert target_digest(low) == target_digest(RankTarget(RankKind.LOWEST))


@pytest.mark.parametrize(
    ("dialect", "same"), [("duckdb", True), ("mysql", True), ("postgres", False)]
)
def test_dialects_are_told_apart_by_what_they_mean(
    shop: Catalog, *, dialect: str, same: bool
) -> None:
    """In some, the quotient of two whole numbers is a whole number."""
    sql = "SELECT COUNT(*) FROM orders WHERE order_id / 2 = 3"
    query = bind(sql, shop, dialect=dialect)
    (step,) = compile_program(query, shop, NORM).releases
    assert (canonical(step) == canonical(one_step(sql, shop))) is same
