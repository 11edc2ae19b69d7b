"""A file of queries into queries: at each ``;`` that stands in no text or comment."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PIECE = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|(?P<tag>\$\w*\$).*?(?P=tag)"
    r"|(?P<end>;)|(?P<space>\s+)|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One query of a file."""

    sql: str
    line: int
    """Where its first word stands; lines count from 1."""


def split(text: str) -> list[Part]:
    r"""
    Return the queries in *text*, without what is nothing but comments.

    >>> split("SELECT ';'; -- none here;\n\nSELECT 2")
    [Part(sql="SELECT ';'", line=1), Part(sql='SELECT 2', line=3)]
    """
    parts: list[Part] = []
    start: int | None = None
    end = 0
    for match in _PIECE.finditer(text):
        if match["end"]:
            if start is not None:
                parts.append(_part(text, start, match.start()))
            start = None
        elif start is None and not (match["comment"] or match["space"]):
            start = match.start()
        end = match.end()
    if start is not None:
        parts.append(_part(text, start, end))
    return parts


def _part(text: str, start: int, end: int) -> Part:
    return Part(text[start:end].rstrip(), text.count("\n", 0, start) + 1)
