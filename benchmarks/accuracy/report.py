"""The results as a table, and as JSON."""

from __future__ import annotations

import math
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

from benchmarks.accuracy.scores import (
    GOAL,
    MEAN_GOAL,
    RELEASED_GOAL,
    Result,
    Score,
    mean_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = 34


def table(results: Sequence[Result], peers: Sequence[str]) -> str:
    """Return the errors, their ratios and what was released as text."""
    heads = ["dpquery", *peers, "ratio", "released", "of"]
    lines = [f"{'RMSE':<{NAME}}" + "".join(f"{head:>12}" for head in heads)]
    for each in results:
        cells = [_number(each.own.rmse)]
        cells += [_number(_rmse(each.peers.get(peer))) for peer in peers]
        cells += [f"{each.ratio():.2f}", *_released(each)]
        lines.append(f"{each.name:<{NAME}}" + "".join(f"{cell:>12}" for cell in cells))
    means = [f"{mean_ratio(results, peer):.2f}" for peer in peers]
    row = ["", *means, f"{mean_ratio(results):.2f}", "", ""]
    lines.append(
        f"{'geometric mean of ratios':<{NAME}}" + "".join(f"{c:>12}" for c in row)
    )
    return "\n".join([*lines, "", *verdicts(results), *_silent(results, peers)])


def _rmse(found: Score | str | None) -> float:
    return found.rmse if isinstance(found, Score) else math.nan


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _released(each: Result) -> list[str]:
    """Return released groups, ours and the best peer's, and how many there are."""
    if each.public:
        return ["", str(each.groups)]
    both = f"{each.own.released:.0f} vs {each.most_released:.0f}"
    return [both, str(each.groups)]


def verdicts(results: Sequence[Result]) -> list[str]:
    """Return which aims are met, with pass or FAIL."""
    met = sum(each.ratio() <= GOAL for each in results)
    mean = mean_ratio(results)
    unknown = [each for each in results if not each.public]
    more = sum(each.released >= RELEASED_GOAL for each in unknown)
    found = [
        _verdict(
            met == len(results),
            f"at most 1/2 of the best peer's RMSE on {met} of {len(results)} lines",
        ),
        _verdict(
            mean <= MEAN_GOAL, f"geometric mean of the ratios {mean:.2f}, aim 1/3"
        ),
    ]
    if unknown:
        text = (
            f"3 times the best peer's groups on {more} of {len(unknown)} lines "
            "whose keys are not public"
        )
        found.append(_verdict(more == len(unknown), text))
    return found


def _verdict(passed: bool, text: str) -> str:  # noqa: FBT001 -- it is what is said
    return f"{'pass' if passed else 'FAIL'}  {text}"


def _silent(results: Sequence[Result], peers: Sequence[str]) -> list[str]:
    """Return why peers gave no answer, each reason once."""
    found: dict[str, list[str]] = {}
    for each in results:
        for peer in peers:
            why = each.peers.get(peer)
            if isinstance(why, str):
                found.setdefault(f"{peer}: not run: {why}", []).append(each.name)
    return [f"{why} ({len(names)} lines)" for why, names in found.items()]


def diagnosis(results: Sequence[Result]) -> str:
    """Return where our error is from, beside the best norm clip that there is."""
    heads = ("RMSE", "noise", "bias", "norm oracle", "over it", "it / peer")
    lines = [f"{'of our own error':<{NAME}}" + "".join(f"{h:>12}" for h in heads)]
    for each in results:
        own, best = each.own, _rmse(each.floor)
        noise = math.sqrt(max(0.0, own.rmse**2 - own.bias**2))
        cells = [_number(x) for x in (own.rmse, noise, own.bias, best)]
        cells += [_number(own.rmse / best), _number(each.floor_ratio)]
        lines.append(f"{each.name:<{NAME}}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join([*lines, "", *_out_of_reach(results)])


def _out_of_reach(results: Sequence[Result]) -> list[str]:
    """Return which aims not even the best norm clip would meet, known for nothing."""
    floors = [ratio for each in results if (ratio := each.floor_ratio) > 0]
    above = sum(ratio > GOAL for ratio in floors)
    mean = f"{geometric_mean(floors):.2f}" if floors else "-"
    said = (
        f"even the best norm clip has over 1/2 of the best peer's RMSE on {above} of "
        f"{len(floors)} lines; geometric mean {mean}"
    )
    few = (
        each
        for each in results
        if not each.public and each.groups < RELEASED_GOAL * each.most_released
    )
    lacking = "there are not 3 times the groups of the best peer"
    return [said, *(f"{each.name}: {lacking}" for each in few)]


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the results for machines."""
    return [
        {
            "name": each.name,
            "public": each.public,
            "groups": each.groups,
            "dpquery": _json(each.own),
            "peers": {name: _json(found) for name, found in each.peers.items()},
            "ratio": _finite(each.ratio()),
            "released_ratio": _finite(each.released),
        }
        for each in results
    ]


def _json(found: Score | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"not_run": found}
    return {
        "rmse": _finite(found.rmse),
        "bias": _finite(found.bias),
        "released": found.released,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
