"""Each world with a database of strange rows, and one without any row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.policy.build import build
from dpquery.policy.load import load

from .strange_rows import fill
from .worlds import World, worlds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dpquery.policy.catalog import Catalog

LIMITS = Limits(memory="2GB", threads=2, seconds=120)


@dataclass(frozen=True)
class Opened:
    """A world's catalog, and its databases."""

    catalog: Catalog
    strange: DuckDBEngine
    empty: DuckDBEngine


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Opened]:
    """Return what opens a world, once, by its name."""
    known = worlds()
    return cache(lambda name: _open(known[name], tmp_path_factory.mktemp(name)))


def _open(world: World, folder: Path) -> Opened:
    engines = []
    for kind, rows in (("strange", 48), ("empty", 0)):
        inside = folder / kind
        inside.mkdir()
        (inside / "policy.yaml").write_text(world.policy, encoding="utf-8")
        with duckdb.connect(inside / world.source) as database:
            fill(database, world.tables, rows)
        engines.append(DuckDBEngine.open(inside / world.source, LIMITS))
    loaded = load(folder / "strange" / "policy.yaml")
    return Opened(build(loaded, engines[0].describe()), *engines)
