"""Which cells of an answer have error bars, and which of its rows are flagged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.released import ReleasedDatabase
from dpquery.kernel import bars, sampling
from dpquery.kernel.payload import from_text, to_text
from dpquery.plan.aggregates import Units
from dpquery.service import Service
from dpquery.service.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.results import Release

POLICY = """\
version: 1
name: club
source: {duckdb: club.duckdb}
privacy_unit: member
tables:
  members:
    privacy_unit_column: id
    key: id
    columns:
      team: {values: [red, blue, green]}
      town: {}
      age: {bounds: [0, 100]}
budget: {epsilon: 1e6, delta: 1e-3}
query: {epsilon: 1, max_epsilon: 1e5, delta: 1e-9}
analysts: {alice: {epsilon: 1e6}, bob: {epsilon: 1e6}}
"""
DATA = """
CREATE TABLE members (id BIGINT, team VARCHAR, town VARCHAR, age INTEGER);
INSERT INTO members SELECT i, ['red', 'blue'][1 + i % 2],
  CASE WHEN i < 1900 THEN 'A' WHEN i < 1980 THEN 'B' ELSE 'C' END, i % 90
FROM range(2000) AS r(i);
"""
TEAMS = "(SELECT team, COUNT(*) AS n, SUM(age) AS s FROM members GROUP BY team)"


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("club")
    with duckdb.connect(folder / "club.duckdb") as database:
        database.execute(DATA)
    (folder / "club.yaml").write_text(POLICY)
    with Service.open(folder / "club.yaml") as service:
        yield service


def ask(club: Service, sql: str, epsilon: float = 1.0) -> Release:
    return club.session("alice").query(sql, epsilon=epsilon)


@pytest.mark.usefixtures("no_noise")  # of the answer: replicates have theirs
@pytest.mark.parametrize(
    ("sql", "noisy"),
    [
        ("SELECT team, COUNT(*) / 2 AS h, 2 AS two FROM members GROUP BY team", "h"),
        (f"SELECT team, n, s / n AS q FROM {TEAMS} AS t ORDER BY n LIMIT 2", "n q"),
        (f"SELECT team, n / SUM(n) OVER () AS q FROM {TEAMS} AS t", "q"),
        (f"SELECT SUM(n) AS m FROM {TEAMS} AS t", "m"),
        # one table twice is one measurement, of which groups have noise in common
        (f"SELECT a.team, a.n - b.n AS d FROM {TEAMS} AS a, {TEAMS} AS b", ""),
        (f"SELECT team, -n AS m FROM {TEAMS} AS t UNION ALL SELECT 'x', 1", "m"),
        (("SELECT team, age // 50 AS old, COUNT(*) + 1 AS n FROM members WHERE age <"
         " 100 GROUP BY ROLLUP (team, age // 50)"), "n"),
        (("PIVOT (SELECT team, age < 50 AS young, COUNT(*) AS n FROM members GROUP BY"
         " team, young) ON team IN ('red', 'blue') USING SUM(n)"), "red blue"),
        (("SELECT team, VAR_POP(age) AS v, STDDEV(age) + 1 AS w FROM members GROUP BY"
         " team"), "v w"),
        (("SELECT MEDIAN(age) AS m, MIN(age) AS a, MAX(age) AS b, AVG(age) -"
         " MEDIAN(age) AS d, BOOL_OR(age > 3) AS o FROM members"), "m a b d o"),
    ],
)  # fmt: skip
def test_what_varies_has_bars(club: Service, sql: str, noisy: str) -> None:
    answer = ask(club, sql, epsilon=3)
    assert answer.noisy == tuple(noisy.split())
    for name, cells in answer.intervals().items():
        at = answer.columns.index(name)
        for row, bar in zip(answer.rows, cells, strict=True):
            if row[at] is None or isinstance(row[at], bool):
                assert bar is None
            else:
                assert bar is not None
                assert bar.low <= row[at] <= bar.high


def test_plain_numbers_pay_nothing(
    club: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    run = ReleasedDatabase.run
    monkeypatch.setattr(
        ReleasedDatabase, "run", lambda *a, **k: [runs.append(a), run(*a, **k)][1]
    )

    def no_draw(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(sampling.Redraw, "of", no_draw)
    sql = "SELECT team, COUNT(*) AS n, AVG(age) AS a FROM members GROUP BY team"
    answer = ask(club, f"{sql} HAVING COUNT(*) > 5 ORDER BY n")
    assert answer.noisy == ("n", "a")
    assert len(runs) == 1


def test_a_row_that_is_chosen_by_its_noise_has_its_bar(club: Service) -> None:
    """WHERE, QUALIFY and LIMIT choose rows of the answer, not of its replicates."""
    found = ask(
        club,
        f"SELECT team, n * 2 AS m FROM {TEAMS} AS t WHERE n > 900"
        " ORDER BY m DESC LIMIT 1",
    )
    (bar,) = found.intervals()["m"]
    assert bar is not None
    assert bar.low < found.rows[0][1] < bar.high


@pytest.mark.usefixtures("no_noise")  # or what is told of bars would be by chance
def test_what_cannot_be_matched_has_no_bar(club: Service) -> None:
    # which rows there are depends on the noise, and nothing tells them apart
    found = ask(club, f"SELECT n // 100 AS h, SUM(s) AS s FROM {TEAMS} AS t GROUP BY h")
    bars_ = found.intervals().get("s", [None])
    assert None in bars_
    # the largest of several noisy numbers is larger than the largest number
    many = "(SELECT age, COUNT(*) AS n FROM members WHERE age < 60 GROUP BY age)"
    assert ask(club, f"SELECT MAX(n) AS m FROM {many} AS t").noisy == ()


def test_what_fails_when_it_is_drawn_again_has_no_bar(
    club: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sampling.Sampling, "_runs", broken)
    answer = ask(club, "SELECT COUNT(*) * 3 AS m, COUNT(*) AS n FROM members")
    assert answer.noisy == ("n",)


def test_too_large_an_answer_has_fewer_replicates_and_then_no_bars() -> None:
    numbers = (1, 100, 250, 500, 2000, 3000, 5000, 6000)
    counts = [sampling._count(n, 50_000) for n in numbers]
    assert counts == [999, 399, 199, 99, 99, 39, 39, 0]


def test_replays_have_the_same_bars_at_any_confidence(club: Service) -> None:
    sql = "SELECT team, SUM(age) / COUNT(*) AS q, STDDEV(age) AS s, MEDIAN(age) AS m"
    first = ask(club, f"{sql} FROM members GROUP BY team")
    again = ask(club, f"{sql} FROM members GROUP BY team")
    assert again.replayed
    for confidence in (0.5, 0.9, 0.95, 0.999):
        assert again.intervals(confidence) == first.intervals(confidence)
    last = club.session("alice").query(
        f"{sql} FROM members GROUP BY team", as_of="last"
    )
    assert last.intervals() == first.intervals()
    assert last.flags() == first.flags()


def test_simultaneous_bars_share_their_chance_to_miss(club: Service) -> None:
    sql = (  # of rows that no other test asks about: nothing is known of them
        "SELECT team, COUNT(*) AS n, 2 * COUNT(*) AS m FROM members WHERE age < 77"
        " GROUP BY team"
    )
    answer = ask(club, sql, epsilon=0.3)
    together = answer.intervals(0.95, simultaneous=True)
    alone = answer.intervals(1 - 0.05 / 6)
    assert together == alone
    for name, cells in answer.intervals(0.95).items():
        for one, other in zip(cells, together[name], strict=True):
            assert one is not None
            assert other is not None
            assert other.low < one.low < one.high < other.high
    names, rows = answer.table(intervals=True, simultaneous=True)
    assert rows[0][names.index("n_low")] == together["n"][0].low  # type: ignore[union-attr]


# --- flags ------------------------------------------------------------------------


@pytest.mark.usefixtures("no_noise")
def test_groups_that_only_just_passed_are_flagged(club: Service) -> None:
    """80 people where a few less are needed are near; 1,900 are not; 20 not shown."""
    sql = "SELECT town, COUNT(*) AS n, COUNT(*) * 2 AS m FROM members GROUP BY town"
    epsilon = next(
        epsilon
        for epsilon in (e / 200 for e in range(200, 1, -1))
        if 70 < _threshold(club, sql, epsilon) <= 80
    )
    answer = ask(club, sql, epsilon)
    assert [row[0] for row in answer.rows] == ["A", "B"]
    assert answer.flags() == [(), (bars.NEAR,)]
    assert any("1 of 2 groups is near the threshold" in n for n in answer.notes)
    computed = "SELECT COUNT(*) * 2 AS m FROM members GROUP BY town"
    assert ask(club, computed, epsilon).flags() == [(), (bars.NEAR,)]


def _threshold(club: Service, sql: str, epsilon: float) -> float:
    prepared, _ = club.session("alice").drafted(Question(sql, epsilon))
    (step,) = prepared.steps
    steps, _ = step.noise_of(Units())
    assert step.threshold is not None
    return step.threshold / steps


@pytest.mark.usefixtures("no_noise")
def test_groups_without_enough_rows_are_flagged(club: Service) -> None:
    rows = "FROM members WHERE age < 88 GROUP BY team"  # nothing is known of them
    answer = ask(club, f"SELECT team, AVG(age) AS a {rows}", 0.5)
    flags = dict(zip((row[0] for row in answer.rows), answer.flags(), strict=True))
    assert flags == {"red": (), "blue": (), "green": (bars.SMALL,)}
    assert any("1 of 3 groups is too small" in note for note in answer.notes)
    answer = ask(club, f"SELECT team, CORR(age, age // 2) AS c {rows}", 9.0)
    flags = dict(zip((row[0] for row in answer.rows), answer.flags(), strict=True))
    assert flags == {"red": (), "blue": (), "green": (bars.SMALL,)}


@pytest.mark.usefixtures("no_noise")
def test_answers_of_older_ledgers_are_read(club: Service) -> None:
    session = club.session("bob")
    session.query("SELECT AVG(age) AS a FROM members WHERE team = 'green'")
    (entry,) = session.history()
    stored = club.backends.ledger.find_until("bob", _fingerprint(club), "9999")
    assert stored is not None
    published = from_text(stored.payload)
    assert published.flags == ((bars.SMALL,),)
    assert from_text(to_text(published)) == published
    older = json.loads(to_text(published))
    del older["flags"]
    assert from_text(json.dumps(older)).flags == ()
    assert entry.state == "settled"


def _fingerprint(club: Service) -> str:
    sql = "SELECT AVG(age) AS a FROM members WHERE team = 'green'"
    prepared, _ = club.session("bob").drafted(Question(sql))
    return prepared.fingerprint
