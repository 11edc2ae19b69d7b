from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING

import pytest

from dpquery.engines.sealed import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = 41
ROWS = [(SECRET, "Bob")]


def test_open_gives_the_rows() -> None:
    assert Sealed(ROWS).open() == ROWS


@pytest.mark.parametrize(
    "show", [str, repr, "{}".format, "%s".__mod__, lambda rows: f"{rows!r:>20}"]
)
def test_no_value_is_printed(show: Callable[[Sealed], str]) -> None:
    shown = show(Sealed(ROWS))
    assert shown.strip() == "<Sealed>"


@pytest.mark.parametrize(
    "leak",
    [
        iter,
        list,
        len,
        bool,
        sorted,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        vars,
        lambda rows: rows[0],
        lambda rows: rows < Sealed(ROWS),
    ],
)
def test_no_other_way_in(leak: Callable[[Sealed], object]) -> None:
    with pytest.raises(TypeError) as caught:
        leak(Sealed(ROWS))
    assert str(SECRET) not in str(caught.value)


def test_equality_says_nothing_about_content() -> None:
    assert Sealed(ROWS) != Sealed(ROWS)
    assert Sealed(ROWS) != ROWS
