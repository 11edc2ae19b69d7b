"""
SQL in, and what becomes of it: plans, programs, engine SQL, explanations, errors.

Each file of ``tests/golden/{bind,rewrite,lower,explain,errors}`` is about one subject::

    -- case: what it shows
    -- policy: clinic
    SELECT …;
    -- gives
    …

Options of a case: ``policy``, ``dialect``, ``bounding`` (norm or truncate), ``pure``
(yes: a budget without δ), ``plain`` (the SQL that the engine's sums are compared with;
``no`` to leave it out). In the query, ``{{x*9}}`` is x nine times and ``{{U+200B}}`` a
character. ``DPQUERY_UPDATE_GOLDENS=1`` writes what follows ``-- gives`` anew.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import pytest

from dpquery.engines.base import Statement
from dpquery.errors import QueryRefused, SQLSyntaxError
from dpquery.errors.codes import TOPICS
from dpquery.kernel.explain import explain, moment_text
from dpquery.kernel.prepare import Terms, prepare
from dpquery.plan.aggregates import (
    Aggregate,
    Average,
    Count,
    CountUnits,
    Estimator,
    LinearEstimator,
    Moment,
    RatioEstimator,
    Sum,
    Total,
)
from dpquery.plan.program import (
    BoundedMoment,
    Bounding,
    BoundingMode,
    KeyDomain,
    ListedKeys,
    Query,
    ReleaseStep,
)
from dpquery.plan.render import (
    constant_text,
    expression_text,
    owned_lines,
    relation_lines,
)
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.service.access import dataset_promise
from dpquery.sql.bind import bind
from dpquery.sql.lower import lower_release

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.accounting.accountant import Promise
    from dpquery.engines.duckdb import DuckDBEngine
    from dpquery.policy.catalog import Catalog
    from dpquery.policy.load import LoadedPolicy

GOLDENS = Path(__file__).parents[1] / "golden"
SUBJECTS = ("bind", "rewrite", "lower", "explain", "errors")
ROOT = Path(__file__).parents[2]


@dataclass
class Case:
    """One query of a golden file."""

    title: str
    options: dict[str, str] = field(default_factory=dict)
    query: str = ""
    gives: str = ""

    @property
    def sql(self) -> str:
        """The query with its placeholders filled in."""
        text = re.sub(
            r"\{\{(.+?)\*(\d+)\}\}", lambda m: m[1] * int(m[2]), self.query.strip("\n")
        )
        return re.sub(r"\{\{U\+(\w+)\}\}", lambda m: chr(int(m[1], 16)), text)

    def text(self) -> str:
        """The case as it stands in its file."""
        options = "".join(f"-- {k}: {v}\n" for k, v in self.options.items())
        head = f"-- case: {self.title}\n{options}{self.query.strip(chr(10))}\n"
        return f"{head}-- gives\n{self.gives.strip(chr(10))}\n"


def cases_of(path: Path) -> tuple[str, list[Case]]:
    """Return what stands before the first case, and the cases."""
    head, *parts = re.split(r"(?m)^-- case: ", path.read_text(encoding="utf-8"))
    cases = []
    for part in parts:
        asked, _, gives = part.partition("\n-- gives\n")
        title, _, rest = asked.partition("\n")
        case = Case(title, gives=gives.strip("\n"))
        while found := re.match(r"-- (\w+): (.*)\n", rest):
            case.options[found[1]] = found[2]
            rest = rest[found.end() :]
        case.query = rest
        cases.append(case)
    return head, cases


def files() -> list[Path]:
    """Return the golden files of all subjects."""
    return sorted(
        each for s in SUBJECTS for each in (GOLDENS / s).iterdir() if each.is_file()
    )


@pytest.fixture(scope="module")
def render(
    sample_policies: dict[str, LoadedPolicy],
    sample_catalogs: dict[str, Catalog],
    shop_policy: LoadedPolicy,
    shop: Catalog,
) -> Callable[[str, Case], str]:
    """Return what a case gives, under its subject."""
    policies = {**sample_policies, "shop": shop_policy}
    catalogs = {**sample_catalogs, "shop": shop}

    def gives(subject: str, case: Case) -> str:
        name = case.options.get("policy", "clinic")
        catalog, policy = catalogs[name], policies[name]
        dialect = case.options.get("dialect", "duckdb")
        promise = dataset_promise(policy.policy)
        if case.options.get("pure") == "yes":
            promise = dataclasses.replace(promise, delta=None)
        terms = terms_of(case, promise)
        try:
            query = bind(case.sql, catalog, dialect)
            if subject == "bind":
                return query_text(query)
            (step,) = compile_program(query, catalog, terms.rules).releases
            if subject == "rewrite":
                return step_text(step)
            if subject == "lower":
                return in_lines(lower_release(step).text)
            prepared = prepare(case.sql, catalog, terms, dialect)
        except (QueryRefused, SQLSyntaxError) as error:
            if subject == "errors":
                return str(error)
            return f"refused: {error.code}  {error.message}"
        return explain(prepared) if subject == "explain" else "accepted"

    return gives


def terms_of(case: Case, promise: Promise) -> Terms:
    mode = BoundingMode(case.options.get("bounding", "norm"))
    norm = 1 if promise.delta is None else 2
    return Terms(promise, 0.2, 1e-10, BoundingRules(mode, norm, groups=8))


@pytest.mark.parametrize(
    "path", files(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_golden(path: Path, render: Callable[[str, Case], str]) -> None:
    head, cases = cases_of(path)
    got = [
        dataclasses.replace(each, gives=render(path.parent.name, each).strip("\n"))
        for each in cases
    ]
    if os.environ.get("DPQUERY_UPDATE_GOLDENS") == "1":
        text = head + "\n".join(each.text() for each in got)
        path.write_text(text, encoding="utf-8")
        cases = got
    assert cases
    for now, case in zip(got, cases, strict=True):
        assert now.gives == case.gives, case.title


def test_every_subject_has_goldens() -> None:
    assert {path.parent.name for path in files()} == set(SUBJECTS)


def test_every_code_of_sql_and_plan_has_a_golden() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for package in ("sql", "plan")
        for path in (ROOT / "dpquery" / package).rglob("*.py")
    )
    shown = "".join(p.read_text("utf-8") for p in (GOLDENS / "errors").iterdir())
    raised = set(re.findall(r"\"(DPQ[01]\d\d)\"", source)) | {"DPQ127"}
    assert raised <= set(re.findall(r"(?m)^(DPQ\d+)  ", shown))
    assert raised <= set(TOPICS)


def test_no_error_shows_colours_or_class_names() -> None:
    for path in (GOLDENS / "errors").iterdir():
        text = path.read_text("utf-8")
        assert "\x1b" not in text
        assert not re.search(r"<class|sqlglot|exp\.|Decimal\(|datetime\.", text)


# --- lowered SQL runs, and adds up what plain SQL adds up -------------------------


def lowered_cases() -> list[tuple[str, Case]]:
    return [
        (f"{path.stem}: {case.title}", case)
        for path in files()
        if path.parent.name == "lower"
        for case in cases_of(path)[1]
        if not case.gives.startswith("refused")
    ]


@pytest.mark.parametrize("case", [pytest.param(c, id=i) for i, c in lowered_cases()])
def test_lowered_sql_runs_on_the_sample_data(
    case: Case,
    sample_catalogs: dict[str, Catalog],
    sample_engines: dict[str, DuckDBEngine],
    sample_policies: dict[str, LoadedPolicy],
) -> None:
    name = case.options.get("policy", "clinic")
    terms = terms_of(case, dataset_promise(sample_policies[name].policy))
    query = bind(case.sql, sample_catalogs[name])
    (step,) = compile_program(query, sample_catalogs[name], terms.rules).releases
    rows = executed(step, sample_engines[name])
    assert all(type(m) is int for row in rows for m in row[len(step.keys) :])
    assert all(len(row) == len(step.keys) + len(step.moments) for row in rows)


@pytest.mark.parametrize("case", [pytest.param(c, id=i) for i, c in lowered_cases()])
def test_lowered_sql_equals_plain_sql_when_no_limit_binds(
    case: Case,
    sample_catalogs: dict[str, Catalog],
    sample_engines: dict[str, DuckDBEngine],
    sample_policies: dict[str, LoadedPolicy],
) -> None:
    plain = case.options.get("plain", case.sql)
    if plain == "no":
        assert "plain" in case.options
        return
    name = case.options.get("policy", "clinic")
    rules = terms_of(case, dataset_promise(sample_policies[name].policy)).rules
    loose = dataclasses.replace(rules, groups=10_000)
    catalog = without_limits(sample_catalogs[name])
    (step,) = compile_program(bind(case.sql, catalog), catalog, loose).releases
    got = {
        row[: len(step.keys)]: [
            value_of(column.estimator, step, row[len(step.keys) :])
            for column in step.columns
        ]
        for row in executed(step, sample_engines[name])
    }
    expected = sample_engines[name]._run(sample_engines[name]._current(), plain)
    assert expected
    for row in expected:
        keys, values = row[: len(step.keys)], row[len(step.keys) :]
        assert got[keys] == pytest.approx([float(v or 0) for v in values], rel=1e-9)


def executed(step: ReleaseStep, engine: DuckDBEngine) -> list[tuple[object, ...]]:
    sql = lower_release(step)
    rows = engine.execute(Statement(sql.text, sql.tables, sql.functions))
    return rows.open()


def without_limits(catalog: Catalog) -> Catalog:
    many = {"max_rows_per_unit": 1_000_000, "max_rows_per_group": 1_000_000}
    tables = {
        name: dataclasses.replace(table, **many)
        for name, table in catalog.tables.items()
    }
    return dataclasses.replace(catalog, tables=tables)


def value_of(
    estimator: Estimator, step: ReleaseStep, sums: tuple[object, ...]
) -> float:
    """Return what an estimator makes of exact sums."""
    exact: dict[Moment, Fraction] = {
        bounded.moment: Fraction(int(str(total)), bounded.steps)
        for bounded, total in zip(step.moments, sums, strict=True)
    }
    match estimator:
        case LinearEstimator(terms=terms):
            return float(sum(by * exact[moment] for by, moment in terms))
        case RatioEstimator(numerator=numerator, denominator=denominator):
            if not exact[denominator]:
                return 0.0
            value = estimator.value
            mean = exact[numerator] / exact[denominator]
            return float(value.grid * (value.centre + mean))
        case _:
            assert_never(estimator)


CLAUSES = re.compile(
    r"(?<!DISTINCT) (FROM|WHERE|GROUP BY|HAVING|(?:INNER |LEFT |CROSS )?JOIN) "
)


def in_lines(sql: str) -> str:
    """Break engine SQL into lines, and change nothing but white space."""
    text = re.sub(r'(\)|^WITH)(,?) ("\w+" AS [A-Z ]*)\(', r"\1\2\n\3(\n  ", sql)
    text = re.sub(r'( AS "[a-z]\w*"), (?!"\w+" AS )', r"\1,\n    ", text)
    text = CLAUSES.sub(r"\n  \1 ", text).replace(") SELECT ", ")\nSELECT ")
    assert re.sub(r"\s+", "", text) == re.sub(r"\s+", "", sql)
    return text


# --- plans and programs as text ---------------------------------------------------


def query_text(query: Query) -> str:
    lines: list[str] = []
    for boundary in query.boundaries:
        lines.append(f"release {boundary.name}")
        lines += relation_lines(boundary.source, 1)
        lines += [
            f"  {key.name} {key.expression.type} = {expression_text(key.expression)}"
            for key in boundary.keys
        ]
        lines += [
            f"  a{index} = {aggregate_text(each)}"
            for index, each in enumerate(boundary.aggregates)
        ]
    post = query.post
    lines.append("answer")
    lines += [
        f"  {each.name}: {each.expression.type} = {expression_text(each.expression)}"
        for each in post.outputs
    ]
    if post.having is not None:
        lines.append(f"  having {expression_text(post.having)}")
    for each in post.order:
        nulls = "first" if each.nulls_first else "last"
        way = "descending" if each.descending else "ascending"
        lines.append(
            f"  order by {expression_text(each.expression)} {way}, nulls {nulls}"
        )
    if post.limit is not None:
        lines.append(f"  limit {post.limit}")
    if post.offset:
        lines.append(f"  offset {post.offset}")
    return "\n".join(lines)


def aggregate_text(aggregate: Aggregate) -> str:
    match aggregate:
        case Count(argument=None):
            return "COUNT(*)"
        case Count(argument=argument) if argument is not None:
            return f"COUNT({expression_text(argument)})"
        case CountUnits():
            return "COUNT(DISTINCT unit)"
        case Sum(argument=argument):
            return f"SUM({expression_text(argument)})"
        case Average(argument=argument):
            return f"AVG({expression_text(argument)})"
        case _:
            raise AssertionError(aggregate)


def step_text(step: ReleaseStep) -> str:
    lines = [f"release {step.name}", *owned_lines(step.source, 1)]
    lines += [f"  {k.name} = {expression_text(k.expression)}" for k in step.keys]
    lines += [f"  {each}" for each in domain_lines(step.domain)]
    lines.append(f"  {bounding_text(step.bounding)}")
    lines += [
        f"  m{index} = {bounded_text(each)}" for index, each in enumerate(step.moments)
    ]
    names = {bounded.moment: f"m{i}" for i, bounded in enumerate(step.moments)}
    lines += [
        f"  {column.name} {column.type} = {estimator_text(column.estimator, names)}"
        for column in step.columns
    ]
    return "\n".join(lines)


def domain_lines(domain: KeyDomain | None) -> list[str]:
    if domain is None:
        return ["groups: not public; those with few units are withheld"]
    lines = []
    for source in domain.sources:
        names = ", ".join(f"k{index}" for index in source.keys)
        if isinstance(source, ListedKeys):
            values = [constant_text(value) for (value,) in source.rows]
            shown = ", ".join(
                values if len(values) < 10 else [*values[:2], "…", values[-1]]
            )
            lines.append(f"groups: {names} in {shown} ({len(values)} values)")
        else:
            of = ", ".join(expression_text(each) for each in source.expressions)
            rest = ", or without a partner" if source.optional else ""
            lines.append(f"groups: {names} from {of} of {source.scan.table.name}{rest}")
    return lines or ["groups: one"]


def bounding_text(how: Bounding) -> str:
    if how.single_group:
        return f"bounding: one group per unit, {how.mode}, L{how.norm}"
    uncapped = how.group_cap is None or how.mode is BoundingMode.TRUNCATE
    cap = "" if uncapped else f", no more than {how.group_cap} groups count"
    return f"bounding: {how.mode} over {how.groups} groups, L{how.norm}{cap}"


def bounded_text(bounded: BoundedMoment) -> str:
    grid = bounded.moment.value.grid if isinstance(bounded.moment, Total) else 1
    return (
        f"{moment_text(bounded.moment)}; in steps of {Fraction(grid, bounded.steps)},"
        f" limit {bounded.limit}, Δ {bounded.sensitivity}, bundle {bounded.bundle}"
    )


def estimator_text(estimator: Estimator, names: dict[Moment, str]) -> str:
    match estimator:
        case LinearEstimator(terms=terms, integer=integer):
            parts = [
                names[moment] if by == 1 else f"{by} · {names[moment]}"
                for by, moment in terms
            ]
            total = " + ".join(parts)
            return f"round({total})" if integer else total
        case RatioEstimator(numerator=numerator, denominator=denominator):
            value = estimator.value
            share = f"{names[numerator]} / {names[denominator]}"
            return f"{value.grid * value.centre} + {value.grid} · {share}"
        case _:
            assert_never(estimator)
