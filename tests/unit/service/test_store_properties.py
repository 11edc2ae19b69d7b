"""Random questions of two analysts: what everybody and each of them is charged."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.loss import Definition, Loss
from dpquery.kernel import measurement
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.service import Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.accounting.events import Event
    from dpquery.noise.calibration import Additive
    from dpquery.results import Release

POLICY = """\
version: 1
name: shop
source: {duckdb: shop.duckdb}
privacy_unit: person
tables:
  people:
    privacy_unit_column: id
    key: id
    columns:
      a: {values: [x, y]}
      b: {values: [p, q, r]}
      c: {values: [1, 2]}
      maybe: {values: [u, v]}
      age: {bounds: [0, 100]}
BUDGET
query: {max_epsilon: 20}
analysts: {alice: {epsilon: 3000}, bob: {epsilon: 3000}, carol: {epsilon: 3000}}
"""
BUDGETS = {
    Definition.ZCDP: "budget: {epsilon: 4000, delta: 1e-6}",
    Definition.PURE: "budget: {epsilon: 4000}",
}
DATA = """
CREATE TABLE people (id BIGINT, a VARCHAR NOT NULL, b VARCHAR NOT NULL,
  c INTEGER NOT NULL, maybe VARCHAR, age INTEGER);
INSERT INTO people SELECT i, ['x', 'y'][1 + i % 2], ['p', 'q', 'r'][1 + i % 3],
  1 + i % 2, [NULL, 'u', 'v'][1 + i % 3], i % 100 FROM range(600) AS r(i);
"""
ANALYSTS = ("alice", "bob", "carol")
MEASURES = ("COUNT(*)", "COUNT(*)", "SUM(age)", "AVG(age)", "COUNT(DISTINCT id)")
KEYS = ("a", "b", "c", "maybe")
EPSILONS = (0.3, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Asked:
    """One question of the grammar."""

    who: str
    measure: str
    keys: tuple[str, ...]
    where: str
    epsilon: float

    def spelled(self, way: int) -> str:
        """Return the question in one of several spellings."""
        listed = ", ".join(self.keys)
        shown = f"{listed}, " if listed else ""
        by = f" GROUP BY {listed}" if listed else ""
        plain = f"SELECT {shown}{self.measure} AS n FROM people{self.where}{by}"
        match way:
            case 0:
                return plain
            case 1:
                return plain.replace("FROM people", "\nfrom  people AS p").lower()
            case 2:
                rows = f"WITH w AS (SELECT * FROM people{self.where})"
                return f"{rows} SELECT {shown}{self.measure} AS n FROM w{by}"
            case _:
                return plain.replace("people", "(SELECT * FROM people) AS q")


def questions(source: random.Random, count: int) -> list[Asked]:
    return [
        Asked(
            source.choice(ANALYSTS),
            source.choice(MEASURES),
            tuple(source.sample(KEYS, source.choice((0, 1, 1, 2, 2, 3)))),
            source.choice(("", "", "", " WHERE age < 50")),
            source.choice(EPSILONS),
        )
        for _ in range(count)
    ]


def opened(folder: Path, definition: Definition, more: str = "") -> Service:
    folder.mkdir(exist_ok=True)
    if not (folder / "shop.duckdb").exists():
        with duckdb.connect(folder / "shop.duckdb") as database:
            database.execute(DATA)
    text = POLICY.replace("BUDGET", BUDGETS[definition]) + more
    (folder / "shop.yaml").write_text(text)
    return Service.open(folder / "shop.yaml")


def ask(service: Service, asked: Asked, way: int = 0) -> Release:
    session = service.session(asked.who)
    return session.query(asked.spelled(way), epsilon=asked.epsilon)


def spent(service: Service, scope: str = DATASET) -> Loss:
    return service.backends.ledger.spent(scope)


def by_key(release: Release, asked: Asked) -> dict[tuple[object, ...], object]:
    return {row[: len(asked.keys)]: row[len(asked.keys) :] for row in release.rows}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What noise is drawn, as it is drawn."""
    events: list[Event] = []
    real = measurement.measure

    def watched(noise: Additive, exact: Sequence[int], loss: Loss) -> list[int]:
        events.append(noise.event())
        return real(noise, exact, loss)

    monkeypatch.setattr(measurement, "measure", watched)
    return events


def replay_and_account(
    service: Service, drawn: list[Event], count: int, seed: int
) -> None:
    source = random.Random(seed)  # noqa: S311 -- seeded
    definition = spent(service).definition
    known: list[tuple[Asked, Release]] = []
    replays = reused = 0
    for asked in questions(source, count):
        before = spent(service), spent(service, analyst_scope(asked.who)), len(drawn)
        first = ask(service, asked)
        after = spent(service), spent(service, analyst_scope(asked.who))
        reused += after[1] != before[1] and after[0] == before[0]
        again = ask(service, asked, source.randrange(4))  # at once
        assert (again.rows, again.price.rho) == (first.rows, 0)
        known.append((asked, first))
        earlier, answer = source.choice(known)  # whatever others asked meanwhile
        drawn_before = len(drawn)
        later = ask(service, earlier, source.choice((0, 0, 1)))
        assert by_key(later, earlier) == by_key(answer, earlier)
        assert later.intervals() == answer.intervals()
        replays += later.replayed
        assert len(drawn) == drawn_before
        assert (spent(service), spent(service, analyst_scope(asked.who))) == after
        # all that is debited is the noise that was drawn, and never less
        needed = loss_of_events(drawn, definition)
        debited = spent(service)
        assert needed.within(debited)
        # whole units of the ledger, a measurement at a time
        assert debited.amount - needed.amount <= 1e-6 * debited.amount + len(drawn)
    assert replays > count // 2
    assert reused


@pytest.mark.parametrize("definition", Definition)
def test_what_was_asked_is_free_and_the_same_whatever_others_ask(
    tmp_path: Path, drawn: list[Event], definition: Definition
) -> None:
    with opened(tmp_path / "all", definition) as service:
        replay_and_account(service, drawn, 35, 1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_questions_are_free_when_they_are_asked_again(
    tmp_path: Path, drawn: list[Event], seed: int
) -> None:
    with opened(tmp_path / "all", Definition.ZCDP) as service:
        replay_and_account(service, drawn, 200, 100 + seed)


@pytest.mark.parametrize("definition", Definition)
@pytest.mark.parametrize("sharing", ["", "sharing: isolated\n"])
def test_an_analyst_pays_what_they_would_pay_alone(
    tmp_path: Path, definition: Definition, sharing: str
) -> None:
    source = random.Random(2)  # noqa: S311 -- seeded
    asked = questions(source, 30)
    with opened(tmp_path / "all", definition, sharing) as service:
        prices = [(each, ask(service, each).price.rho) for each in asked]
        dataset = spent(service)
        mine = {who: spent(service, analyst_scope(who)) for who in ANALYSTS}
    whole = Loss.zero(definition)
    for who in ANALYSTS:
        with opened(tmp_path / who, definition) as alone:
            for each, price in prices:
                if each.who == who:
                    assert ask(alone, each).price.rho == price, each
            assert spent(alone, analyst_scope(who)) == mine[who]
            whole += spent(alone)
    if sharing:  # as if there were nobody else
        assert dataset == whole
    else:
        assert dataset.within(whole)
        assert dataset.amount < whole.amount
        assert all(each.within(whole) for each in mine.values())
