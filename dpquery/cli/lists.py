"""The verbs that list what there is: tables and history."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli.options import (
    AnalystOption,
    ColourOption,
    FormatOption,
    OutputOption,
    PolicyOption,
    analyst_name,
    open_service,
    target,
)
from dpquery.cli.render import Sheet
from dpquery.cli.talk import Colour, UsageError

if TYPE_CHECKING:
    from dpquery.results import TableInfo


def tables(
    table: Annotated[
        str | None,
        typer.Argument(metavar="TABLE", show_default=False, help="Only this table."),
    ] = None,
    *,
    policy: PolicyOption = None,
    analyst: AnalystOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    List what may be asked about, one column a row.

    `low` and `high` are public bounds: values outside are moved to the nearest bound.
    `keys` says whether groups by this column are known: groups of unknown keys are
    withheld when they are small.
    """
    where = target(form, output, color)
    with (
        open_service(policy) as service,
        service.session(analyst_name(analyst, policy)) as session,
    ):
        found = session.tables()
    with where.open() as write:
        write(_tables_sheet(found if table is None else [_named(table, found)]))


def history(
    *,
    policy: PolicyOption = None,
    analyst: AnalystOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    List what was asked and what it cost, newest first.

    `settled` was answered; `reserved` was charged and gave no answer.
    """
    where = target(form, output, color)
    with (
        open_service(policy) as service,
        service.session(analyst_name(analyst, policy)) as session,
    ):
        entries = session.history()
    columns = ("id", "asked_at", "state", "epsilon", "delta", "rho", "sql")
    rows = [
        (
            each.id,
            each.asked_at,
            each.state,
            each.price.epsilon,
            each.price.delta,
            each.price.rho,
            each.sql,
        )
        for each in entries
    ]
    with where.open() as write:
        write(Sheet(columns, rows))


def _named(name: str, found: list[TableInfo]) -> TableInfo:
    """
    Return the table called *name*.

    Raises:
        UsageError: There is none (DPQ410).
    """
    # SQL folds ASCII letters only, and so do we
    by_name = {each.name.encode().lower(): each for each in found}
    if (table := by_name.get(name.encode(errors="replace").lower())) is not None:
        return table
    names = [each.name for each in found]
    close = get_close_matches(name, names, n=1)
    raise UsageError(
        f"there is no table {name!r}",
        code="DPQ410",
        hint=f"did you mean {close[0]}?" if close else f"tables: {', '.join(names)}",
    )


def _tables_sheet(found: list[TableInfo]) -> Sheet:
    """One row a column."""
    columns = ("table", "access", "unit", "column", "type", "low", "high", "keys")
    rows = [
        (
            table.name,
            "public" if table.public else "private",
            table.unit,
            column.name,
            column.type,
            *(column.bounds or (None, None)),
            column.keys,
        )
        for table in found
        for column in table.columns
    ]
    return Sheet(columns, rows)
