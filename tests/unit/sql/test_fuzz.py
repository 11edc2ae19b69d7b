"""Mangled SQL gives a plan or one of our errors: never anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from dpquery.sql.lower_post import lower_post
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import Dialects

from dpquery.engines.base import Statement
from dpquery.errors import ConfigError, QueryRefused, SQLSyntaxError
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.sql.bind import bind
from dpquery.sql.dp_syntax import written
from dpquery.sql.lower import lower_release
from dpquery.sql.parse import parse

if TYPE_CHECKING:
    from dpquery.engines.duckdb import DuckDBEngine
    from dpquery.policy.catalog import Catalog

GOOD = [
    (
        "SELECT status, COUNT(*) AS n, AVG(amount) FROM orders WHERE amount > 5"
        " GROUP BY status HAVING n > 5 ORDER BY n DESC, 1 LIMIT 5 OFFSET 1"
    ),
    (
        "SELECT date_trunc('month', placed_on) AS m, SUM(CASE WHEN express THEN amount"
        " ELSE 0 END) / COUNT(*) FROM orders GROUP BY ALL ORDER BY ALL"
    ),
    (
        "SELECT c.city, p.category, COUNT(DISTINCT c.customer_id) FROM customers AS c"
        " JOIN orders AS o ON o.customer_id = c.customer_id"
        " LEFT JOIN products AS p ON o.kind = p.category GROUP BY c.city, p.category"
    ),
    (
        "SELECT COUNT(*) FROM picks WHERE seconds BETWEEN 1 AND 2.5e0 OR NOT seconds IN"
        " (1, 2, NULL) AND seconds IS NOT NULL"
    ),
    (
        'SELECT SUM(LEAST(GREATEST(CAST(note AS DOUBLE), -1), 100)) AS "a b"'
        " FROM orders"
        " WHERE LOWER(note) LIKE '%x_' AND LEFT(note, 2) || 'é' = CONCAT(note, NULL)"
    ),
    (
        "SELECT EXTRACT(year FROM paid_at) AS y, COUNT(note) FROM orders"
        " WHERE paid_at >= TIMESTAMP '2024-01-31 10:00:00' GROUP BY 1"
    ),
]
TOKENS = [re.findall(r"'[^']*'|\w+|\s+|[^\w\s]", each) for each in GOOD]
WORDS = [
    *sorted({token for tokens in TOKENS for token in tokens}),
    *("SELECT", "FROM", "WHERE", "(", ")", ",", "*", ".", ";", "--", "/*", "*/", "'"),
    *(
        '"',
        "`",
        "[",
        "]",
        "{",
        "}",
        "::",
        "->",
        "->>",
        "=>",
        "<=>",
        "||",
        "!",
        "@",
        "#",
    ),
    *("$1", "$$", "?", ":x", "%", "^", "~", "&", "|", "\\", "e'", "x'41'", "0x1F"),
    *("UNION", "WITH", "VALUES", "EXISTS", "OVER", "FILTER", "DISTINCT", "ON", "USING"),
    *("INTERVAL", "DATE", "STRUCT", "ARRAY", "MAP", "LAMBDA", "NULL", "TRUE", "INF"),
    *("CASE", "END", "CAST", "AS", "IS", "IN", "LIKE", "ESCAPE", "SIMILAR", "PIVOT"),
    *(
        "9" * 400,
        "1e999",
        "1_000",
        "٣",
        "²",
        "\uff2b",
        "\u212a",
        "é",
        "🙂",
        "\u200b",
        "\x00",
    ),
    *("LATERAL", "UNNEST", "TABLESAMPLE", "QUALIFY", "GROUPING", "SETS", "ROLLUP"),
    *("AT TIME ZONE 'UTC'", "COLLATE NOCASE", "FOR UPDATE", "INTO x", "LIMIT 1%"),
]
RULES = [
    BoundingRules(mode, norm, groups=4) for mode in BoundingMode for norm in (1, 2)
]


Outcome = Callable[..., str]


@pytest.fixture(scope="module")
def outcome(shop: Catalog, shop_engine: DuckDBEngine) -> Outcome:
    def taken(sql: str, dialect: str = "duckdb", *, runs: bool = True) -> str:
        return outcome_of(sql, shop, shop_engine if runs else None, dialect)

    return taken


def outcome_of(
    sql: str, catalog: Catalog, engine: DuckDBEngine | None, dialect: str
) -> str:
    """Take *sql* the whole way; whatever is not an error of ours escapes."""
    try:
        query = bind(sql, catalog, dialect)
        for rules in RULES:
            program = compile_program(query, catalog, rules)
            lowered = lower_release(program.releases[0])
            lower_post(program.post, "r1")
            if engine is not None:  # what is accepted is charged, so it must run
                statement = Statement(lowered.text, lowered.tables, lowered.functions)
                assert engine.execute(statement) is not None
                engine = None
    except (SQLSyntaxError, QueryRefused) as refusal:
        return _shown(str(refusal))
    except ConfigError:
        return "misconfigured"
    return "answered"


def _shown(text: str) -> str:
    """Refusals have several lines, and no other control character."""
    return "refused" if text.replace("\n", "").isprintable() else f"prints {text!r}"


@st.composite
def mutated(draw: st.DrawFn) -> str:
    tokens = list(draw(st.sampled_from(TOKENS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(["delete", "swap", "double", "insert", "replace"])):
            case "delete" if len(tokens) > 1:
                del tokens[at]
            case "swap":
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "double":
                tokens.insert(at, tokens[at])
            case "insert":
                tokens.insert(at, " " + draw(st.sampled_from(WORDS)) + " ")
            case _:
                tokens[at] = draw(st.sampled_from(WORDS))
    return "".join(tokens)


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
PARAMETER_TOKENS = [re.findall(r"'[^']*'|=>|\w+|\s+|[^\w\s]", p) for p in PARAMETERS]
PARAMETER_WORDS = [
    *sorted({token for tokens in PARAMETER_TOKENS for token in tokens}),
    *("WITH", "OPTIONS", "(", ")", ",", "=", "=>", ":=", "'", "')'", '"', ";", "--"),
    *("epsilon", "kappa", "report_format", "NULL", "-", "+", ".", "1e999", "[", "}"),
    *("/* 0 */", "/*+ x */", "/* sqlglot.meta dp=1 */", "SELECT", "x.y.z", "OVER ()"),
]


@st.composite
def mutated_parameters(draw: st.DrawFn) -> str:
    tokens = list(draw(st.sampled_from(PARAMETER_TOKENS)))
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, len(tokens) - 1)) for _ in range(2))
        match draw(st.sampled_from(["delete", "swap", "double", "insert", "cut"])):
            case "delete" if len(tokens) > 1:
                del tokens[at]
            case "swap":
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "double":
                tokens.insert(at, tokens[at])
            case "insert":
                tokens.insert(at, " " + draw(st.sampled_from(PARAMETER_WORDS)) + " ")
            case "cut" if at > 0:
                tokens = tokens[:at]
            case _:
                pass
    return "".join(tokens)


FUZZ = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@settings(FUZZ, max_examples=1000)
@given(mutated())
def test_mutated_queries(outcome: Outcome, sql: str) -> None:
    assert outcome(sql) in {"refused", "answered"}


@settings(FUZZ, max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_words_in_any_order(outcome: Outcome, sql: str) -> None:
    assert outcome(f"SELECT {sql} FROM orders") in {"refused", "answered"}


@settings(FUZZ, max_examples=300)
@given(
    st.text(max_size=60),
    st.sampled_from(
        [
            "{}",
            "SELECT {} FROM orders",
            "SELECT COUNT(*) FROM orders WHERE note = '{}'",
            'SELECT COUNT(*) AS "{}" FROM orders',
        ]
    ),
)
def test_any_text(outcome: Outcome, text: str, around: str) -> None:
    assert outcome(around.replace("{}", text)) in {"refused", "answered"}


PIECES = [
    ("(", ")"),
    ("-", ""),
    ("NOT ", ""),
    ("ABS(", ")"),
    ("CASE WHEN TRUE THEN ", " END"),
    ("amount + ", ""),
    ("CAST(", " AS DOUBLE)"),
    ("COALESCE(1, ", ")"),
    ("amount > 1 AND ", ""),
    ("amount > 1 OR ", ""),
    ("[", "]"),
    ("amount IN (", ")"),
    ("IF(TRUE, ", ", 1)"),
    ("(SELECT ", ")"),
    ("EXISTS (SELECT ", ")"),
    ("x -> ", ""),
    ("DATE ", ""),
    ("INTERVAL ", ""),
    ("note || ", ""),
]


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece[0])
@pytest.mark.parametrize("depth", [5, 30, 39, 60, 150, 400, 900])
def test_deep_nesting(outcome: Outcome, piece: tuple[str, str], depth: int) -> None:
    opening, closing = piece
    inner = f"{opening * depth}amount{closing * depth}"
    outcomes = {
        outcome(f"SELECT SUM({inner}) FROM orders"),
        outcome(f"SELECT COUNT(*) FROM orders WHERE {inner}"),
        outcome(f"SELECT {inner}, COUNT(*) FROM orders GROUP BY 1"),
        outcome(f"SELECT COUNT(*) FROM orders ORDER BY {inner}"),
        outcome(f"SELECT {inner.replace('amount', 'COUNT(*)')} FROM orders"),
    }
    assert outcomes <= {"refused", "answered"}


def test_many_joins_are_answered_or_refused(outcome: Outcome) -> None:
    for count in (5, 50, 200):
        joins = " ".join(
            f"JOIN orders AS o{n} ON o{n}.customer_id = o.customer_id"
            for n in range(count)
        )
        sql = f"SELECT COUNT(*) FROM orders AS o {joins}"
        assert outcome(sql, runs=False) in {"refused", "answered"}


@pytest.mark.parametrize("dialect", sorted(each.value for each in Dialects))
def test_every_dialect(outcome: Outcome, dialect: str) -> None:
    queries = [*GOOD, "SELECT", "SELECT 'a", "SELECT COUNT(*) FROM orders; SELECT 1"]
    found = {outcome(sql, dialect) for sql in queries}
    assert found <= {"refused", "answered", "misconfigured"}
    assert ("misconfigured" in found) == (dialect == "")


@settings(FUZZ, max_examples=300)
@given(mutated(), st.sampled_from([each.value for each in Dialects if each.value]))
def test_mutated_queries_in_every_dialect(
    outcome: Outcome, sql: str, dialect: str
) -> None:
    assert outcome(sql, dialect) in {"refused", "answered"}


@settings(FUZZ, max_examples=1000)
@given(
    mutated_parameters(),
    st.sampled_from([each.value for each in Dialects if each.value]),
)
def test_mutated_parameters_in_every_dialect(
    outcome: Outcome, sql: str, dialect: str
) -> None:
    assert outcome(sql, dialect) in {"refused", "answered"}
    try:
        tree = parse(sql, dialect)
    except (SQLSyntaxError, QueryRefused):
        return
    assert all(place.length > 0 for place in written(tree))  # they belong to nodes


def test_the_parameters_are_read() -> None:
    assert [len(list(written(parse(each)))) for each in PARAMETERS] == [2, 4]


def test_the_good_ones_are_answered(outcome: Outcome) -> None:
    assert {outcome(sql) for sql in GOOD} == {"answered"}
