"""The data: TPC-H, the three samples, and a set in which everything is Zipf's."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import yaml

from benchmarks.tpch_data import generate

if TYPE_CHECKING:
    from benchmarks.accuracy.lines import Line
    from benchmarks.accuracy.terms import Terms

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SEED = 20_261_128
USERS, ITEMS, CATEGORIES, MOST_EVENTS = 20_000, 5_000, 40, 2_000


@dataclass(frozen=True, slots=True)
class Split:
    """How a question's loss is split between its profile and its answer."""

    share: float
    """The profile's."""
    histograms: int
    """As many share the profile's part."""
    own: bool = True
    """Whether the profile is of the query's own rows and groups."""

    @property
    def of_query(self) -> float:
        """The answer's share."""
        return 1 - self.share

    @property
    def of_histogram(self) -> float:
        """One histogram's share."""
        return self.share / self.histograms


@dataclass(frozen=True, slots=True)
class Data:
    """A DuckDB file and the policy that is about it."""

    database: Path
    policy: dict[str, Any]


def data(name: str, scale: float, cache: Path) -> Data:
    """Return the set called *name*; TPC-H has a *scale*."""
    if name == "tpch":
        return Data(generate(scale, cache), _policy(HERE.parent / "tpch.yaml"))
    if name == "zipf":
        return Data(_zipf(cache), _policy(HERE / "zipf.yaml"))
    sample = ROOT / "sample_data" / f"{name}.duckdb"
    return Data(sample, _policy(ROOT / "policies" / f"{name}.yaml"))


def _policy(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


HINTS = ("max_rows_per_unit", "max_rows_per_group")


def policy_text(of: Data, terms: Terms, ledger: Path, split: Split | None) -> str:
    """
    Return the policy of *of* with a budget of exactly *terms*.

    With a *split*, limits are chosen from a profile, and the owner's hints about them
    are left out; without, the hints are all there is.
    """
    policy = copy.deepcopy(of.policy)
    if split is not None:
        for table in policy["tables"].values():
            for hint in HINTS:
                table.pop(hint, None)
    policy["source"] = {"duckdb": str(of.database.resolve())}
    policy["budget"] = {"epsilon": terms.epsilon, "delta": terms.delta}
    policy["query"] = {
        "epsilon": terms.epsilon_of(1.0 if split is None else split.of_query),
        "max_epsilon": terms.epsilon,
        "delta": terms.delta_of_groups,
        "max_groups_per_unit": 8,
    }
    if split is not None:
        policy["query"]["profile_epsilon"] = terms.epsilon_of(split.of_histogram)
    else:
        policy["query"]["profile"] = "never"
    policy["analysts"] = {"alice": {"epsilon": terms.epsilon}}
    policy["ledger"] = str(ledger)
    text: str = yaml.safe_dump(policy)
    return text


def _zipf(cache: Path) -> Path:
    """Return users with Zipf's activity, who want items with Zipf's popularity."""
    database = cache / "zipf.duckdb"
    if database.exists():
        return database
    cache.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(SEED)
    activity = np.minimum(draw.zipf(1.7, USERS), MOST_EVENTS)
    popularity = 1 / np.arange(1, ITEMS + 1) ** 1.1
    events = int(activity.sum())
    item = draw.choice(ITEMS, events, p=popularity / popularity.sum())
    drawn = {  # noqa: F841 -- DuckDB reads it by its name
        "user_id": np.repeat(np.arange(USERS), activity),
        "item": item,
        "category": item % CATEGORIES,
        "amount": np.round(np.minimum(draw.lognormal(3, 1, events), 500), 2),
    }
    unfinished = cache / "zipf.unfinished"
    unfinished.unlink(missing_ok=True)
    with duckdb.connect(unfinished) as connection:
        connection.execute(
            "CREATE TABLE events AS SELECT user_id, item, category::INTEGER AS "
            "category, amount FROM drawn"
        )
    unfinished.rename(database)
    return database


class Exact:
    """Exact answers from DuckDB alone."""

    def __init__(self, of: Data) -> None:
        """Open the data read-only."""
        self.connection = duckdb.connect(config={"threads": 2, "memory_limit": "6GB"})
        self.connection.execute(f"ATTACH '{of.database}' AS exact (READ_ONLY)")
        self.connection.execute("USE exact")

    def answer(self, line: Line) -> dict[str, tuple[float, ...]]:
        """Return the exact answer, by key."""
        rows = self.connection.execute(line.sql).fetchall()
        return by_key(rows, len(line.keys))


def by_key(rows: list[tuple[Any, ...]], keys: int) -> dict[str, tuple[float, ...]]:
    """Return the numbers of each row by its keys as one text; NULL is NaN."""
    return {
        "|".join(map(str, row[:keys])) if keys else "all": tuple(
            float("nan") if cell is None else float(cell) for cell in row[keys:]
        )
        for row in rows
    }
