"""Which equalities make joined rows one unit's, and the equalities that are added."""

from __future__ import annotations

from itertools import permutations

import pytest

from dpquery.errors import Place, QueryRefused
from dpquery.plan.analysis.ties import equal_units, same_kind, tied, ties, untied
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.relations import Listed, Owned
from dpquery.plan.render import expression_text
from dpquery.policy.catalog import SqlType

ORDER_KEY = ("orders", "order_id")


def column(table: str, name: str) -> ColumnRef:
    return ColumnRef(table, name, SqlType.INTEGER, "BIGINT")


def owned(table: str, unit: ColumnRef | None = None, key: str | None = None) -> Owned:
    """Rows of *table*; *unit* is theirs, and column *key* holds an order's key."""
    of = unit or column(table, "u")
    keys = () if key is None else ((column(table, key), ORDER_KEY),)
    return Owned(Listed(table, (), ()), of, (of,), "person", keys)


A, B, C = (owned(name, key="k") for name in "abc")


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("a", "u", "b", "u"), True),
        (("b", "u", "a", "u"), True),
        (("a", "k", "b", "k"), True),  # the same key of the policy
        (("a", "k", "b", "u"), False),
        (("a", "u", "b", "x"), False),
        (("a", "x", "b", "x"), False),
        (("a", "u", "c", "u"), False),  # about another table
    ],
)
def test_tied(pair: tuple[str, str, str, str], *, expected: bool) -> None:
    one, other = column(*pair[:2]), column(*pair[2:])
    assert tied(A, B, [(one, other)]) is expected
    assert tied(B, A, [(one, other)]) is expected


def test_keys_of_two_tables_are_two_keys() -> None:
    other = Owned(
        B.relation, B.unit, B.units, "person", ((column("b", "k"), ("items", "id")),)
    )
    assert not tied(A, other, [(column("a", "k"), column("b", "k"))])


def test_rows_that_have_one_unit_are_tied_by_nothing() -> None:
    both = owned("b", unit=column("a", "u"))
    assert tied(A, both, [])
    assert equal_units(A, both) == []


def test_every_row_is_tied_to_some_other_and_equalities_say_so() -> None:
    pairs = [(column("a", "k"), column("c", "k")), (column("b", "u"), column("c", "u"))]
    found = [expression_text(each) for each in ties([A, B, C], pairs)]
    assert found == ["c.u = a.u", "b.u = c.u"]


def test_an_order_of_tables_ties_in_one_way() -> None:
    """Plans are equal in all processes: nothing follows the order of a set."""
    pairs = [(column("a", "u"), column(name, "u")) for name in "bc"]
    for tables in permutations([A, B, C]):
        assert len(ties(tables, pairs)) == 2
        assert ties(tables, pairs) == ties(tables, pairs)


@pytest.mark.parametrize("pairs", [[], [(column("a", "u"), column("b", "u"))]])
def test_a_table_that_nothing_ties_is_refused(
    pairs: list[tuple[ColumnRef, ColumnRef]],
) -> None:
    with pytest.raises(QueryRefused) as refusal:
        ties([A, B, C], pairs)
    assert refusal.value.code == "DPQ110"


def test_two_kinds_are_refused() -> None:
    firm = Owned(B.relation, B.unit, B.units, "firm")
    place = Place(1, 1)
    with pytest.raises(QueryRefused) as refusal:
        same_kind(A, firm, place)
    assert refusal.value.code == "DPQ113"
    same_kind(A, B, place)


def test_the_hint_names_the_foreign_key_where_there_is_one() -> None:
    assert "(b.k)" in str(untied(B, None).hint)
    assert "foreign key" in str(untied(owned("b"), None).hint)
