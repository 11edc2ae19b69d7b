"""Answers as SQL text: what they read, and of which types their columns are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from dpquery.errors import Place, QueryRefused
from dpquery.plan.program import Computed, PublicTable
from dpquery.plan.rewrite.decompose_aggregates import released_type
from dpquery.policy.catalog import CatalogTable, SqlType, fold
from dpquery.sql.functions import try_cast
from dpquery.sql.lowering.expressions import ENGINE_TYPES, key_type
from dpquery.sql.lowering.select import identifier
from dpquery.sql.queries.clock import frozen
from dpquery.sql.queries.trees import PUBLIC, RELEASED, ROW, derived, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.program import AggregateQuery
    from dpquery.policy.catalog import Catalog
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import AnswerQuery

_T = exp.DType
_TYPES: dict[exp.DType, SqlType] = {
    **dict.fromkeys(
        (_T.TINYINT, _T.SMALLINT, _T.INT, _T.BIGINT, _T.UINT, _T.INT128, _T.UBIGINT),
        SqlType.INTEGER,
    ),
    **dict.fromkeys((_T.FLOAT, _T.DOUBLE, _T.DECIMAL), SqlType.DOUBLE),
    **dict.fromkeys((_T.TEXT, _T.VARCHAR, _T.CHAR), SqlType.VARCHAR),
    _T.BOOLEAN: SqlType.BOOLEAN,
    _T.DATE: SqlType.DATE,
    **dict.fromkeys((_T.TIMESTAMP, _T.DATETIME, _T.TIMESTAMPNTZ), SqlType.TIMESTAMP),
}


def computed(tree: exp.Query, binder: QueryBinder) -> Computed:
    """
    Return a query above the boundary as text, with the tables that it reads.

    Raises:
        QueryRefused: DPQ141, it cannot be written in the engine's dialect.
    """
    catalog = binder.catalog
    tree = frozen(tree, binder.now)
    found = [t for t in tree.find_all(exp.Table) if isinstance(t.this, exp.Identifier)]
    released = dict.fromkeys(t.name for t in found if t.db == RELEASED)
    public = dict.fromkeys(t.name for t in found if t.db == PUBLIC)
    words = {fold(each.name) for each in tree.find_all(exp.Identifier)}
    every = any(
        not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)
    )
    tables = tuple(
        _public(catalog.tables[name], None if every else words) for name in public
    )
    text = text_of(tree, identify=True)
    if text is None:
        msg = "above the aggregates, a part of this query has no form in DuckDB's SQL"
        hint = "write it in DuckDB's dialect"
        raise QueryRefused(msg, code="DPQ141", hint=hint)
    return Computed(text, tuple(released), tables)


def _public(table: CatalogTable, words: set[str] | None) -> PublicTable:
    """Return a public table with the columns that *words* name; or else with one."""
    known = [
        c.name for c in table.columns.values() if c.type is not SqlType.UNSUPPORTED
    ]
    named = [name for name in known if words is None or fold(name) in words]
    return PublicTable(table, tuple(named or known[:1]))


def typed_input(
    answer: AnswerQuery, binder: QueryBinder, place: Place | None
) -> tuple[Computed, tuple[tuple[str, SqlType], ...]]:
    """
    Return an answer that private rows are compared with, each column of one type.

    What does not fit the type is NULL: the engine below must not fail on it.

    Raises:
        QueryRefused: DPQ138, its columns have no names or no types.
    """
    names = answer.names
    types = (
        None
        if names is None
        else _types(answer.tree, binder.boundaries, binder.catalog)
    )
    if names is None or types is None or len(types) != len(names) or None in types:
        unknown = ""
        if names is not None and types is not None and None in types:
            unknown = f" of {names[types.index(None)]}"
        msg = f"the type{unknown} is not known where private rows are compared with it"
        hint = "CAST it to a type, e.g. CAST(… AS DOUBLE), under an alias"
        raise QueryRefused(msg, code="DPQ138", place=place, hint=hint)
    columns = tuple((n, t) for n, t in zip(names, types, strict=True) if t is not None)
    made = [
        exp.Alias(
            this=try_cast(_quoted(name), ENGINE_TYPES[type_]),
            alias=identifier(f"c{at}"),
        )
        for at, (name, type_) in enumerate(columns)
    ]
    tree = exp.Select(
        expressions=made, from_=exp.From(this=derived(answer.tree.copy(), "answer"))
    )
    return computed(tree, binder), columns


def _quoted(name: str) -> exp.Column:
    return exp.Column(this=identifier(name), table=identifier("answer"))


def _types(
    tree: exp.Query, boundaries: Sequence[AggregateQuery], catalog: Catalog
) -> list[SqlType | None] | None:
    """Return the types of a query's columns, as far as they follow from its text."""
    schema = MappingSchema(_schema(boundaries, catalog), dialect="duckdb")
    try:
        qualified = qualify(
            tree.copy(),
            schema=schema,
            dialect="duckdb",
            validate_qualify_columns=False,
            quote_identifiers=False,
        )
        annotated = annotate_types(qualified, schema=schema, dialect="duckdb")
    except (SqlglotError, RecursionError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(annotated, exp.Query):
        return None
    return [
        None if each.type is None else _TYPES.get(each.type.this)
        for each in annotated.selects
    ]


def _schema(
    boundaries: Sequence[AggregateQuery], catalog: Catalog
) -> dict[str, object]:
    released: dict[str, object] = {}
    for boundary in boundaries:
        columns = {key.name: key_type(key.expression) for key in boundary.keys}
        for at, aggregate in enumerate(boundary.aggregates):
            columns[f"a{at}"] = ENGINE_TYPES[released_type(aggregate)]
        released[boundary.name] = {**columns, ROW: "BIGINT"}
    public: dict[str, object] = {
        table.name: {c.name: ENGINE_TYPES[c.type] for c in table.columns.values()}
        for table in catalog.tables.values()
        if table.public
    }
    return {RELEASED: released, PUBLIC: public}
