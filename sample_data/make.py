"""Make the three sample databases: invented people, the same rows on every run.

``python sample_data/make.py`` writes ``clinic.duckdb``, ``bank.duckdb`` and
``trade.duckdb`` beside this file, or into the folder given as its argument.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bank
import clinic
import duckdb
import trade

SCENARIOS = {"clinic": clinic.make, "bank": bank.make, "trade": trade.make}


def main(folder: Path) -> None:
    """Write the databases into *folder*, over what was there."""
    for name, make in SCENARIOS.items():
        path = folder / f"{name}.duckdb"
        path.unlink(missing_ok=True)
        with duckdb.connect(path) as database:
            make(database)
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
