"""
Intervals of every kind of output cover the answer without noise as often as they say.

End to end: a table of 500 equal groups, so that one query gives 500 intervals of one
number, whose noises are independent. Values are inside of their bounds and each person
has one row, so that nothing is clipped: an interval is for noise, not for clipping.

Each test states its false alarm, for a coverage of 95 %. Intervals of values chosen by
rank are bounds that hold whatever the rows are: they cover more often, and only the
lower end of the band is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .alarms import FALSE_ALARM, outside
from .crowds import GROUPS, bars, crowd, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.service import Service

BANDS = {1: (0.88, 0.996), 4: (0.9175, 0.977), 40: (0.9403, 0.9592)}
"""Answers of 500 groups, and the band of their coverage (theory.md 6.2)."""
COUNTS = "(SELECT g, s, COUNT(*) AS n FROM people GROUP BY g, s)"
KINDS = {
    "count": ("SELECT g, COUNT(*) AS v FROM people GROUP BY g", 1),
    "sum": ("SELECT g, SUM(x) AS v FROM people GROUP BY g", 1),
    "average": ("SELECT g, AVG(x) AS v FROM people GROUP BY g", 1),
    "variance": ("SELECT g, VAR_SAMP(x) AS v FROM people GROUP BY g", 3),
    "deviation": ("SELECT g, STDDEV(x) AS v FROM people GROUP BY g", 3),
    "covariance": ("SELECT g, COVAR_POP(y, x) AS v FROM people GROUP BY g", 3),
    "correlation": ("SELECT g, CORR(y, x) AS v FROM people GROUP BY g", 5),
    "slope": ("SELECT g, REGR_SLOPE(y, x) AS v FROM people GROUP BY g", 5),
    "intercept": ("SELECT g, REGR_INTERCEPT(y, x) AS v FROM people GROUP BY g", 5),
    "ratio": ("SELECT g, SUM(x) / SUM(y) AS v FROM people GROUP BY g", 10),
    "share": (
        (
            "SELECT g, n / SUM(n) OVER () AS v FROM"
            " (SELECT g, COUNT(*) AS n FROM people GROUP BY g)"
        ),
        1,
    ),
    "pivot": (
        f"SELECT g, a AS v FROM (PIVOT {COUNTS} ON s IN ('a', 'b') USING SUM(n))",
        0.2,  # of little noise, intervals of whole numbers cover more
    ),
    "join": (
        (
            "SELECT a.g, a.n - b.m AS v FROM"
            " (SELECT g, COUNT(*) AS n FROM people GROUP BY g) AS a JOIN"
            " (SELECT g, SUM(x) / 100 AS m FROM people GROUP BY g) AS b"
            " ON a.g = b.g"
        ),
        1,
    ),
}
QUICK = ("count", "sum", "average", "variance", "deviation", "correlation", "ratio")
QUICK += ("pivot",)
CHOSEN = {
    "median": ("SELECT g, MEDIAN(x) AS v FROM people GROUP BY g", 20),
    "quantile": ("SELECT g, QUANTILE_DISC(x, 0.8) AS v FROM people GROUP BY g", 20),
    "least": ("SELECT g, MIN(x) AS v FROM people GROUP BY g", 20),
    "of a median": ("SELECT g, AVG(x) - MEDIAN(x) AS v FROM people GROUP BY g", 20),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with crowd(tmp_path_factory.mktemp("crowd")) as opened:
        yield opened


def coverage(service: Service, kind: str, answers: int) -> float:
    """The share of the intervals of 95 % that cover the answer without noise."""
    sql, epsilon = (KINDS | CHOSEN)[kind]
    true, many, covered = truth(sql), 0, 0
    for bar in bars(service, sql, epsilon, answers, 0.95):
        assert bar is not None
        many += 1
        covered += bar.low <= true <= bar.high
    assert many == answers * GROUPS
    return covered / many


@pytest.mark.parametrize("answers", BANDS)
def test_the_bands_have_their_false_alarm(answers: int) -> None:
    low, high = BANDS[answers]
    many = answers * GROUPS
    assert outside(low * many, high * many, 0.95, many) <= FALSE_ALARM
    wrong = {1: (0.83, 0.9999), 4: (0.89, 0.99), 40: (0.935, 0.965)}[answers]
    for share in wrong:  # what would be seen
        assert outside(low * many, high * many, share, many) > 0.99


@pytest.mark.parametrize("kind", QUICK)
def test_intervals_cover(service: Service, kind: str) -> None:
    low, high = BANDS[1]
    assert low <= coverage(service, kind, 1) <= high


def test_intervals_of_chosen_values_cover_at_least(service: Service) -> None:
    assert coverage(service, "median", 1) >= BANDS[1][0]


@pytest.mark.long
@pytest.mark.parametrize("answers", [4, 40])
@pytest.mark.parametrize("kind", [*KINDS, *CHOSEN])
def test_intervals_cover_in_many_draws(
    service: Service, kind: str, answers: int
) -> None:
    low, high = BANDS[answers]
    found = coverage(service, kind, answers)
    assert found >= low
    assert found <= high or kind in CHOSEN
