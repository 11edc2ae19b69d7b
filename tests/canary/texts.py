"""Every SELECT that is written anywhere in the tests, the samples and the benchmarks."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SELECT = re.compile(r"[\s(]*(SELECT|WITH|FROM|PIVOT)\b", re.IGNORECASE)
LONGEST = 16_000


@cache
def texts() -> tuple[str, ...]:
    """Return the texts, each once; most are about one of the worlds, not about all."""
    found = [*QUERIES, *_goldens(), *_files(), *_in_tests()]
    return tuple(dict.fromkeys(each.strip().rstrip(";") for each in found))


def _goldens() -> Iterator[str]:
    """Yield the queries of the golden files: what stands before ``-- gives``."""
    for path in sorted((ROOT / "tests" / "golden").glob("*/*.*")):
        text = path.read_text(encoding="utf-8")
        for part in re.split(r"(?m)^-- case: ", text)[1:]:
            for piece in re.split(r"(?m)^-- (?:gives|rewrite)\b.*$", part)[:2]:
                lines = [line for line in piece.split("\n") if not _said(line)]
                yield "\n".join(lines[1:] if piece is part else lines)
                break


def _said(line: str) -> bool:
    return re.match(r"-- \w+: ", line) is not None


def _files() -> Iterator[str]:
    for path in sorted((ROOT / "sample_data" / "queries").glob("*.sql")):
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            yield "\n".join(
                line for line in block.splitlines() if not line.startswith("--")
            )
    for path in sorted((ROOT / "benchmarks" / "sql").rglob("*.sql")):
        yield path.read_text(encoding="utf-8")


def _in_tests() -> Iterator[str]:
    """Yield the strings of test modules that begin like a query."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if SELECT.match(text) and len(text) < LONGEST:
                    yield text
