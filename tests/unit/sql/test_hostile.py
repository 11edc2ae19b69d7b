"""
Queries written to do harm are refused, or answered with proof that they do none.

Each entry goes the way of a real query, on a database where the person is and on one
where nobody is. What can be seen without paying must be the same on both, and what is
refused must not touch the ledger (threats.md 1, I1 and I2). Entries about files,
settings and the catalogue are also put straight to the databases behind the binder.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import Limits, Statement
from dpquery.engines.lockdown import verify
from dpquery.engines.released import BindError, ReleasedDatabase
from dpquery.errors import (
    DPQueryError,
    EngineFailure,
    QueryRefused,
    SQLSyntaxError,
)
from dpquery.ledger.records import DATASET
from dpquery.service import Service, Session

from .hostile_world import ROWS, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

DESIGNED = Path(__file__).parents[4] / "shared" / "design" / "hostile.jsonl"
"""The corpus of the design, which is beside the repository, or not there."""
OWN = Path(__file__).parent / "hostile.jsonl"
CLASSES = {
    *("error_channel", "dp_rewrite", "escape", "parser", "parser_bomb"),
    *("resource_timing", "numeric"),
}
"""The others are about files, the ledger and the service, and not about SQL."""

TOTAL = "1.4: what has no value is NULL on every row, and nothing raises"
DOUBLE = "1.4: numbers are computed in DOUBLE, which does not overflow"
ABOVE = "1.3: computed from what is released; post-processing"
RELEASED = "1.3: the subquery is a release of its own, and a constant afterwards"
KEYS = "1.3: keys are released where a noisy count of units is above the threshold"
MECHANISM = "2.2, 2.6, 2.7: an aggregate with a mechanism of its own, and bounds"
UNIT_LOCAL = "1.3: decided by the rows of one unit"
CLOCK = "1.4: the clock is read once for the query and is a constant"
PUBLIC = "1.3: reads public tables and constants only"
ANSWERED = {
    **dict.fromkeys(("E003", "E015", "E017", "E042", "E047", "E053", "E054"), TOTAL),
    **dict.fromkeys(("E087", "E092", "E094", "E095"), TOTAL),
    **dict.fromkeys(("E008", "E011", "E096"), TOTAL),
    **dict.fromkeys(("E026", "E027", "E028", "E037"), DOUBLE),
    **dict.fromkeys(("E097", "E100", "D042", "D107", "D119", "D186", "D275"), ABOVE),
    **dict.fromkeys(("D035", "D043", "D044", "N018"), RELEASED),
    **dict.fromkeys(("D017",), KEYS),
    **dict.fromkeys(("D112", "D134", "D167"), MECHANISM),
    **dict.fromkeys(("D080",), UNIT_LOCAL),
    **dict.fromkeys(("D254", "D256"), CLOCK),
    **dict.fromkeys(("P052", "T025"), PUBLIC),
    "T022": "1.4: every text is cut, and what is written out is limited",
}
"""Entries marked ``reject`` that are answered, with the rule of theory.md that proves
them harmless. All others marked so are refused."""

PROFILED = {
    *("E008", "E011", "E026", "E028", "E096", "E101", "E102", "E103", "E107", "E108"),
    *("D199", "N018", "R266", "R268", "R269", "R270"),
}
"""Entries whose bounds come from a private profile: those are numbers with noise."""
NOT_ANSWERED = {
    "N010": "a constant of 38 digits: the noise would be as large",
    "D210": "a group for each unit",
}
"""Entries marked ``accept_safe`` that are refused all the same."""


@dataclass(frozen=True)
class Entry:
    """One query of a corpus."""

    id: str
    kind: str
    sql: str
    expected: str


def corpus(path: Path) -> list[Entry]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines if line.strip()]
    return [
        Entry(each["id"], each["class"], each["sql"], each["expected"])
        for each in read
        if each["class"] in CLASSES
    ]


ENTRIES = [*corpus(DESIGNED), *corpus(OWN)]
ESCAPES = [each for each in ENTRIES if each.kind == "escape"]


def of(expected: str) -> list[object]:
    """Return the entries that are *expected* to be answered, or not, as parameters."""
    return [
        pytest.param(each, id=each.id)
        for each in ENTRIES
        if (each.expected == "reject" and each.id not in ANSWERED)
        == (expected == "refused")
    ]


@dataclass(frozen=True)
class Worlds:
    """A service of a database with the person, and of one with nobody."""

    full: Service
    empty: Service

    @property
    def sessions(self) -> tuple[Session, Session]:
        return self.full.session("alice"), self.empty.session("alice")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    folder = tmp_path_factory.mktemp("hostile")
    with opened(folder / "full", ROWS) as full, opened(folder / "empty", "") as empty:
        yield Worlds(full, empty)


def ledger_of(service: Service) -> tuple[object, ...]:
    """Return all that a ledger shows."""
    ledger = service.backends.ledger
    history = [each.release_id for each in ledger.history("alice")]
    return ledger.spent(DATASET), ledger.spent("analyst:alice"), history


def refused(session: Session, entry: Entry) -> str:
    """Return the text of the refusal, which is the same without asking for noise."""
    said = []
    for ask in (session.price, session.query):
        with pytest.raises((QueryRefused, SQLSyntaxError)) as refusal:
            ask(entry.sql)
        said.append(str(refusal.value))
    assert said[0] == said[1]
    return said[0]


@pytest.mark.parametrize("entry", of("refused"))
def test_what_must_be_refused(worlds: Worlds, entry: Entry) -> None:
    before = [ledger_of(each) for each in (worlds.full, worlds.empty)]
    full, empty = worlds.sessions
    text = refused(full, entry)
    assert text == refused(empty, entry)
    assert "Bob" not in text or "Bob" in entry.sql
    assert text.replace("\n", "").isprintable()
    assert [ledger_of(each) for each in (worlds.full, worlds.empty)] == before


@pytest.mark.parametrize("entry", of("answered"))
def test_what_may_be_answered(worlds: Worlds, entry: Entry) -> None:
    """The price and the shape are the same without the person; nothing raises."""
    full, empty = worlds.sessions
    if entry.id in NOT_ANSWERED:
        assert refused(full, entry) == refused(empty, entry)
        return
    prices = [each.price(entry.sql) for each in (full, empty)]
    assert prices[0].rho == prices[1].rho
    assert prices[0].delta == prices[1].delta
    if entry.id in PROFILED:
        said = [re.sub(r"[-+.,\de]+", "#", each.explanation) for each in prices]
        assert said[0] == said[1]
    else:
        assert prices[0].explanation == prices[1].explanation
    answers = [each.query(entry.sql) for each in (full, empty)]
    assert answers[0].columns == answers[1].columns
    for service, price, answer in zip(
        (worlds.full, worlds.empty), prices, answers, strict=True
    ):
        if price.rho or price.delta:  # it reads private rows: paid for, and on record
            assert answer.id in ledger_of(service)[2]


def test_the_corpora_are_whole() -> None:
    assert sum(each.expected == "reject" for each in corpus(OWN)) > 250
    assert len({each.id for each in ENTRIES}) == len(ENTRIES)


@pytest.mark.skipif(not DESIGNED.exists(), reason="the corpus is not beside this tree")
def test_the_exceptions_are_of_the_corpus() -> None:
    known = {each.id: each.expected for each in corpus(DESIGNED)}
    assert {known[each] for each in ANSWERED} == {"reject"}
    assert {known[each] for each in NOT_ANSWERED} == {"accept_safe"}


# --- straight to the databases ----------------------------------------------------


@pytest.mark.parametrize("entry", ESCAPES, ids=lambda entry: entry.id)
def test_the_private_database_runs_nothing_that_no_plan_has(
    worlds: Worlds, entry: Entry
) -> None:
    statement = Statement(entry.sql, frozenset(), frozenset())
    with pytest.raises(EngineFailure) as failure:
        worlds.full.backends.engine.execute(statement)
    assert failure.value.code in {"DPQ502", "DPQ510"}


def test_past_that_check_the_lock_holds(worlds: Worlds, tmp_path: Path) -> None:
    """Put to DuckDB as they are, they change no setting, no row and no file."""
    engine = worlds.full.backends.engine
    engine.refresh()
    connection = engine._current()  # type: ignore[attr-defined]
    count = "SELECT count(*), sum(income) FROM main.customers"
    before = connection.cursor().execute(count).fetchall()
    files = sorted(Path.cwd().iterdir()), sorted(tmp_path.iterdir())
    for entry in ESCAPES:
        try:
            connection.cursor().execute(entry.sql).fetchall()
        except duckdb.Error:
            continue
    verify(connection.cursor())
    assert connection.cursor().execute(count).fetchall() == before
    assert connection.cursor().execute("SELECT sum(2), upper('a')").fetchall() == [
        (2, "A")
    ]
    assert (sorted(Path.cwd().iterdir()), sorted(tmp_path.iterdir())) == files


@pytest.fixture(scope="module")
def released() -> Iterator[ReleasedDatabase]:
    database = ReleasedDatabase()
    yield database
    database.close()


@pytest.mark.parametrize("entry", ESCAPES, ids=lambda entry: entry.id)
def test_the_process_above_has_nothing_to_reach(
    released: ReleasedDatabase, entry: Entry
) -> None:
    limits = Limits(memory="500MB", threads=1, seconds=10)
    with pytest.raises(BindError):
        released.check({}, entry.sql, limits)
    with pytest.raises(DPQueryError) as failure:
        released.run({}, entry.sql, limits)
    assert failure.value.code in {"DPQ520", "DPQ510"}
