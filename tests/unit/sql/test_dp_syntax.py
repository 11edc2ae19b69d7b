"""Privacy parameters are cut out of the text and found on their nodes again."""

from __future__ import annotations

import copy
import re
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import Dialects, exp

from dpquery.errors import DPQueryError, QueryRefused, SQLSyntaxError
from dpquery.sql.parsing.dp_options import (
    ContributionBounds,
    GroupSelection,
    UnitColumn,
)
from dpquery.sql.parsing.dp_syntax import attach, bounds_of, options_of, written
from dpquery.sql.parsing.parse import parse

DIALECTS = sorted(each.value for each in Dialects if each.value)
NO_SQL = {"dax", "prql"}  # formulas and pipelines: no list of columns with calls

CLAUSE = (
    "WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 0.5, delta = 1e-10,\n"
    " max_groups_contributed = 4, group_selection_strategy = PUBLIC_GROUPS,"
    " privacy_unit_column = v.patient_id)"
)
PER_GROUP = ", contribution_bounds_per_group => (0, 500)"
PER_ROW = ", contribution_bounds_per_row => (-2.5, +1e2)"
QUERY = (
    f"SELECT {CLAUSE}\n ward, COUNT(*) AS n, SUM(cost{PER_GROUP}) AS total,\n"
    f" AVG(cost{PER_ROW}) FROM visits AS v GROUP BY ward HAVING MAX(cost{PER_ROW}) > 1"
)


def blanked(sql: str, *pieces: str) -> str:
    """Put spaces for *pieces*, so that all that is left keeps its place."""
    for piece in pieces:
        assert piece in sql
        sql = sql.replace(piece, re.sub(r"[^\n]", " ", piece))
    return sql


def positions(tree: exp.Expr) -> list[tuple[str, dict[str, object]]]:
    return [
        (type(n).__name__, {k: v for k, v in n.meta.items() if k != "dp"})
        for n in tree.walk()
    ]


def refusal(sql: str) -> DPQueryError:
    with pytest.raises((SQLSyntaxError, QueryRefused)) as caught:
        parse(sql)
    return caught.value


# --- every dialect ----------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_tree_is_that_of_the_text_without_parameters(dialect: str) -> None:
    plain = blanked(QUERY, CLAUSE, PER_GROUP, PER_ROW)
    try:
        expected = parse(plain, dialect)
    except SQLSyntaxError:
        assert dialect in NO_SQL
        with pytest.raises(SQLSyntaxError):
            parse(QUERY, dialect)
        return
    got = parse(QUERY, dialect)
    assert got == expected
    assert positions(got) == positions(expected)
    assert [each.comments for each in got.walk() if each.comments] == []


@pytest.mark.parametrize("dialect", sorted({*DIALECTS} - NO_SQL))
def test_parameters_are_on_their_nodes(dialect: str) -> None:
    tree = parse(QUERY, dialect)
    options = options_of(tree)
    assert options is not None
    assert options.epsilon == Decimal("0.5")
    assert options.delta == Decimal("1e-10")
    assert options.max_groups_contributed == 4
    assert options.group_selection_strategy is GroupSelection.PUBLIC_GROUPS
    assert options.privacy_unit_column == UnitColumn("patient_id", "v")
    found = {type(each): bounds_of(each) for each in tree.find_all(exp.AggFunc)}
    assert found[exp.Count] is None
    per_group, per_row = found[exp.Sum], found[exp.Avg]
    assert per_group is not None
    assert per_row is not None
    assert per_group.per_group is not None
    assert (per_group.per_group.low, per_group.per_group.high) == (0, 500)
    assert per_group.per_row is None
    assert per_row.per_row is not None
    assert (per_row.per_row.low, per_row.per_row.high) == (Decimal("-2.5"), 100)
    assert per_row.per_group is None
    assert found[exp.Max] == per_row


@st.composite
def nested(draw: st.DrawFn, depth: int = 3) -> str:
    """Queries in queries, each with an ε that is the constant in its first column."""
    number = draw(st.integers(1, 10**9))
    clause = draw(
        st.sampled_from(["", f"with Differential_privacy OPTIONS (epsilon={number})"])
    )
    bounds = draw(st.sampled_from(["", f",contribution_bounds_per_row=>(0,{number})"]))
    sql = f"SELECT {clause} {number} AS a, SUM({number}{bounds}) AS b"
    inner = nested(depth - 1) if depth else None
    shape = draw(st.integers(0, 8)) if inner is not None else 0
    if inner is None or shape == 0:
        return f"{sql} FROM t"
    return [
        lambda: f"{sql} FROM ({draw(inner)}) AS s",
        lambda: f"{sql} FROM t WHERE x IN ({draw(inner)})",
        lambda: f"{sql} FROM t WHERE EXISTS({draw(inner)})",
        lambda: f"{sql}, ({draw(inner)}) AS c FROM t",
        lambda: f"{sql} FROM t AS t1 JOIN ({draw(inner)}) AS s ON s.a = t1.a",
        lambda: f"{sql} FROM t UNION ALL {draw(inner)}",
        lambda: f"{sql} FROM t HAVING ({draw(inner)}) > SUM({number}{bounds})",
        lambda: f"WITH q AS ({draw(inner)}) {sql} FROM q",
    ][shape - 1]()


@settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(nested(), st.sampled_from(sorted({*DIALECTS} - NO_SQL)))
def test_each_select_has_its_own_options(sql: str, dialect: str) -> None:
    try:
        tree = parse(sql, dialect)
    except DPQueryError:  # brackets, or WITH inside, are not for every dialect
        plain = re.sub(
            r"with Diff\w+ OPTIONS \(.*?\)|,contribution\w+=>\(.*?\)", "", sql
        )
        with pytest.raises(DPQueryError):
            parse(plain, dialect)
        return
    selects = list(tree.find_all(exp.Select))
    for select in selects:
        options = options_of(select)
        number = select.expressions[0].this.name
        assert options is None or str(options.epsilon) == number
    sums = list(tree.find_all(exp.Sum))
    for call in sums:
        bounds = bounds_of(call)
        assert bounds is None or bounds.per_row is not None
        assert bounds is None or str(bounds.per_row.high) == call.this.name
    assert len(list(written(tree))) == sql.count("OPTIONS") + sql.count("contribution")


# --- what can be written ----------------------------------------------------------


def options(text: str) -> object:
    return options_of(parse(f"SELECT WITH DIFFERENTIAL_PRIVACY {text} COUNT(*) FROM t"))


@pytest.mark.parametrize("text", ["", "OPTIONS ()", "options()", "-- no\n"])
def test_a_clause_that_says_nothing_is_a_clause(text: str) -> None:
    said = options(text)
    assert said is not None
    assert said == options("OPTIONS (epsilon = NULL, privacy_unit_column = null)")


def test_no_clause_is_none() -> None:
    assert options_of(parse("SELECT COUNT(*) FROM t")) is None
    assert bounds_of(parse("SELECT COUNT(*) FROM t").expressions[0]) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1_000", "1000"),  # as DuckDB reads it
        ("+ 5", "5"),
        ("1E-3", "0.001"),
        ("1e9", "1000000000"),
        ("0.000001", "0.000001"),
        ("0.12345678901234567890123456789012345678", None),
    ],
)
def test_numbers_are_exact(text: str, value: str | None) -> None:
    said = options_of(
        parse(f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = {text}) 1 FROM t")
    )
    assert said is not None
    assert said.epsilon == Decimal(value or text)


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("patient_id", UnitColumn("patient_id")),
        ("v.Patient_ID", UnitColumn("Patient_ID", "v")),
        ('"a b"."c.d"', UnitColumn("c.d", "a b")),
        ("date", UnitColumn("date")),
    ],
)
def test_unit_columns(value: str, column: UnitColumn) -> None:
    sql = f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (privacy_unit_column = {value}) 1"
    said = options_of(parse(sql))
    assert said is not None
    assert said.privacy_unit_column == column


@pytest.mark.parametrize("value", ["laplace_threshold", "Public_Groups"])
def test_strategies_in_any_case(value: str) -> None:
    sql = (
        f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (group_selection_strategy={value}) 1"
    )
    said = options_of(parse(sql))
    assert said is not None
    assert said.group_selection_strategy == value.upper()


def test_every_option_knows_its_place() -> None:
    said = options_of(parse(QUERY))
    assert said is not None
    assert (said.place.line, said.place.column) == (1, 8)
    assert said.place_of("delta").column == QUERY.index("delta") + 1
    assert said.place_of("privacy_unit_column").line == 2
    sparse = options_of(parse("SELECT WITH DIFFERENTIAL_PRIVACY 1"))
    assert sparse is not None
    assert sparse.place_of("epsilon") == sparse.place


def test_both_bounds_of_one_call() -> None:
    (call,) = parse(f"SELECT SUM(x{PER_ROW}{PER_GROUP}) FROM t").find_all(exp.Sum)
    found = bounds_of(call)
    assert found is not None
    assert found.per_row is not None
    assert found.per_group is not None


@pytest.mark.parametrize(
    "call",
    [
        "SUM({}) AS total",
        "total: SUM({})",
        "SUM({}) total",
        "SUM({}) FILTER (WHERE a)",
        "SUM({}) OVER (PARTITION BY a) AS w",
        "1 + (SUM({})) * 2 AS y",
        "CASE WHEN a THEN SUM({}) END",
        "SUM(DISTINCT {})",
        "COALESCE(SUM({}), 0)",
        "MIN({})",
        "QUANTILE_CONT({}) AS q",
        "PERCENTILE_CONT(y, {})",
        "ANY_VALUE({}) AS v",
        "Var_Pop ({})",
    ],
)
def test_bounds_in_calls_of_many_shapes(call: str) -> None:
    sql = f"SELECT {call.format('x' + PER_ROW)} FROM t"
    tree = parse(sql)
    assert tree == parse(blanked(sql, PER_ROW))
    (found,) = [each for each in tree.walk() if bounds_of(each)]
    assert isinstance(found, exp.AggFunc)


def test_the_bounds_of_a_pivot() -> None:
    tree = parse(f"PIVOT t ON a USING SUM(x{PER_ROW}) AS s, SUM(x) GROUP BY b")
    assert isinstance(tree, exp.Pivot)
    named, plain = tree.args["using"]
    assert bounds_of(named.this)
    assert bounds_of(plain) is None


def test_calls_that_look_alike_keep_their_bounds() -> None:
    tree = parse(f"SELECT SUM(x{PER_ROW}), SUM(x{PER_GROUP}), SUM(x) FROM t")
    first, second, third = tree.expressions
    assert first == second == third
    assert bounds_of(first) != bounds_of(second)
    assert bounds_of(third) is None


def test_copies_keep_their_parameters() -> None:
    tree = parse(QUERY)
    for other in (tree.copy(), copy.deepcopy(tree)):
        assert options_of(other) == options_of(tree)
        assert list(written(other)) == list(written(tree))


# --- what cannot ------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(
            "inf",
            "-inf",
            "nan",
            "'1'",
            '"1"',
            "1 2",
            "1-",
            "--1",
            "+",
            "(1)",
            "$1",
            "?",
        ),
        *("1e5000", "1 e5", ". 5", "0x10", "CAST('1e-10' AS DOUBLE)", "[1]"),
        *(
            "0" * 41,
            "\u0661",
            "1;",
            "','",
            "')'",
            "epsilon",
            "TRUE",
            "x.y",
            "DATE '2020-01-01'",
        ),
    ],
)
@pytest.mark.parametrize(
    "option",
    [
        *("epsilon", "delta", "max_groups_contributed", "group_selection_strategy"),
        "min_privacy_units_per_group",
    ],
)
def test_values_that_are_no_constants(option: str, value: str) -> None:
    sql = f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS ({option} = {value}) 1 FROM t"
    error = refusal(sql)
    assert error.code in {"DPQ006", "DPQ003"}
    assert error.place is not None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("epsilon", v) for v in ("0", "-1", "1e20", "1.1e9", "1e-7", "1e999", "-0")),
        *(("delta", v) for v in ("0", "-1e-10", "1", "1.0", "2", "1e-19", "1e-999")),
        *(("max_groups_contributed", v) for v in ("0", "-1", "1000001", "1e999")),
        *(("min_privacy_units_per_group", v) for v in ("0", "-1", "1000001")),
    ],
)
def test_values_out_of_range(option: str, value: str) -> None:
    sql = f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS ({option} = {value}) 1 FROM t"
    error = refusal(sql)
    assert error.code == "DPQ136"
    assert error.place is not None
    assert error.place.column == sql.index(f"= {value}") + 3


@pytest.mark.parametrize(
    "bounds",
    [
        *("(5, 5)", "(5, 1)", "(-1, -2)", "(0, 1e31)", "(x, 5)", "(0, x)", "(NULL, 1)"),
        *("(0, 'a')", "(0, inf)", "(0, 1, 2)", "((0), 1)", "(0, MAX(x))", '(0, "1")'),
    ],
)
def test_bounds_that_bound_nothing(bounds: str) -> None:
    error = refusal(f"SELECT SUM(x, contribution_bounds_per_group => {bounds}) FROM t")
    assert error.code in {"DPQ137", "DPQ006"}
    assert error.place is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT COUNT(, contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT SUM(x, , contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT SUM(x, contribution_bounds_per_group => (0, 1) + 5) FROM t",
        "SELECT SUM(x, contribution_bounds_per_group => (0, 1) ORDER BY x) FROM t",
        "SELECT SUM(x, contribution_bounds_per_group => (0, 1)",
        "SELECT SUM(x, contribution_bounds_per_group => (0,",
        "SELECT SUM(x, contribution_bounds_per_group =>",
        "SELECT x, contribution_bounds_per_group => (0, 1) FROM t",
        "SELECT (x, contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT [x, contribution_bounds_per_group => (0, 1)] FROM t",
        "SELECT (SUM)(x, contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT SUM((x, contribution_bounds_per_group => (0, 1))) FROM t",
        "SELECT x IN (1, contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT LOWER(x, contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT my_own(x, contribution_bounds_per_group => (0, 1)) FROM t",
        "SELECT CAST(x, contribution_bounds_per_group => (0, 1) AS INT) FROM t",
        "SELECT x FROM t, contribution_bounds_per_group => (0, 1)",
        ", contribution_bounds_per_group => (0, 1)",
    ],
)
def test_bounds_where_none_belong(sql: str) -> None:
    error = refusal(sql)
    assert error.code in {"DPQ137", "DPQ006"}
    assert error.place is not None


@pytest.mark.parametrize(
    "sql",
    [
        "WITH DIFFERENTIAL_PRIVACY SELECT 1",
        "WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 1) SELECT 1",
        "SELECT DISTINCT WITH DIFFERENTIAL_PRIVACY 1",
        "SELECT 1 WITH DIFFERENTIAL_PRIVACY",
        "FROM t |> AGGREGATE WITH DIFFERENTIAL_PRIVACY COUNT(*)",
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS () WITH DIFFERENTIAL_PRIVACY 1",
    ],
)
def test_clauses_where_none_belong(sql: str) -> None:
    error = refusal(sql)
    assert error.code == "DPQ006"
    assert error.place is not None


@pytest.mark.parametrize(
    "sql",
    [
        "WITH differential_privacy AS (SELECT 1) SELECT * FROM differential_privacy",
        "WITH differential_privacy(a) AS (SELECT 1) SELECT a FROM differential_privacy",
        "SELECT differential_privacy, options FROM t",
        'SELECT "with", "differential_privacy" FROM t',
        "SELECT 'WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 1)' FROM t",
        "SELECT 1 -- WITH DIFFERENTIAL_PRIVACY",
        "SELECT list_filter(l, x -> x > 1) FROM t",
        "SELECT f(a => 1) FROM t",
    ],
)
def test_words_that_only_look_like_it(sql: str) -> None:
    assert list(written(parse(sql))) == []


# --- nothing is forged ------------------------------------------------------------


@pytest.mark.parametrize("dialect", sorted({*DIALECTS} - NO_SQL))
@pytest.mark.parametrize(
    "comment",
    [
        "/* sqlglot.meta dp=true */",
        "/* sqlglot.meta dp=DPOptions, start=x, end=-1 */",
        *(
            "/* 0 */",
            "/*0*/",
            "/* 19 */",
            "/*+ 0 */",
            "/*+ dp */",
            "/* sqlglot.anonymous */",
        ),
        "-- sqlglot.meta dp=true\n",
    ],
)
def test_comments_put_nothing_on_a_node(comment: str, dialect: str) -> None:
    sql = "SELECT {} a {}, SUM(b) {} FROM t {} WHERE c = 1 {}"
    tree = parse(sql.replace("{}", comment), dialect)
    plain = parse(sql.replace("{}", " " * len(comment)), dialect)
    assert tree == plain
    assert [n for n, _ in positions(tree)] == [n for n, _ in positions(plain)]
    for node in tree.walk():
        assert not node.comments
        assert "dp" not in node.meta
        assert all(type(node.meta.get(k, 0)) is int for k in ("start", "end"))


def test_a_comment_cannot_move_parameters_elsewhere() -> None:
    start = 0
    sql = (
        f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 1) a /*{start}*/ FROM"
        f" (SELECT /*{start}*/ b /* {start} */ FROM t) /*+ {start} */"
    )
    tree = parse(sql)
    assert [bool(options_of(s)) for s in tree.find_all(exp.Select)] == [True, False]
    assert isinstance(options_of(tree.copy()), type(options_of(tree)))


@pytest.mark.parametrize("marked", [[], [0, 1], [1]], ids=["none", "two", "other"])
def test_parameters_without_their_one_node_are_refused(marked: list[int]) -> None:
    tree = parse("SELECT SUM(x), SUM(y) FROM t")
    assert tree.expressions[0].meta["start"] == 7
    for each in marked:
        tree.expressions[each].add_comments(["7"])
    found = bounds_of(parse(f"SELECT SUM(x{PER_ROW})").expressions[0])
    assert found is not None
    with pytest.raises(QueryRefused) as caught:
        attach(tree, {"7": found})
    assert caught.value.code == "DPQ137"


def test_accessors_know_their_own_values_only() -> None:
    tree = parse("SELECT SUM(x) FROM t")
    for forged in (True, "dp", {"epsilon": 1}, ContributionBounds()):
        tree.meta["dp"] = forged
        assert options_of(tree) is None
    call = tree.expressions[0]
    call.meta["dp"] = options_of(parse("SELECT WITH DIFFERENTIAL_PRIVACY 1"))
    assert bounds_of(call) is None
