"""
Random questions: one spelled in two ways is one release, and that has one result.

The second is what a store of releases relies on: where digests are equal, whatever the
questions were, the exact integers are equal. Here they are computed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.analysis import canonical_expressions
from dpquery.plan.analysis.canonical import Canonical, canonical
from dpquery.sql.lowering.lower import EngineSQL, lower_release
from dpquery.sql.lowering.rankings import lower_distinct, lower_ranking

from .choices import Choices
from .examples import draw, make_question, make_rows
from .respelling import Respelling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dpquery.plan.program import ReleaseStep

    from .removal import Key
    from .worlds import Worlds

QUESTIONS = 200
"""That are answered in both spellings."""
DIFFER = 0.02
"""At most this share of the releases: what is seen of a question when it is spelled
otherwise is not quite the same, such as names that break ties and hints."""
COMPARED = 150
"""Measurements of one digest and two statements."""
UNREAD = "OPTIONS("
"""What sqlglot does not parse, and so cannot write in another way."""

Steps = tuple["ReleaseStep", ...]


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Steps, Steps]]:
    return list(islice(_spelled(23), QUESTIONS))


def _spelled(number: int) -> Iterator[tuple[Steps, Steps]]:
    """Yield the releases of questions, each spelled in two ways."""
    questions = (each for drawn in draw(number) for each in drawn.questions)
    for at, asked in enumerate(map(make_question, questions)):
        if UNREAD in asked.question.sql:
            continue
        try:
            one = asked.program().releases
            sql = Respelling(at).of(asked.question.sql)
            other = replace(asked, question=replace(asked.question, sql=sql))
            yield one, other.program().releases
        except QueryRefused:
            continue


def test_a_release_is_the_same_however_it_is_spelled(
    pairs: list[tuple[Steps, Steps]],
) -> None:
    found: Counter[bool] = Counter()
    for one, other in pairs:
        assert len(one) == len(other)
        found.update(
            canonical(a) == canonical(b) for a, b in zip(one, other, strict=True)
        )
    assert found[False] <= DIFFER * found.total()


# --- the same integers -----------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """One column of exact integers, and the statement for it."""

    form: tuple[object, ...]
    """Everything that decides its values, if digests are right."""
    lowered: EngineSQL
    keys: tuple[str, ...]
    columns: tuple[int, ...]
    """After the keys; of a histogram, the bin and its weight."""

    def values(self, rows: Iterable[Key]) -> list[Key]:
        """Return the column of *rows*, keys in the order of their digests."""
        order = sorted(range(len(self.keys)), key=lambda at: self.keys[at])
        measured = [len(order) + at for at in self.columns]
        return sorted(
            (tuple(row[at] for at in (*order, *measured)) for row in rows), key=repr
        )


def _measured(step: ReleaseStep) -> Iterator[Measured]:
    """Yield the measurements of a release that may be shared."""
    made = canonical(step)
    if made.volatile:
        return
    groups = _groups(made)
    if step.moments:
        lowered = lower_release(step)
        for at, each in enumerate(zip(made.moments, made.limits, strict=True)):
            yield Measured((*groups, *each), lowered, made.keys, (at,))
    for at, union in enumerate(made.distinct):
        yield Measured((*groups, union), lower_distinct(step, at), made.keys, (0,))
    for at, ranking in enumerate(made.rankings):
        yield Measured((*groups, ranking), lower_ranking(step, at), made.keys, (0, 1))


def _groups(made: Canonical) -> tuple[object, ...]:
    return made.source, tuple(sorted(made.keys)), made.domain, made.bounding


def _compared(
    worlds: Worlds, pairs: Iterable[tuple[Steps, Steps]]
) -> Iterator[tuple[str, str, bool]]:
    """Yield two statements of one form, and whether their integers are the same."""
    known: dict[tuple[object, ...], Measured] = {}
    rows: dict[str, list[Key]] = {}
    steps = (step for pair in pairs for program in pair for step in program)
    for each in (each for step in steps for each in _measured(step)):
        first = known.setdefault(each.form, each)
        one, other = first.lowered.text, each.lowered.text
        if (one, first.columns) == (other, each.columns):
            continue
        for text in (one, other):
            if text not in rows:
                rows[text] = worlds.run(worlds.all, text)
        yield one, other, first.values(rows[one]) == each.values(rows[other])


@pytest.fixture
def filled(worlds: Worlds) -> Worlds:
    """Return worlds of which the first has rows."""
    worlds.fill(make_rows(Choices(next(draw(5)).database)), [], [])
    return worlds


def test_equal_digests_mean_equal_integers(
    pairs: list[tuple[Steps, Steps]], filled: Worlds
) -> None:
    compared = 0
    for one, other, same in islice(_compared(filled, pairs), COMPARED):
        assert same, f"{one}\n\n{other}"
        compared += 1
    assert compared == COMPARED


@pytest.mark.long
def test_equal_digests_mean_equal_integers_in_many_questions(filled: Worlds) -> None:
    compared = 0
    for one, other, same in _compared(filled, islice(_spelled(29), 5_000)):
        assert same, f"{one}\n\n{other}"
        compared += 1
    assert compared > 5_000


def test_a_digest_that_forgets_something_is_noticed(
    pairs: list[tuple[Steps, Steps]], filled: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canonical_expressions, "_number", lambda *_: "some number")
    assert not all(same for _, _, same in _compared(filled, pairs))
