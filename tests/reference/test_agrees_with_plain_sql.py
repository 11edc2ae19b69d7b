"""
With next to no noise and bounds that bind nobody, answers are those of plain SQL.

Each question is asked twice. Without noise (the sampler is replaced, here only) the
numbers must be equal, and rows must come in the same order; at ε = 1e8, through all
of the real pipeline, aggregates must be within four 95 % half widths (7.8 σ).

Plain SQL reads the rows that belong to a unit, see ``scenarios.OWNED``. What still
differs, and nothing else may:

* groups that a public list has and the data has not are shown, with zeros;
* groups whose key is in no public list are left out, and so are those of one unit
  where keys are unknown: ``Question.left_out`` names every one of them;
* values out of bounds are clamped, NaN and infinities are NULL, a sum of nothing is
  0: where a question meets those, ``Question.plain`` is written accordingly.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.kernel import measurement

from .cases import OWN, from_samples

if TYPE_CHECKING:
    import duckdb

    from dpquery.results import Release

    from .cases import Key, Question
    from .conftest import Ask, Plain

ALMOST_EXACT = 1e8
Cells = tuple[Any, ...]
QUESTIONS = [
    pytest.param(each, id=f"{each.scenario}: {each.title}")
    for each in (*from_samples(), *OWN)
]


def plain_rows(
    question: Question, connection: duckdb.DuckDBPyConnection
) -> tuple[tuple[str, ...], dict[Key, Cells]]:
    found = connection.execute(question.plain or question.sql)
    names = tuple(column[0] for column in found.description)
    return names, by_key(found.fetchall(), question.keys)


def by_key(rows: list[Cells], keys: int) -> dict[Key, Cells]:
    found = {row[:keys]: row[keys:] for row in rows}
    assert len(found) == len(rows)
    return found


def close(ours: Any, plain: Any, far: float) -> bool:  # noqa: ANN401 -- cells
    """Whether two cells agree but for *far*."""
    if isinstance(ours, bool | str | None) or plain is None:
        return ours == plain
    assert type(ours) in {int, float}
    assert isinstance(plain, int | float | Decimal)
    return abs(ours - float(plain)) <= far


def equal(ours: Cells, plain: Cells) -> bool:
    """Whether cells agree as far as DOUBLE can say."""
    pairs = zip(ours, plain, strict=True)
    return all(close(a, b, 1e-7 * abs(float(b or 0))) for a, b in pairs)


@pytest.mark.parametrize("question", QUESTIONS)
def test_without_noise(
    question: Question, session: Ask, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        measurement, "measure", lambda _noise, exact, _loss: list(exact)
    )
    answer = session(question.scenario).query(question.sql, epsilon=ALMOST_EXACT)
    names, expected = plain_rows(question, plain(question.scenario))
    ours = by_key(answer.rows, question.keys)
    assert answer.columns == names
    assert expected.keys() - ours.keys() == question.left_out
    for key in ours.keys() - expected.keys():
        assert all(cell in {0, None} for cell in ours[key]), "an empty group has rows"
    for key in ours.keys() & expected.keys():
        assert equal(ours[key], expected[key]), key
    if "ORDER BY" in question.sql:  # the same numbers in the same order, but for ties
        in_order = [cells for key, cells in ours.items() if key in expected]
        wanted = [cells for key, cells in expected.items() if key in ours]
        assert all(map(equal, in_order, wanted))


@pytest.mark.parametrize("question", QUESTIONS)
def test_with_very_little_noise(question: Question, session: Ask, plain: Plain) -> None:
    answer = session(question.scenario).query(question.sql, epsilon=ALMOST_EXACT)
    _, expected = plain_rows(question, plain(question.scenario))
    ours = by_key(answer.rows, question.keys)
    if not {"LIMIT", "HAVING"} & set(question.sql.split()):  # noise may choose others
        assert expected.keys() - ours.keys() == question.left_out
    far = tolerances(answer, question.keys)
    for key in ours.keys() & expected.keys():
        cells = zip(ours[key], expected[key], far[key], strict=True)
        assert all(close(a, b, most) for a, b, most in cells), key


def tolerances(answer: Release, keys: int) -> dict[Key, list[float]]:
    """Return four half widths for each cell; what is computed has none to go by."""
    bars = answer.intervals(0.95)
    found = {}
    for at, row in enumerate(answer.rows):
        far = []
        for name, cell in zip(answer.columns[keys:], row[keys:], strict=True):
            bar = bars[name][at] if name in bars else None
            rounding = 0.5 + 1e-7 * abs(cell or 0)
            wide = math.inf if bar is None else 2 * (bar.high - bar.low)
            far.append(rounding + wide)
        found[row[:keys]] = far
    return found
