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
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, assert_never

from dpquery.plan.analysis.canonical_equalities import EqualColumns, says_value
from dpquery.plan.analysis.canonical_expressions import (
    attributes,
    condition_terms,
    constant_digest,
    digest,
    ordering,
    term,
    together,
)
from dpquery.plan.analysis.canonical_parts import Parts, orders, taken_apart
from dpquery.plan.expressions import Call, ColumnRef, Literal
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
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
from dpquery.plan.walk import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dpquery.plan.expressions import Expression

Column: TypeAlias = Callable[[ColumnRef], str]
"""What a column of one name of a relation is."""
Environment: TypeAlias = Mapping[str, Column]

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
    parts = taken_apart(relation)
    shapes = [_leaf(leaf, outer, depth) for leaf in parts.leaves]
    tried = orders([shape.text for shape in shapes])
    for order in tried if depth <= DEEPEST else islice(tried, 1):
        yield Block(parts, shapes, order, outer, depth)


def block(relation: Relation, outer: Environment, depth: int) -> Block:
    """Return one description of *relation*, which may read *outer* columns."""
    return min(blocks(relation, outer, depth), key=lambda each: each.text)


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
        case Listed(name=name, columns=columns):
            return _Shape(_listed(leaf), _by_place(name, columns))
        case Released(name=name, source=source, columns=columns):
            return _Shape(digest("released", source), _by_place(name, columns))
        case Sample(child=child, share=share, seed=seed):
            inner = block(child, outer, depth + 1)
            return _Shape(digest("sample", inner.text, str(share), seed), inner.own)
        case Top(child=child, order=order, count=count):
            inner = block(child, outer, depth + 1)
            text = digest("top", inner.text, ordering(order, inner), count)
            return _Shape(text, inner.own)
        case Project():
            return _project(leaf, outer, depth)
        case Group():
            return _group(leaf, outer, depth)
        case SetOperation():
            return _set_operation(leaf, outer, depth)
        case Join():
            return _full_join(leaf, outer, depth)
        case Filter() | Unnest():
            msg = "filters and lists are parts of a block"
            raise ValueError(msg)
        case _:
            assert_never(leaf)


def _stored(column: ColumnRef) -> str:
    return digest("column", column.name, *attributes(column))


def _listed(listed: Listed) -> str:
    types = [column.type for column in listed.columns]
    rows = (
        tuple(
            constant_digest(each, type_) for each, type_ in zip(row, types, strict=True)
        )
        for row in listed.rows
    )
    return digest("listed", tuple(type_.value for type_ in types), tuple(sorted(rows)))


def _project(project: Project, outer: Environment, depth: int) -> _Shape:
    """Return a SELECT list with windows, or without equal rows."""
    inner = _with_least(project.child, outer, depth + 1, project.columns)
    terms = _made("made", project.columns, inner)
    text = digest("computed", inner.text)
    if project.distinct:
        text = digest("distinct", inner.text, tuple(sorted({*terms.values()})))
    return _Shape(text, _by_name(project.name, terms))


def _group(group: Group, outer: Environment, depth: int) -> _Shape:
    made = (*group.keys, *group.aggregates)
    inner = _with_least(group.child, outer, depth + 1, made)
    keys = _made("key", group.keys, inner)
    text = digest("group", inner.text, tuple(sorted({*keys.values()})))
    terms = keys | _made("aggregate", group.aggregates, inner)
    return _Shape(text, _by_name(group.name, terms))


def _full_join(join: Join, outer: Environment, depth: int) -> _Shape:
    sides = [block(each, outer, depth + 1) for each in (join.left, join.right)]
    columns = {
        name: _wrapped(column, "side", at)
        for at, side in enumerate(sides)
        for name, column in side.own.items()
    }
    names = _Scope({**outer, **columns}, depth + 1)
    on = tuple(sorted(set(condition_terms(join.condition, names))))
    text = digest("join", join.kind.value, tuple(side.text for side in sides), on)
    return _Shape(text, columns)


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
        parts: Parts,
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
        if pair[0] is None or pair[1] is None or pair[0].type is not pair[1].type:
            return None
        known = says_value(pair[0]) and says_value(pair[1])
        return (pair[0], pair[1]) if known else None

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
