"""
SQL in, and what becomes of it: plans, programs, engine SQL, explanations, errors.

Each file of ``tests/golden/{bind,rewrite,lower,explain,errors,capabilities}`` is about
one subject::

    -- case: what it shows
    -- policy: clinic
    SELECT …;
    -- rewrite
    SELECT …;
    -- gives
    …

A refusal of an operator (all but ``WORDS``, whose hints say what to write there) has a
rewrite, which is answered, or ``instead``: what else to do.

Options of a case: ``policy``, ``dialect``, ``bounding`` (norm or truncate), ``pure``
(yes: a budget without δ), ``other`` (yes: with the row of what is withheld), ``shows``
(several of bind, rewrite, lower and explain, one below the other), ``plain`` (the SQL
that the engine's sums are compared with; ``no`` to leave it out). In the query,
``{{x*9}}`` is x nine times and ``{{U+200B}}`` a character.
``DPQUERY_UPDATE_GOLDENS=1`` writes what follows ``-- gives`` anew.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dpquery.engines.base import Limits, Statement
from dpquery.engines.released import ReleasedDatabase
from dpquery.errors import QueryRefused, SQLSyntaxError
from dpquery.errors.codes import TOPICS
from dpquery.kernel.explain import explain
from dpquery.kernel.measurement import statements_of
from dpquery.kernel.postprocess import Above
from dpquery.kernel.prepare import Terms, prepare
from dpquery.plan.aggregates import (
    Estimator,
    LinearEstimator,
    Moment,
    RatioEstimator,
)
from dpquery.plan.program import BoundingMode, Program, ReleaseStep
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.service.access import dataset_promise
from dpquery.sql.lowering.relations import parameter
from dpquery.sql.queries.bind import bind

from .plan_text import query_text, step_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.accounting.accountant import Promise
    from dpquery.engines.duckdb import DuckDBEngine
    from dpquery.policy.catalog import Catalog
    from dpquery.policy.load import LoadedPolicy
    from dpquery.sql.lowering.lower import EngineSQL

GOLDENS = Path(__file__).parents[1] / "golden"
SUBJECTS = ("bind", "rewrite", "lower", "explain", "errors", "capabilities")
WORDS = {"names", "privacy_parameters", "text", "types"}
"""Errors of single words."""
NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
SHOWN = "bind rewrite"
"""What a capability shows, if it does not say."""
ROOT = Path(__file__).parents[2]


@dataclass
class Case:
    """One query of a golden file."""

    title: str
    options: dict[str, str] = field(default_factory=dict)
    query: str = ""
    rewrite: str = ""
    """What is answered instead, for a query that is refused."""
    gives: str = ""

    @property
    def sql(self) -> str:
        """The query with its placeholders filled in."""
        text = re.sub(
            r"\{\{(.+?)\*(\d+)\}\}", lambda m: m[1] * int(m[2]), self.query.strip("\n")
        )
        return re.sub(r"\{\{U\+(\w+)\}\}", lambda m: chr(int(m[1], 16)), text)

    @property
    def rewritten(self) -> Case:
        """The same case with the query that is answered instead."""
        return dataclasses.replace(self, query=self.rewrite, rewrite="")

    def text(self) -> str:
        """The case as it stands in its file."""
        options = "".join(f"-- {k}: {v}\n" for k, v in self.options.items())
        head = f"-- case: {self.title}\n{options}{self.query.strip(chr(10))}\n"
        if self.rewrite:
            head += f"-- rewrite\n{self.rewrite.strip(chr(10))}\n"
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
        case.query, _, case.rewrite = rest.partition("\n-- rewrite\n")
        cases.append(case)
    return head, cases


def files() -> list[Path]:
    """Return the golden files of all subjects."""
    return sorted(
        each for s in SUBJECTS for each in (GOLDENS / s).iterdir() if each.is_file()
    )


@pytest.fixture(scope="module")
def released() -> Iterator[ReleasedDatabase]:
    """Return the process that says what SQL over answers cannot be."""
    database = ReleasedDatabase()
    yield database
    database.close()


@pytest.fixture(scope="module")
def render(
    sample_policies: dict[str, LoadedPolicy],
    sample_catalogs: dict[str, Catalog],
    sample_engines: dict[str, DuckDBEngine],
    shop_policy: LoadedPolicy,
    shop: Catalog,
    released: ReleasedDatabase,
) -> Callable[[str, Case], str]:
    """Return what a case gives, under its subject."""
    above = Above(released, sample_engines["clinic"], Limits("500MB"), "")
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

        def shown(part: str) -> str:
            query = bind(case.sql, catalog, dialect, NOON)
            if part == "bind":
                return query_text(query)
            program = compile_program(query, catalog, terms.rules)
            if part == "rewrite":
                return "\n".join(map(step_text, program.releases))
            if part == "lower":
                return lowered_text(program)
            prepared = prepare(case.sql, catalog, terms, dialect)
            if part == "explain":
                return explain(prepared)
            above.check(prepared)
            return "accepted"

        parts = shows(subject, case)
        try:
            made = [shown(part) for part in parts]
        except (QueryRefused, SQLSyntaxError) as error:
            if subject == "errors":
                return str(error)
            return f"refused: {error.code}  {error.message}"
        if len(parts) == 1:
            return made[0]
        return "\n".join(
            f"-- {part}\n{text}" for part, text in zip(parts, made, strict=True)
        )

    return gives


def shows(subject: str, case: Case) -> list[str]:
    """Return what a case is shown as."""
    usual = SHOWN if subject == "capabilities" else subject
    return case.options.get("shows", usual).split()


def terms_of(case: Case, promise: Promise) -> Terms:
    mode = BoundingMode(case.options.get("bounding", "norm"))
    norm = 1 if promise.delta is None else 2
    return Terms(
        promise,
        0.2,
        1e-10,
        BoundingRules(mode, norm, groups=8),
        max_epsilon=1.0,
        now=NOON,
        other=case.options.get("other") == "yes",
    )


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


def refusals() -> list[tuple[str, Case]]:
    """Return the cases of operators, aggregates and answers that are refused."""
    return [
        (f"{path.stem}: {case.title}", case)
        for path in files()
        if path.parent.name == "errors" and path.stem not in WORDS
        for case in cases_of(path)[1]
        if case.gives.startswith(("DPQ1", "DPQ2"))
    ]


@pytest.mark.parametrize("case", [pytest.param(c, id=i) for i, c in refusals()])
def test_what_is_suggested_is_answered(
    case: Case, render: Callable[[str, Case], str]
) -> None:
    """Each refusal teaches: there is another query, or something else to do."""
    assert bool(case.rewrite) != ("instead" in case.options)
    if case.rewrite:
        assert render("errors", case.rewritten) == "accepted"


def test_every_subject_has_goldens() -> None:
    assert {path.parent.name for path in files()} == set(SUBJECTS)


def test_titles_say_which_queries_are_refused() -> None:
    for path in files():
        for case in cases_of(path)[1]:
            if path.parent.name != "errors":
                said = case.title.startswith("refused: ")
                assert case.gives.startswith("refused: ") is said, case.title


def test_every_code_of_sql_and_plan_has_a_golden() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for package in ("sql", "plan", "kernel")
        for path in (ROOT / "dpquery" / package).rglob("*.py")
    )
    shown = "".join(p.read_text("utf-8") for p in (GOLDENS / "errors").iterdir())
    raised = set(re.findall(r"\"(DPQ[01]\d\d)\"", source))
    raised.remove("DPQ142")  # of an option, within: tests/unit/service
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
        (f"{path.parent.name}-{path.stem}: {case.title}", case)
        for path in files()
        for case in cases_of(path)[1]
        if path.parent.name != "errors"
        and case.options.get("policy") != "shop"
        and "lower" in shows(path.parent.name, case)
        and not case.gives.startswith("refused")
    ]


def compiled(case: Case, catalog: Catalog, rules: BoundingRules) -> Program:
    query = bind(case.sql, catalog, case.options.get("dialect", "duckdb"))
    return compile_program(query, catalog, rules)


def test_no_release_is_paid_for_and_not_read(
    sample_catalogs: dict[str, Catalog], shop: Catalog
) -> None:
    """What is bound twice would cost twice: each release is read, and each is once."""
    catalogs = {**sample_catalogs, "shop": shop}
    for path in files():
        for case in cases_of(path)[1]:
            if path.parent.name == "errors" or case.gives.startswith("refused"):
                continue
            catalog = catalogs[case.options.get("policy", "clinic")]
            query = bind(case.sql, catalog, case.options.get("dialect", "duckdb"))
            computed = [*(each.computed for each in query.inputs), query.post.computed]
            read = {name for each in computed for name in each.released}
            assert {each.name for each in query.boundaries} == read, case.title


@pytest.mark.parametrize("case", [pytest.param(c, id=i) for i, c in lowered_cases()])
def test_lowered_sql_runs_on_the_sample_data(
    case: Case,
    sample_catalogs: dict[str, Catalog],
    sample_engines: dict[str, DuckDBEngine],
    sample_policies: dict[str, LoadedPolicy],
) -> None:
    name = case.options.get("policy", "clinic")
    terms = terms_of(case, dataset_promise(sample_policies[name].policy))
    program = compiled(case, sample_catalogs[name], terms.rules)
    for step in program.releases:
        statements, width = statements_of(step), len(step.keys)
        if statements.sums is not None:
            rows = executed(statements.sums, program, sample_engines[name])
            assert all(type(m) is int for row in rows for m in row[width:])
            assert all(len(row) == width + len(step.moments) for row in rows)
        for each in (*statements.unions, *statements.histograms):
            rows = executed(each, program, sample_engines[name])
            assert all(type(row[-1]) is int or row[-1] is None for row in rows)


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
    program = compiled(case, without_limits(sample_catalogs[name]), loose)
    (step,) = program.releases
    sums = statements_of(step).sums
    assert sums is not None
    got = {
        row[: len(step.keys)]: [
            value_of(column.estimator, step, row[len(step.keys) :])
            for column in step.columns
        ]
        for row in executed(sums, program, sample_engines[name])
    }
    expected = sample_engines[name]._run(sample_engines[name]._current(), plain)
    assert expected
    for row in expected:
        keys, values = row[: len(step.keys)], row[len(step.keys) :]
        assert got[keys] == pytest.approx([float(v or 0) for v in values], rel=1e-9)


def executed(
    sql: EngineSQL, program: Program, engine: DuckDBEngine
) -> list[tuple[object, ...]]:
    """Run a statement; what it reads of earlier answers has no rows."""
    given: dict[str, list[object]] = {
        parameter(each.name, at): []
        for each in program.inputs
        if each.name in sql.inputs
        for at in range(len(each.columns))
    }
    statement = Statement(sql.text, sql.tables, sql.functions, given)
    return engine.execute(statement).open()


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
            raise AssertionError(estimator)


CLAUSES = re.compile(
    r"(?<!DISTINCT) (FROM|WHERE|GROUP BY|HAVING|(?:INNER |LEFT |FULL |CROSS )?JOIN) "
)


def lowered_text(program: Program) -> str:
    """Return everything that a program's releases ask the engine."""
    found = []
    for step in program.releases:
        made = statements_of(step)
        named = [] if made.sums is None else [("sums", made.sums)]
        named += [(f"union d{at}", each) for at, each in enumerate(made.unions)]
        named += [(f"histogram h{at}", each) for at, each in enumerate(made.histograms)]
        for what, sql in named:
            alone = len(program.releases) == len(named) == 1
            head = "" if alone else f"-- {step.name}: {what}\n"
            found.append(head + in_lines(sql.text))
    return "\n".join(found)


def in_lines(sql: str) -> str:
    """Break engine SQL into lines, and change nothing but white space."""
    text = re.sub(r'(\)|^WITH)(,?) ("\w+" AS [A-Z ]*)\(', r"\1\2\n\3(\n  ", sql)
    text = re.sub(r'( AS "[a-z]\w*"), (?!"\w+" AS )', r"\1,\n    ", text)
    text = CLAUSES.sub(r"\n  \1 ", text).replace(") SELECT ", ")\nSELECT ")
    assert re.sub(r"\s+", "", text) == re.sub(r"\s+", "", sql)
    return text
