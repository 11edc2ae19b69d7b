"""The normal form of a relation: one digest for all spellings of the same rows.

Inner joins, filters and SELECT lists that only compute are one *block*: a product of
leaves, with conditions on it. Outer and lateral joins and lists hang on the rows of a
block, each a function of the row alone, so their order has no meaning either. A leaf
is named by its place among the sorted digests of the leaves, and a column by its leaf
and by what it holds there. A digest then describes rows without a name of the query,
and equal descriptions are descriptions of the same rows.

Blocks inside each other are told apart by their depth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice, permutations, product
from math import factorial, prod
from typing import TYPE_CHECKING, TypeAlias, assert_never

from dpquery.plan.analysis.canonical_equalities import MERGED, EqualColumns
from dpquery.plan.analysis.canonical_expressions import (
    attributes,
    condition_terms,
    constant_digest,
    digest,
    ordering,
    term,
    together,
)
from dpquery.plan.expressions import Call, ColumnRef, Literal, Window
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
    JoinKind,
    Listed,
    Named,
    Project,
    Relation,
    Released,
    Sample,
    Scan,
    SetKind,
    SetOperation,
    Top,
    Unnest,
)
from dpquery.plan.walk import subexpressions, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dpquery.plan.expressions import Expression

Column: TypeAlias = Callable[[ColumnRef], str]
"""What a column of one name of a relation is."""
Environment: TypeAlias = Mapping[str, Column]

MOST_ORDERS = 6
"""Orders of leaves that are alike that are tried: all of three."""
DEEPEST = 1
"""The depth down to which they are tried: each level takes so many times longer."""


def blocks(
    relation: Relation, outer: Environment | None = None, depth: int = 0
) -> Iterator[Block]:
    """
    Yield descriptions of *relation*, which may read *outer* columns.

    There are several where leaves are alike: whoever reads columns chooses one.
    """
    outer = outer or {}
    parts = _taken_apart(relation)
    shapes = [_leaf(leaf, outer, depth) for leaf in parts.leaves]
    orders = _orders([shape.text for shape in shapes])
    for order in orders if depth <= DEEPEST else islice(orders, 1):
        yield Block(parts, shapes, order, outer, depth)


def block(relation: Relation, outer: Environment, depth: int) -> Block:
    """Return one description of *relation*, which may read *outer* columns."""
    return min(blocks(relation, outer, depth), key=lambda each: each.text)


def _orders(texts: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """Yield the places of leaves among all, sorted; alike ones in several orders."""
    alike: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        alike.setdefault(text, []).append(at)
    groups: list[Sequence[int]] = [alike[text] for text in sorted(alike)]
    tried = [groups]
    if prod(factorial(len(group)) for group in groups) <= MOST_ORDERS:
        tried = [[*each] for each in product(*map(permutations, groups))]
    for chosen in tried:
        in_order = [at for group in chosen for at in group]
        yield tuple(in_order.index(at) for at in range(len(texts)))


# --- parts -----------------------------------------------------------------------


@dataclass(slots=True)
class _Parts:
    """What a block is made of, from left to right."""

    leaves: list[Relation] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    attached: list[Join | Unnest] = field(default_factory=list)
    conditions: list[Expression] = field(default_factory=list)


def _taken_apart(relation: Relation) -> _Parts:
    parts = _Parts()
    _add(relation, parts)
    return parts


def _add(relation: Relation, parts: _Parts) -> None:
    match relation:
        case Filter(child=child, predicate=predicate):
            _add(child, parts)
            parts.conditions.append(predicate)
        case Join(kind=JoinKind.FULL):
            parts.leaves.append(relation)
        case Join(kind=JoinKind.INNER, lateral=False, left=left, right=right):
            _add(left, parts)
            _add(right, parts)
            parts.conditions.append(relation.condition)
        case Join(left=left):
            _add(left, parts)
            parts.attached.append(relation)
        case Unnest(child=child):
            _add(child, parts)
            parts.attached.append(relation)
        case Project(child=child, distinct=False, columns=columns) if not any(
            isinstance(part, Window)
            for each in columns
            for part in subexpressions(each.expression)
        ):
            _add(child, parts)
            parts.projects.append(relation)
        case (
            Scan() | Listed() | Released() | Sample() | Top() | Project() | Group()
        ) | SetOperation():
            parts.leaves.append(relation)
        case _:
            assert_never(relation)


# --- leaves ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    """A leaf by itself."""

    text: str
    columns: Environment
    """By the names of relations that it shows."""


def _leaf(leaf: Relation, outer: Environment, depth: int) -> _Shape:
    """Return what a leaf is by itself; *depth* is the depth of its block."""
    match leaf:
        case Scan(table=table, name=name):
            return _Shape(digest("scan", table.name), {name: _stored})
        case Listed(name=name, columns=columns, rows=rows):
            types = tuple(attributes(column) for column in columns)
            cells = sorted(
                tuple(
                    constant_digest(value, column.type)
                    for value, column in zip(row, columns, strict=True)
                )
                for row in rows
            )
            return _Shape(
                digest("listed", types, tuple(cells)), _by_place(name, columns)
            )
        case Released(name=name, source=source, columns=columns):
            types = tuple(attributes(column) for column in columns)
            return _Shape(digest("released", source, types), _by_place(name, columns))
        case Sample(child=child, share=share, seed=seed):
            inner = block(child, outer, depth + 1)
            return _Shape(digest("sample", inner.text, str(share), seed), inner.own)
        case Top(child=child, order=order, count=count):
            inner = block(child, outer, depth + 1)
            text = digest("top", inner.text, ordering(order, inner), count)
            return _Shape(text, inner.own)
        case Project(child=child, name=name, columns=made, distinct=distinct):
            inner = _with_least(child, outer, depth + 1, made)
            terms = _made("made", made, inner)
            text = digest("computed", inner.text)
            if distinct:
                text = digest("distinct", inner.text, tuple(sorted({*terms.values()})))
            return _Shape(text, _by_name(name, terms))
        case Group(child=child, name=name, keys=keys, aggregates=aggregates):
            inner = _with_least(child, outer, depth + 1, (*keys, *aggregates))
            by = _made("key", keys, inner)
            text = digest("group", inner.text, tuple(sorted({*by.values()})))
            terms = by | _made("aggregate", aggregates, inner)
            return _Shape(text, _by_name(name, terms))
        case SetOperation():
            return _set_operation(leaf, outer, depth)
        case Join(kind=kind, left=left, right=right, condition=condition):
            sides = [block(each, outer, depth + 1) for each in (left, right)]
            columns_ = {
                name: _wrapped(column, "side", at)
                for at, side in enumerate(sides)
                for name, column in side.own.items()
            }
            names = _Scope({**outer, **columns_}, depth + 1)
            on = tuple(sorted(set(condition_terms(condition, names))))
            texts = tuple(side.text for side in sides)
            return _Shape(digest("join", kind.value, texts, on), columns_)
        case Filter() | Unnest():
            msg = "filters and lists are parts of a block"
            raise ValueError(msg)
        case _:
            assert_never(leaf)


def _stored(column: ColumnRef) -> str:
    return digest("column", column.name, *attributes(column))


def _with_least(
    relation: Relation, outer: Environment, depth: int, made: Sequence[Named]
) -> Block:
    """Return the description by which what is *made* of *relation* sorts first."""
    return min(
        blocks(relation, outer, depth),
        key=lambda each: (each.text, sorted(_made("", made, each).values())),
    )


def _made(what: str, made: Iterable[Named], names: _Scope) -> dict[str, str]:
    return {each.name: digest(what, term(each.expression, names)) for each in made}


def _by_name(relation: str, terms: Mapping[str, str]) -> Environment:
    return {relation: lambda column: terms[column.name]}


def _by_place(relation: str, columns: Sequence[ColumnRef]) -> Environment:
    return _by_name(
        relation,
        {
            column.name: digest("place", at, *attributes(column))
            for at, column in enumerate(columns)
        },
    )


def _wrapped(column: Column, *around: object) -> Column:
    return lambda reference: digest(*around, column(reference))


def _set_operation(leaf: SetOperation, outer: Environment, depth: int) -> _Shape:
    sides = []
    for side in (leaf.left, leaf.right):
        inner = _with_least(side.child, outer, depth + 1, side.columns)
        values = tuple(term(each.expression, inner) for each in side.columns)
        sides.append(digest("side", inner.text, side.distinct, values))
    if leaf.kind is not SetKind.EXCEPT:
        sides.sort()
    types = tuple(attributes(column) for column in leaf.columns)
    text = digest("set", leaf.kind.value, leaf.distinct, tuple(sides), types)
    return _Shape(text, _by_place(leaf.name, leaf.columns))


# --- blocks ----------------------------------------------------------------------


class _Scope:
    """What names mean at one place of the plan."""

    def __init__(self, names: Environment, depth: int) -> None:
        self._names = names
        self._depth = depth

    def column(self, column: ColumnRef) -> str:
        """
        Return the digest of a column.

        Raises:
            ValueError: no relation around makes it; a fault of the plan.
        """
        found = self._names.get(column.relation)
        if found is None:
            msg = "a column of a relation that is not in the plan"
            raise ValueError(msg)
        return found(column)

    def rows(self, relation: Relation) -> str:
        """Return the digest of a subquery's rows."""
        return block(relation, self._names, self._depth + 1).text

    def values(self, relation: Relation) -> str:
        """Return the digest of a subquery's first column, the others left out."""
        inner = block(relation, self._names, self._depth + 1)
        return digest(inner.text, term(visible(relation)[0], inner))


class Block(_Scope):
    """A product of leaves, what hangs on its rows, and the conditions on them."""

    def __init__(
        self,
        parts: _Parts,
        shapes: Sequence[_Shape],
        places: Sequence[int],
        outer: Environment,
        depth: int,
    ) -> None:
        self.own: dict[str, Column] = {}
        """What the names that the block makes mean, as seen from its rows."""
        self._known: dict[str, Column] = dict(outer)
        super().__init__(self._known, depth)
        self._leaves: dict[str, Column] = {}
        for shape, place in zip(shapes, places, strict=True):
            for name, column in shape.columns.items():
                self._leaves[name] = _wrapped(column, "leaf", depth, place)
        self._equal = EqualColumns()
        self._projects = {
            project.name: {each.name: each.expression for each in project.columns}
            for project in parts.projects
        }
        rest = self._without_equalities(parts.conditions)
        alike = self._equal.representatives()
        for name, column in self._leaves.items():
            self._add(name, _replaced(column, alike))
        for name in self._projects:
            self._add(name, self._computed(name))
        attached = self._attach(parts.attached)
        equal = {digest("equal", *members) for members in self._equal.classes()}
        self.text = digest(
            "rows",
            tuple(sorted(shape.text for shape in shapes)),
            tuple(sorted(attached)),
            tuple(sorted({term(part, self) for part in rest} | equal)),
        )

    def unit(self, unit: Expression) -> str:
        """Return the digest of whose row a row is; equal columns say the same."""
        leaf = self._leaf_column(unit)
        if leaf is not None:
            members = self._equal.class_of(self._leaves[leaf.relation](leaf))
            if members:
                return digest("equal", *members)
        return term(unit, self)

    # --- names -------------------------------------------------------------------

    def _add(self, name: str, column: Column) -> None:
        self.own[name] = self._known[name] = column

    def _computed(self, name: str) -> Column:
        """Return the columns of a SELECT list, each computed where it is first read."""
        made: dict[str, str] = {}

        def column(reference: ColumnRef) -> str:
            if reference.name not in made:
                expression = self._projects[name][reference.name]
                value = term(expression, self)
                if isinstance(expression, Literal):
                    # beside a DECIMAL column, the lowering reads its digits if it
                    # stands there itself
                    value = digest("computed", value)
                made[reference.name] = value
            return made[reference.name]

        return column

    def _attach(self, attached: Iterable[Join | Unnest]) -> list[str]:
        """Add what hangs on rows; return the digests of it."""
        found: Counter[str] = Counter()
        for each in attached:
            if isinstance(each, Unnest):
                elements = term(each.elements, self)
                text = digest("unnest", elements, each.keeps)
                columns = _by_place(each.name, (each.column,))
            else:
                joined = Filter(each.right, each.condition)
                inner = block(joined, self._known, self._depth + 1)
                text = digest("joined", inner.text, each.kind.value)
                columns = inner.own
            number = found[text]
            for name, column in columns.items():
                beside = _wrapped(column, "beside", self._depth, text, number)
                self._add(name, beside)
            found[text] += 1
        return list(found.elements())

    # --- equal columns -----------------------------------------------------------

    def _without_equalities(self, conditions: Iterable[Expression]) -> list[Expression]:
        """Note which columns are equal; return the other conditions."""
        rest: list[Expression] = []
        for part in (each for found in conditions for each in together(found)):
            pair = self._equated(part)
            if pair is None:
                rest.append(part)
                continue
            one, other = ((self._leaves[each.relation](each), each) for each in pair)
            self._equal.add(one, other)
        return rest

    def _equated(self, condition: Expression) -> tuple[ColumnRef, ColumnRef] | None:
        """Return the columns of leaves that a condition says are the same."""
        match condition:
            case Call(function="eq", arguments=(one, other)):
                pair = self._leaf_column(one), self._leaf_column(other)
            case _:
                return None
        if pair[0] is None or pair[1] is None:
            return None
        same = pair[0].type is pair[1].type and pair[0].type in MERGED
        return (pair[0], pair[1]) if same else None

    def _leaf_column(self, expression: Expression) -> ColumnRef | None:
        """Return the column of a leaf that an expression is, by whatever names."""
        while isinstance(expression, ColumnRef):
            if expression.relation in self._leaves:
                return expression
            made = self._projects.get(expression.relation, {})
            if expression.name not in made:
                return None
            expression = made[expression.name]
        return None


def _replaced(column: Column, alike: Mapping[str, str]) -> Column:
    def same(reference: ColumnRef) -> str:
        found = column(reference)
        return alike.get(found, found)

    return same
