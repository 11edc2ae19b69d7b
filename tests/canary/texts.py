"""Every SELECT that is written down in the tests, the samples and the benchmarks."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .worlds import COLUMN_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SELECT = re.compile(r"[\s(]*(SELECT|WITH|FROM|PIVOT)\b", re.IGNORECASE)
LONGEST = 16_000


@cache
def texts() -> tuple[str, ...]:
    """Return the texts, each once; most are about one of the worlds, not about all."""
    found = [*queries_in(HERE / "shop.sql"), *_goldens(), *_files(), *_in_tests()]
    return tuple(dict.fromkeys(each.strip().rstrip(";") for each in found))


@cache
def questions() -> tuple[str, ...]:
    """Return what is asked about a column ``{c}`` of every type."""
    files = ("any_type.sql", "numbers.sql")
    return tuple(each for name in files for each in queries_in(HERE / name))


@cache
def typed_queries() -> tuple[str, ...]:
    """Return the questions about each column; what a type does not have is refused."""
    return tuple(
        query.format(c=column) for column in COLUMN_TYPES for query in questions()
    )


def queries_in(path: Path) -> list[str]:
    """Return the queries of a file, with blank lines between them."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    bare = (re.sub(r"(?m)^--.*\n?", "", block).strip().rstrip(";") for block in blocks)
    return [each for each in bare if each]


def _goldens() -> Iterator[str]:
    """Yield the queries of the golden files: what stands before ``-- gives``."""
    for path in sorted((ROOT / "tests" / "golden").glob("*/*.*")):
        text = path.read_text(encoding="utf-8")
        for case in re.split(r"(?m)^-- case: .*\n", text)[1:]:
            asked, *rest = re.split(r"(?m)^-- (?:gives|rewrite)\b.*\n", case)
            yield re.sub(r"(?m)^-- \w+: .*\n", "", asked)
            if len(rest) > 1:  # and of rewrites
                yield rest[0]


def _files() -> Iterator[str]:
    for path in sorted((ROOT / "sample_data" / "queries").glob("*.sql")):
        yield from queries_in(path)
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
