"""`benchmarks.accuracy` computes the errors it reports; no peers, no network."""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.cells import Cells
from benchmarks.accuracy.lines import COUNT, LINES, Kind, Line, Measure
from benchmarks.accuracy.norm import best_norm
from benchmarks.accuracy.peers import NotRun, _run
from benchmarks.accuracy.report import table, verdicts
from benchmarks.accuracy.run import run
from benchmarks.accuracy.scores import Result, Score, mean_ratio, score
from benchmarks.accuracy.terms import Terms
from benchmarks.accuracy.truncation import Law, Noise, best

if TYPE_CHECKING:
    from pathlib import Path

ALONE = Terms(1.0, 1e-6)
CLINIC = next(line for line in LINES if line.name == "clinic: visits by ward")


def test_a_missing_group_counts_with_its_whole_value() -> None:
    exact = {"a": (3.0,), "b": (4.0,)}
    found = score(exact, [{"a": (3.0,)}, {"a": (3.0,), "b": (4.0,)}])
    assert found.rmse == pytest.approx(math.sqrt(16 / 4))
    assert found.released == 1.5
    assert score(exact, [{"a": (math.nan,), "b": (math.inf,)}]).rmse == pytest.approx(
        math.sqrt(25 / 2)
    )


def test_bias_is_what_all_answers_have_in_common() -> None:
    source = random.Random(1)  # noqa: S311 -- seeded
    exact = {str(at): (0.0,) for at in range(400)}
    answers = [{key: (7 + source.gauss(0, 3),) for key in exact} for _ in range(20)]
    found = score(exact, answers)
    assert found.rmse == pytest.approx(math.sqrt(49 + 9), rel=0.05)
    assert found.bias == pytest.approx(7, rel=0.05)


def test_columns_count_by_their_size() -> None:
    exact = {"a": (10.0, 1000.0)}
    assert score(exact, [{"a": (11.0, 1100.0)}]).rmse == pytest.approx(0.1)


def test_a_question_of_many_has_its_part_of_the_promise() -> None:
    many = Terms(1.0, 1e-6, 20)
    assert many.rho == pytest.approx(ALONE.rho / 20)
    assert many.epsilon_alone == 0.05
    assert 0.2 < many.epsilon_of(1.0) < 0.21  # zCDP adds up as a square root
    assert many.delta_of_groups * 20 <= 5e-7


def one_group_each(units: int, rows: int) -> Cells:
    """Return *units* units of *rows* rows in two groups each."""
    group = np.tile([0, 1], units)
    full = np.full(2 * units, rows)
    unit = np.repeat(np.arange(units), 2)
    return Cells(("a", "b"), group, full * 0 + 2, 2 * full, full * 1.0, (full,), unit)


def line(measure: Measure, *, public: bool = True) -> Line:
    return Line("x", "clinic", "t", "t.u", ("t.g",), (measure,), public)


@pytest.mark.parametrize("law", Law)
def test_the_oracle_keeps_all_when_there_are_many_units(law: Law) -> None:
    found = best(one_group_each(10_000, 5), line(COUNT[0]), 0, law, ALONE)
    assert found is not None
    assert (found.groups, found.bound, found.bias) == (2, 5, 0)
    noise = Noise(law, ALONE)
    assert found.mean_square == pytest.approx(
        5 * 5 * 2 / (2 * ALONE.rho) if law is Law.GAUSSIAN else 2 * (2 * 5) ** 2
    )
    assert found.mean_square == pytest.approx(noise.variance(noise.scale(2, 5, 1)))


def test_the_oracle_bounds_more_when_there_are_few_units() -> None:
    found = best(one_group_each(3, 5), line(COUNT[0]), 0, Law.GAUSSIAN, ALONE)
    assert found is not None
    assert found.bound * math.sqrt(found.groups) < 5 * math.sqrt(2)
    assert found.bias > 0


def test_the_norm_oracle_is_truncation_where_all_units_are_alike() -> None:
    cells = one_group_each(10_000, 5)
    norm = best_norm(cells, line(COUNT[0]), 0, ALONE)
    cut = best(cells, line(COUNT[0]), 0, Law.GAUSSIAN, ALONE)
    assert norm is not None
    assert cut is not None
    assert norm.mean_square == pytest.approx(cut.mean_square, rel=1e-6)


def test_a_small_group_is_withheld_and_a_large_one_is_not() -> None:
    few, many = (
        best(one_group_each(n, 1), line(COUNT[0], public=False), 0, law, ALONE)
        for n, law in ((5, Law.LAPLACE), (10_000, Law.LAPLACE))
    )
    assert few is not None
    assert many is not None
    assert few.released == 0
    assert few.mean_square == pytest.approx(25)
    assert many.released == 2


@pytest.mark.parametrize("law", Law)
def test_the_threshold_hides_a_lone_unit(law: Law) -> None:
    noise = Noise(law, ALONE)
    for k in (1, 8):
        scale = noise.scale(k, 1, 1)
        margin = noise.threshold(k, scale) - 1
        delta = ALONE.delta_alone if law is Law.BASIC else ALONE.delta_of_groups
        tail = math.exp(-margin / scale) / 2
        if law is Law.GAUSSIAN:
            tail = math.erfc(margin / scale / math.sqrt(2)) / 2
        assert 1 - (1 - tail) ** k == pytest.approx(delta, rel=1e-3)


def test_ratios_and_verdicts_say_what_the_scores_say() -> None:
    peers = {"a": Score(10, 4), "b": Score(8, 2), "c": "why"}
    results = [
        Result("public", True, 9, Score(2, 9), peers),
        Result("unknown", False, 9, Score(8, 6), peers),
    ]
    assert [each.ratio() for each in results] == [0.25, 1]
    assert results[1].released == 1.5
    assert mean_ratio(results) == 0.5
    assert [text.split()[0] for text in verdicts(results)] == ["FAIL", "FAIL", "FAIL"]
    assert verdicts(results[:1]) == [
        "pass  at most 1/2 of the best peer's RMSE on 1 of 1 lines",
        "pass  geometric mean of the ratios 0.25, aim 1/3",
    ]
    assert "c: not run: why (2 lines)" in table(results, list(peers))


def test_dpquery_answers_a_sample_on_the_terms_that_all_have(tmp_path: Path) -> None:
    options = argparse.Namespace(
        scale=0.01,
        cache=tmp_path,
        trials=3,
        no_peers=True,
        profile=0.1,
        of_tables=False,
    )
    found = run(CLINIC, ALONE, options)
    assert found.groups == 14
    assert 5 <= found.own.released <= 14
    assert set(found.peers) == {"gaussian", "laplace", "basic"}
    assert all(isinstance(each, Score) for each in found.peers.values())


def test_a_peer_that_does_not_run_says_why() -> None:
    command = [sys.executable, "-c", "raise ValueError('no medians')"]
    with pytest.raises(NotRun, match="ValueError: no medians"):
        _run(command)


def test_it_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--only", "trade: declarations", "--trials", "2", "--no-peers"]
    main([*options, "--json", "--cache", str(tmp_path)])
    report = json.loads(capsys.readouterr().out)
    assert report["terms"] == {"epsilon": 1.0, "delta": 1e-6, "questions": 1}
    (found,) = report["lines"]
    assert found["dpquery"]["rmse"] > 0
    assert found["ratio"] == pytest.approx(
        found["dpquery"]["rmse"] / min(p["rmse"] for p in found["peers"].values())
    )


def test_lines_are_of_every_kind() -> None:
    assert len(LINES) >= 20
    assert len({each.name for each in LINES}) == len(LINES)
    assert {m.kind for each in LINES for m in each.measures} == set(Kind)
    assert sum(not each.public for each in LINES) >= 4
