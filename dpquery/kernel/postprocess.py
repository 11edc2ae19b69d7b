"""SQL over released values, in a process that holds nothing else.

Nothing here costs anything: it reads what was released, public tables and the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dpquery.cells import numbers_only
from dpquery.engines.base import Statement
from dpquery.engines.released import (
    BindError,
    PublicTable,
    ReleasedColumn,
    ReleasedDatabase,
)
from dpquery.errors import QueryRefused
from dpquery.kernel.estimates import value
from dpquery.sql.lowering.expressions import ENGINE_TYPES, key_type
from dpquery.sql.lowering.public import lower_public, public_types
from dpquery.sql.parsing.parse import place_of_word
from dpquery.sql.queries.trees import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dpquery.engines.base import Engine, Limits
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.readings import Group
    from dpquery.plan.program import Computed, ReleaseStep
    from dpquery.plan.program import PublicTable as PublicRead

Row = tuple[Any, ...]
Table = tuple[tuple[ReleasedColumn, ...], "Sequence[Row]"]


def open_released() -> ReleasedDatabase:
    """Return an empty database for released values; its process starts when needed."""
    return ReleasedDatabase()


def columns_of(step: ReleaseStep) -> tuple[ReleasedColumn, ...]:
    """Return the columns of the released table: keys, aggregates, the row's number."""
    return (
        *(ReleasedColumn(k.name, key_type(k.expression)) for k in step.keys),
        *(ReleasedColumn(c.name, ENGINE_TYPES[c.type]) for c in step.columns),
        numbers(ROW),
    )


def numbers(name: str) -> ReleasedColumn:
    """Return a column of whole numbers."""
    return ReleasedColumn(name, "BIGINT")


def table_of(priced: PricedStep, groups: Sequence[Group]) -> Table:
    """Return the released table of noisy *groups*."""
    rows = [
        (
            *group.keys,
            *(
                value(each, group.readings, group.chosen)
                for each in priced.step.columns
            ),
            at,
        )
        for at, group in enumerate(groups)
    ]
    return columns_of(priced.step), rows


@dataclass(frozen=True, slots=True)
class Above:
    """What SQL above the boundary runs in, and where public rows come from."""

    database: ReleasedDatabase
    engine: Engine
    limits: Limits
    data_version: str

    def run(
        self, computed: Computed, released: Mapping[str, Table]
    ) -> tuple[list[str], list[Row]]:
        """
        Return the names and rows of *computed*.

        Raises:
            EngineFailure: DPQ520 to DPQ522, or the public rows cannot be read.
        """
        tables = {name: released[name] for name in computed.released}
        public = {
            each.table.name: PublicTable(
                each.table.name,
                _public_columns(each),
                self.data_version,
                self._rows(each),
            )
            for each in computed.public
        }
        return self.database.run(tables, computed.sql, self.limits, public)

    def _rows(self, public: PublicRead) -> Callable[[], Sequence[Row]]:
        lowered = lower_public(public.table, public.columns)
        statement = Statement(lowered.text, lowered.tables, lowered.functions)
        return lambda: self.engine.execute(statement).open()

    def check(self, prepared: Prepared) -> None:
        """
        Refuse what the SQL above the boundary cannot be, before anything is charged.

        Raises:
            QueryRefused: DPQ141, with what the engine says of it.
        """
        program = prepared.program
        steps = {step.name: step for step in program.releases}
        for computed in (
            *(each.computed for each in program.inputs),
            program.post.computed,
        ):
            tables = tuple(
                (name, columns_of(steps[name])) for name in computed.released
            )
            problem = _problem(self.database, self.limits, computed, tables)
            if problem is not None:
                message, word = problem
                place = None if word is None else place_of_word(prepared.sql, word)
                hint = (
                    "above the aggregates, DuckDB's SQL is answered as it is: \n"
                    "see its documentation for names and types"
                )
                raise QueryRefused(message, code="DPQ141", place=place, hint=hint)


@lru_cache(maxsize=1024)
def _problem(
    database: ReleasedDatabase,
    limits: Limits,
    computed: Computed,
    tables: tuple[tuple[str, tuple[ReleasedColumn, ...]], ...],
) -> tuple[str, str | None] | None:
    """Return what is wrong with *computed*, and the word at which it is."""
    public = {
        each.table.name: PublicTable(each.table.name, _public_columns(each), "", ())
        for each in computed.public
    }
    try:
        database.check(dict(tables), computed.sql, limits, public)
    except BindError as error:
        if error.position is None:
            return error.message, None
        start, length = error.position
        return error.message, computed.sql[start : start + length]
    return None


def _public_columns(public: PublicRead) -> tuple[ReleasedColumn, ...]:
    types = public_types(public.table, public.columns)
    return tuple(ReleasedColumn(name, type_) for name, type_ in types)


def finite(row: Row) -> Row:
    """Return *row*, NULL for what is no number: a ratio of noise can be anything."""
    return tuple(numbers_only(cell) for cell in row)
