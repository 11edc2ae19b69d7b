"""GROUP BY: which expressions the keys are, and which levels there are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.policy.catalog import fold
from dpquery.sql.literals import count_literal
from dpquery.sql.queries.clauses import aggregated, items

if TYPE_CHECKING:
    from dpquery.sql.queries.bound import Block

MAX_LEVELS = 32
"""Grouping sets of one query: each is a release, and shares the budget."""


_LEVELS = ("grouping_sets", "rollup", "cube")


@dataclass(frozen=True, slots=True)
class Levels:
    """The keys of GROUP BY, and the sets of them that groups are made by."""

    nodes: tuple[exp.Expr, ...]
    sets: tuple[tuple[int, ...], ...]
    """Positions in *nodes*; one set of all of them for a plain GROUP BY."""

    @property
    def plain(self) -> bool:
        """Whether there is one level, with all keys."""
        return self.sets == (tuple(range(len(self.nodes))),)


def group_nodes(select: exp.Select, block: Block) -> list[exp.Expr] | None:
    """Return the keys of a plain GROUP BY; ``None`` where there are several levels."""
    levels = levels_of(select, block)
    return list(levels.nodes) if levels.plain else None


def levels_of(select: exp.Select, block: Block) -> Levels:
    """
    Return the keys and levels of GROUP BY; one level without keys if there is none.

    Raises:
        QueryRefused: a key is an aggregate or names nothing, or there are too many
            levels.
    """
    found = _Keys(select, block)
    group = select.args.get("group")
    if group is None:
        return Levels((), ((),))
    _check_number(group, block)
    if group.args.get("all"):
        nodes = [i for i in items(select, block) if not aggregated(i)]
        parts = [[found.of(node.unalias())] for node in nodes]
    else:
        parts = [
            [found.of(node)] if not _is_level(node) else found.sets(node)
            for node in group.expressions
        ]
        for key in _LEVELS:
            for node in group.args.get(key) or []:
                parts.append(found.sets(node))
    chosen = [
        tuple(dict.fromkeys(at for one in each for at in one))
        for each in product(*parts)
    ]
    return Levels(tuple(found.nodes), tuple(chosen))


def _check_number(group: exp.Expr, block: Block) -> None:
    """Refuse too many levels before any is written out: CUBE of n keys makes 2^n."""
    nodes = [*group.expressions]
    nodes += (n for key in _LEVELS for n in group.args.get(key) or [])
    count = prod(_number(node) for node in nodes)
    if count > MAX_LEVELS:
        shown = f"{count:,}" if count < 10**6 else "millions of"
        msg = f"GROUP BY has {shown} levels; at most {MAX_LEVELS} are answered"
        hint = "ask for fewer levels: each has a share of the budget"
        raise block.refusal(group, msg, "DPQ116", hint)


def _number(node: exp.Expr) -> int:
    match node:
        case exp.Cube():
            return 1 << len(node.expressions)
        case exp.Rollup():
            return len(node.expressions) + 1
        case exp.GroupingSets():
            return sum(map(_number, node.expressions))
        case _:
            return 1


def _is_level(node: exp.Expr) -> bool:
    return isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets)


class _Keys:
    """The keys met so far, each once."""

    def __init__(self, select: exp.Select, block: Block) -> None:
        self._select = select
        self._block = block
        self.nodes: list[exp.Expr] = []

    def of(self, node: exp.Expr) -> tuple[int, ...]:
        """Return the positions of the keys that *node* means."""
        if isinstance(node, exp.Tuple):
            return tuple(at for each in node.expressions for at in self.of(each))
        if isinstance(node, exp.Paren):
            return self.of(node.this)
        meant = self._meant(node)
        if meant not in self.nodes:
            self.nodes.append(meant)
        return (self.nodes.index(meant),)

    def sets(self, node: exp.Expr) -> list[tuple[int, ...]]:
        """Return the levels of ROLLUP, CUBE or GROUPING SETS."""
        if isinstance(node, exp.GroupingSets):
            found: list[tuple[int, ...]] = []
            for each in node.expressions:
                found += self.sets(each) if _is_level(each) else [self.of(each)]
            return found
        parts = [self.of(each) for each in node.expressions]
        if isinstance(node, exp.Rollup):
            chosen = [parts[:count] for count in range(len(parts), -1, -1)]
        else:
            sizes = range(len(parts), -1, -1)
            chosen = [list(c) for size in sizes for c in combinations(parts, size)]
        return [tuple(at for part in each for at in part) for each in chosen]

    def _meant(self, node: exp.Expr) -> exp.Expr:
        """Return the expression that one part of GROUP BY means."""
        select = items(self._select, self._block)
        if isinstance(node, exp.Literal) and not node.is_string:
            position = count_literal(node.name)
            if position is None or not 1 <= position <= len(select):
                msg = f"GROUP BY {node.name[:20]} names no column of SELECT"
                raise self._block.refusal(node, msg, "DPQ102", f"1 to {len(select)}")
            return self._no_aggregate(node, select[position - 1].unalias())
        if isinstance(node, exp.Column) and not node.table:
            for item in select:
                if isinstance(item, exp.Alias) and fold(item.alias) == fold(node.name):
                    return self._aliased(node, item.this)
        return self._no_aggregate(node, node.unalias())

    def _aliased(self, node: exp.Column, inner: exp.Expr) -> exp.Expr:
        known = self._block.scope.has(node.name)
        same = isinstance(inner, exp.Column) and fold(inner.name) == fold(node.name)
        if same:
            return node if known else inner
        if known:
            msg = f"{node.name} is a column and also an alias in SELECT"
            hint = "give the alias another name"
            raise self._block.refusal(node, msg, "DPQ104", hint)
        return self._no_aggregate(node, inner)

    def _no_aggregate(self, node: exp.Expr, meant: exp.Expr) -> exp.Expr:
        if aggregated(meant):
            hint = "group by what rows have in common, and filter groups with HAVING"
            msg = "an aggregate cannot be a group key"
            raise self._block.refusal(node, msg, "DPQ117", hint)
        return meant
