"""Which formats of dates are taken: a part of strftime's that DuckDB always writes."""

from __future__ import annotations

import re

MAX_FORMAT = 100
"""Characters of a format."""
_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)
_WRITTEN = frozenset("aAwudbBmyYHIpMSfgjUWGVcxX%")
_READ = frozenset("aAdbBmyYHIpMSfgj%")
_UNPADDED = frozenset("dmyHIMSj")


def written(form: str) -> str | None:
    """
    Say what is wrong with a format that dates are written in, if anything.

    >>> written("%Y-%m-%d"), written("%Q")
    (None, '%Q is not a part of a date that can be written')
    """
    return _complaint(form, _WRITTEN, "written")


def readable(form: str) -> str | None:
    """Say what is wrong with a format that dates are read in, if anything."""
    return _complaint(form, _READ, "read")


def _complaint(form: str, known: frozenset[str], done: str) -> str | None:
    if not 0 < len(form) <= MAX_FORMAT:
        return f"a format has 1 to {MAX_FORMAT} characters"
    for match in _DIRECTIVE.finditer(form):
        dash, letter = match.groups()
        if letter not in (_UNPADDED & known if dash else known):
            return f"{match[0]} is not a part of a date that can be {done}"
    return None
