"""Functions of functions raise on no row: what one gives, every other one can take."""

from __future__ import annotations

import random
from itertools import islice

import duckdb
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.lockdown import configuration, lock_down
from dpquery.plan.expressions import (
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    Literal,
)
from dpquery.policy.catalog import SqlType
from dpquery.policy.engine_types import sql_type
from dpquery.sql.expressions.constant_folding import simplified
from dpquery.sql.functions import FUNCTIONS, Parameter
from dpquery.sql.literals import as_type
from dpquery.sql.lowering.cost import MAX_LEVELS, MAX_NODES, cost
from dpquery.sql.lowering.expressions import lower

from .extremes import BOUNDARIES, SPANS, calls, constants

KINDS = [kind for kind in BOUNDARIES if "DECIMAL" not in kind]
COLUMNS = [
    ColumnRef("t", f"c{at}", sql_type(kind)[0], kind) for at, kind in enumerate(KINDS)
]
ROWS = 120
EXPRESSIONS = 150
"""Expressions of one seed."""
CHOICES = ("coalesce", "least", "greatest", "nullif")


GIVING: dict[SqlType, list[str]] = {}
"""Functions by what they can give."""
for _name, _function in sorted(FUNCTIONS.items()):
    for _type in {each.type for each in islice(calls(_function), 0, None, 7)}:
        GIVING.setdefault(_type, []).append(_name)


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=configuration(Limits(memory="800MB", threads=1)))
    chance = random.Random(5)  # noqa: S311 -- rows of a test
    columns = ", ".join(f"c{at} {kind}" for at, kind in enumerate(KINDS))
    connection.execute(f"CREATE TABLE t ({columns})")
    for _ in range(ROWS):
        cells = [f"({chance.choice(BOUNDARIES[kind])})::{kind}" for kind in KINDS]
        connection.execute(f"INSERT INTO t SELECT {', '.join(cells)}")
    lock_down(connection)
    return connection


class Composer:
    """Composes typed expressions at random."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 -- expressions of a test

    def expression(self, type_: SqlType, depth: int) -> Expression:
        """Return an expression of a type, of at most *depth* functions in a row."""
        if depth > 0:
            for _ in range(3 if type_ in GIVING else 0):
                found = self._call(self.chance.choice(GIVING[type_]), depth)
                if found is not None and found.type is type_:
                    return found
            return self._choice(type_, depth)
        return self._leaf(type_)

    def _leaf(self, type_: SqlType) -> Expression:
        fitting = [each for each in COLUMNS if each.type is type_]
        if fitting:
            return self.chance.choice(fitting)
        if type_ is SqlType.INTERVAL:
            return Literal(self.chance.choice(SPANS), type_)
        return Literal(None, type_)

    def _call(self, name: str, depth: int) -> Expression | None:
        """Return a call of the function; ``None`` where its arguments do not fit."""
        function = FUNCTIONS[name]
        optional = self.chance.randint(0, function.optional)
        wanted = function.parameters[: len(function.parameters) - optional]
        arguments: list[Expression] = []
        for parameter in wanted:
            arguments.append(self._argument(parameter, arguments, depth - 1))
        if function.check is not None and function.check(arguments) is not None:
            return None
        result = function.result(arguments)
        return simplified(Call(function.name, tuple(arguments), result))

    def _argument(
        self, parameter: Parameter, before: list[Expression], depth: int
    ) -> Expression:
        if parameter.constant:
            return self.chance.choice(constants(parameter))
        types = parameter.types
        if parameter.same:
            types = frozenset({before[0].type})
        if parameter.element and before[0].type.element is not None:
            types = frozenset({before[0].type.element})
        usable = sorted(types - {SqlType.DECIMAL})
        return self.expression(self.chance.choice(usable), depth)

    def _choice(self, type_: SqlType, depth: int) -> Expression:
        """Return a CASE, a choice among two, or a conversion."""
        one, other = self.expression(type_, depth - 1), self._leaf(type_)
        match self.chance.randrange(3):
            case 0:
                when = self.expression(SqlType.BOOLEAN, depth - 1)
                return Case(((when, one),), other, type_)
            case 1:
                return Call(self.chance.choice(CHOICES), (one, other), type_)
            case _:
                back_and_forth = {
                    SqlType.DATE: SqlType.TIMESTAMP,
                    SqlType.TIMESTAMP: SqlType.VARCHAR,
                    SqlType.INTEGER: SqlType.DOUBLE,
                    SqlType.DOUBLE: SqlType.VARCHAR,
                    SqlType.VARCHAR: SqlType.DATE,
                }
                if type_ not in back_and_forth:
                    return one
                return Cast(as_type(one, back_and_forth[type_]), type_)


TYPES = [
    *(SqlType.BOOLEAN, SqlType.INTEGER, SqlType.DOUBLE, SqlType.VARCHAR, SqlType.DATE),
    *(SqlType.TIMESTAMP, SqlType.INTERVAL, SqlType.VARCHAR_LIST, SqlType.INTEGER_LIST),
]


@pytest.mark.parametrize("seed", range(8))
def test_no_composition_raises(database: duckdb.DuckDBPyConnection, seed: int) -> None:
    composer = Composer(seed)
    asked = 0
    for number in range(EXPRESSIONS):
        expression = composer.expression(TYPES[number % len(TYPES)], 3)
        size = cost(expression)
        if size.nodes > MAX_NODES or size.levels > MAX_LEVELS:
            continue
        sql = lower(expression).sql("duckdb")
        database.execute(f"SELECT bit_xor(hash({sql})), count({sql}) FROM t").fetchall()
        asked += 1
    assert asked > EXPRESSIONS / 2
