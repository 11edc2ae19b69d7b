"""Blocks in time: whether the policy says which there are, and what each may lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.policy.ownership import find, split, suggest
from dpquery.policy.values import Problem, is_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.policy.model import Epochs, Policy, Table

_AT = ("epochs", "column")


def epoch_problems(policy: Policy) -> Iterator[Problem]:
    """Find what is wrong with the blocks of *policy*, beside the rest of it."""
    if policy.epochs is None:
        return
    yield from _column_problems(policy, policy.epochs)
    yield from _budget_problems(policy, policy.epochs)


def _column_problems(policy: Policy, epochs: Epochs) -> Iterator[Problem]:
    """Check that the column is a date of private rows, with bounds."""
    name, column = split(epochs.column)
    spelled = find(policy.tables, name)
    if spelled is None:
        hint = suggest(name, policy.tables) or "name one of the tables of this policy"
        message = f"there is no table `{name}` in this policy"
        yield Problem(message, hint, "DPQ320", _AT)
    elif policy.tables[spelled].public:
        message = f"table `{spelled}` is public: its rows cost nothing in any block"
        yield Problem(message, "name the date of a private row", "DPQ322", _AT)
    else:
        yield from _bounds_problems(policy.tables[spelled], spelled, column)


def _bounds_problems(table: Table, name: str, column: str) -> Iterator[Problem]:
    """Check that the first and the last block are known from public bounds."""
    columns = table.columns or {}
    spelled = find(columns, column)
    if spelled is None:
        hint = suggest(column, columns)
        hint = hint or f"list it under `{name}`, with the first and the last date"
        message = f"table `{name}` has no column `{column}` in this policy"
        yield Problem(message, hint, "DPQ320", _AT)
        return
    bounds = columns[spelled].bounds
    if bounds is None:
        message = f"`{name}.{spelled}` has no bounds, so it is not said which blocks"
        message += " there are"
        hint = f"add `bounds: [2020-01-01, 2026-12-31]`, say, to `{spelled}`"
        yield Problem(message, hint, "DPQ311", _AT)
    elif is_number(bounds[0]):
        message = f"`{name}.{spelled}` is a number, and blocks are spans of time"
        hint = "name a column of dates or timestamps, whose bounds are dates"
        yield Problem(message, hint, "DPQ314", _AT)


def _budget_problems(policy: Policy, epochs: Epochs) -> Iterator[Problem]:
    """Check that both budgets are of one kind: with delta, or without."""
    whole, block = policy.budget, epochs.budget
    if whole.delta is not None and block.delta is None:
        message = "the whole budget has a delta, and that of a block has none"
        hint = "add a delta here, such as the same"
        yield Problem(message, hint, "DPQ311", ("epochs", "budget"), key=True)
    elif whole.delta is None and block.delta is not None:
        message = "the whole budget has no delta, so a block cannot have one"
        hint = "remove it here, or add a delta to the top-level `budget`"
        yield Problem(message, hint, "DPQ314", ("epochs", "budget", "delta"))
