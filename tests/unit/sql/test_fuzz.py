"""No text whatever makes anything but an answer or one of our errors.

Queries of all tests are mangled as texts and as trees. What is not refused is charged,
so it must also be put into SQL, and run on rows that make SQL raise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import Dialects

from dpquery.engines.base import Statement
from dpquery.errors import (
    BudgetExceeded,
    ConfigError,
    DPQueryError,
    QueryRefused,
    SQLSyntaxError,
)
from dpquery.kernel.explain import explain
from dpquery.kernel.measurement import statements_of
from dpquery.kernel.notes import notes
from dpquery.kernel.outlook import expected
from dpquery.kernel.prepare import Prepared, Terms, prepare
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules
from dpquery.service.access import dataset_promise
from dpquery.sql.parsing.dp_syntax import written
from dpquery.sql.parsing.parse import parse

from ...canary.texts import HERE as CANARY  # noqa: TID252 -- tests are no package
from ...canary.texts import queries_in, texts  # noqa: TID252 -- tests are no package
from .bombs import BOMBS
from .hostile_world import ROWS, opened
from .mutations import LONGEST, WORDS, Grove, mutated_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.engines.duckdb import DuckDBEngine
    from dpquery.policy.catalog import Catalog
    from dpquery.policy.load import LoadedPolicy
    from dpquery.service import Session

HOSTILE = Path(__file__).parent / "hostile.jsonl"
DIALECTS = sorted(each.value for each in Dialects if each.value)
EACH = 400
"""Texts of one test."""

Outcome = Callable[..., str]


def hostile() -> list[str]:
    lines = HOSTILE.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["sql"] for line in lines]


@pytest.fixture(scope="module")
def pool() -> list[str]:
    """Return what is mangled: all queries of the tests, and hostile ones."""
    return [each for each in [*texts(), *hostile()] if len(each) < LONGEST]


@pytest.fixture(scope="module")
def outcome(
    shop: Catalog, shop_policy: LoadedPolicy, shop_engine: DuckDBEngine
) -> Outcome:
    """Return what takes a text the whole way; what is no error of ours escapes."""
    terms = Terms(
        dataset_promise(shop_policy.policy),
        0.2,
        1e-10,
        BoundingRules(BoundingMode.NORM, norm=2, groups=4),
    )

    def taken(sql: str, dialect: str = "duckdb", *, runs: bool = False) -> str:
        try:
            prepared = prepare(sql, shop, terms, dialect)
        except (QueryRefused, SQLSyntaxError, BudgetExceeded) as refusal:
            return refusal.code if printable(refusal) else f"prints {refusal!r}"
        except ConfigError:
            return "misconfigured"
        assert explain(prepared)
        assert all(notes(prepared))
        assert all(each.column for each in expected(prepared))
        run(prepared, shop_engine if runs else None)
        return "answered"

    return taken


def printable(error: DPQueryError) -> bool:
    """Return whether a refusal has lines, and no other control character."""
    return str(error).replace("\n", "").isprintable()


def run(prepared: Prepared, engine: DuckDBEngine | None) -> None:
    """Lower all that is read, and run it on strange rows; no earlier answers exist."""
    for priced in prepared.steps:
        for sql in statements_of(priced.step).all:
            assert sql.text
            if engine is not None and not sql.inputs:
                statement = Statement(sql.text, sql.tables, sql.functions)
                assert engine.execute(statement) is not None


def tried(outcome: Outcome, queries: Iterator[str], *dialects: str) -> Counter[str]:
    """Return how often each outcome was met; say which text made something else."""
    met: Counter[str] = Counter()
    for at, sql in enumerate(queries):
        dialect = dialects[at % len(dialects)] if dialects else "duckdb"
        try:
            met[outcome(sql, dialect, runs=at % 4 == 0)] += 1
        except Exception as error:
            error.add_note(f"{dialect}: {sql!r}")
            raise
    assert not [each for each in met if each.startswith("prints")]
    return met


@pytest.fixture(scope="module")
def grove() -> Grove:
    """Return trees of questions to the shop."""
    return Grove.planted(queries_in(CANARY / "shop.sql"))


# --- mangled texts and trees ------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_mangled_texts(outcome: Outcome, pool: list[str], seed: int) -> None:
    random = Random(seed)  # noqa: S311 -- the same texts each time
    met = tried(outcome, (mutated_text(random, pool) for _ in range(2 * EACH)))
    assert met["answered"] > EACH / 100


@pytest.mark.parametrize("seed", range(2))
def test_mangled_texts_in_every_dialect(
    outcome: Outcome, pool: list[str], seed: int
) -> None:
    random = Random(1_000 + seed)  # noqa: S311 -- the same texts each time
    queries = (mutated_text(random, pool) for _ in range(2 * EACH))
    assert len(tried(outcome, queries, *DIALECTS)) > 5


@pytest.mark.parametrize("seed", range(3))
def test_mangled_trees(outcome: Outcome, grove: Grove, seed: int) -> None:
    random = Random(2_000 + seed)  # noqa: S311 -- the same trees each time
    met = tried(outcome, (grove.mutated(random) for _ in range(EACH)))
    assert met["answered"] > EACH / 10
    assert len(met) > 10


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100))
def test_many_more_of_them(
    outcome: Outcome, grove: Grove, pool: list[str], seed: int
) -> None:
    random = Random(3_000 + seed)  # noqa: S311 -- the same each time
    tried(outcome, (grove.mutated(random) for _ in range(10 * EACH)))
    tried(outcome, (mutated_text(random, pool) for _ in range(10 * EACH)))
    every = (mutated_text(random, pool) for _ in range(10 * EACH))
    tried(outcome, every, *DIALECTS)


# --- texts that nobody would write ------------------------------------------------

FUZZ = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=200,
)


@FUZZ
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_words_in_any_order(outcome: Outcome, sql: str) -> None:
    assert outcome(f"SELECT {sql} FROM orders", runs=True)


@FUZZ
@given(
    st.text(max_size=60),
    st.sampled_from(
        [
            "{}",
            "SELECT {} FROM orders",
            "SELECT COUNT(*) FROM orders WHERE note = '{}'",
            'SELECT COUNT(*) AS "{}" FROM orders',
            'SELECT COUNT(*) FROM "{}"',
        ]
    ),
)
def test_any_text(outcome: Outcome, text: str, around: str) -> None:
    assert outcome(around.replace("{}", text), runs=True)


PIECES = [
    *(("(", ")"), ("-", ""), ("NOT ", ""), ("ABS(", ")"), ("amount + ", "")),
    *(("CASE WHEN TRUE THEN ", " END"), ("CAST(", " AS DOUBLE)"), ("[", "]")),
    *(("COALESCE(1, ", ")"), ("amount > 1 AND ", ""), ("amount > 1 OR ", "")),
    *(("amount IN (", ")"), ("IF(TRUE, ", ", 1)"), ("(SELECT ", ")"), ("x -> ", "")),
    *(("EXISTS (SELECT ", ")"), ("DATE ", ""), ("INTERVAL ", ""), ("note || ", "")),
    *(("SUM(", ") OVER ()"), ("(VALUES (", "))"), ("UNNEST(", ")"), ("{'a': ", "}")),
    *(("SELECT * FROM (", ")"), ("WITH a AS (", ") SELECT 1"), ("CUBE(", ")")),
]


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece[0])
@pytest.mark.parametrize("depth", [5, 30, 39, 60, 150, 400, 900, 10_000])
def test_deep_nesting(outcome: Outcome, piece: tuple[str, str], depth: int) -> None:
    opening, closing = piece
    inner = f"{opening * depth}amount{closing * depth}"
    for sql in (
        f"SELECT SUM({inner}) FROM orders",
        f"SELECT COUNT(*) FROM orders WHERE {inner}",
        f"SELECT {inner}, COUNT(*) FROM orders GROUP BY 1",
        f"SELECT COUNT(*) FROM orders ORDER BY {inner}",
        f"SELECT {inner.replace('amount', 'COUNT(*)')} FROM orders",
        inner,
    ):
        assert outcome(sql)


@pytest.mark.parametrize("bomb", BOMBS)
def test_short_texts_that_mean_a_lot(outcome: Outcome, bomb: str) -> None:
    assert outcome(BOMBS[bomb])


# --- dialects and parameters ------------------------------------------------------

GOOD = (
    """SELECT status, COUNT(*) AS n, AVG(amount) FROM orders WHERE amount > 5
    GROUP BY status HAVING COUNT(*) > 5 ORDER BY n DESC""",
    """SELECT c.city, COUNT(DISTINCT c.customer_id) FROM customers AS c JOIN orders AS o
    ON o.customer_id = c.customer_id GROUP BY c.city""",
)


@pytest.mark.parametrize("dialect", sorted(each.value for each in Dialects))
def test_every_dialect(outcome: Outcome, dialect: str) -> None:
    queries = [*GOOD, "SELECT", "SELECT 'a", "SELECT COUNT(*) FROM orders; SELECT 1"]
    found = {outcome(sql, dialect) for sql in queries}
    assert ("misconfigured" in found) == (dialect == "")


PARAMETERS = [
    (
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 0.5, delta = 1e-10,"
        " max_groups_contributed = 4, group_selection_strategy = PUBLIC_GROUPS,"
        " privacy_unit_column = o.customer_id) status, COUNT(*),"
        " SUM(amount, contribution_bounds_per_group => (-0.5, 500))"
        " FROM orders AS o GROUP BY status"
    ),
    (
        "SELECT AVG(amount, contribution_bounds_per_row => (0, 100)) AS a, n: COUNT(*,"
        " contribution_bounds_per_group => (0, 5)) FROM (SELECT WITH"
        " DIFFERENTIAL_PRIVACY OPTIONS () amount FROM orders) UNION ALL SELECT WITH"
        " DIFFERENTIAL_PRIVACY OPTIONS (epsilon = NULL) COUNT(*), 1 FROM orders"
    ),
]


@pytest.mark.parametrize("seed", range(2))
def test_mangled_parameters_in_every_dialect(outcome: Outcome, seed: int) -> None:
    random = Random(4_000 + seed)  # noqa: S311 -- the same texts each time
    queries = [mutated_text(random, PARAMETERS) for _ in range(EACH)]
    met = tried(outcome, iter(queries), *DIALECTS)
    assert met["DPQ006"] > EACH / 20
    for at, sql in enumerate(queries):
        try:
            tree = parse(sql, DIALECTS[at % len(DIALECTS)])
        except (SQLSyntaxError, QueryRefused):
            continue
        assert all(place.length > 0 for place in written(tree))  # they belong to nodes


def test_the_parameters_are_read() -> None:
    assert [len(list(written(parse(each)))) for each in PARAMETERS] == [2, 4]


def test_the_good_ones_are_answered(outcome: Outcome) -> None:
    assert {outcome(sql, runs=True) for sql in GOOD} == {"answered"}


# --- with the process above the boundary ------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("fuzz")
    with opened(folder / "service", ROWS) as service:
        yield service.session("alice")


def priced(session: Session, random: Random, count: int) -> Counter[str]:
    """Return how often each outcome was met when mangled queries were priced."""
    grove, met = Grove.planted(hostile()), Counter[str]()
    for _ in range(count):
        sql = grove.mutated(random)
        try:
            met["priced"] += session.price(sql) is not None
        except (QueryRefused, SQLSyntaxError, BudgetExceeded) as error:
            met[error.code] += 1
        except Exception as error:
            error.add_note(repr(sql))
            raise
    return met


def test_prices_of_mangled_trees(session: Session) -> None:
    """The process above says what it cannot bind, before a charge and in our words."""
    random = Random(5_000)  # noqa: S311 -- the same trees each time
    met = priced(session, random, EACH)
    assert met["priced"] > EACH / 50
    assert met["DPQ141"] > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_many_more_prices(session: Session, seed: int) -> None:
    random = Random(6_000 + seed)  # noqa: S311 -- the same trees each time
    assert priced(session, random, 10 * EACH)
