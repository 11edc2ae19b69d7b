"""What an engine's failures say: constant texts, never a driver's and never a value."""

from __future__ import annotations

from dpquery.errors import EngineFailure

_TEXTS: dict[str, tuple[str, str]] = {
    "DPQ500": (
        "{name} cannot be opened",
        "see that this process may read it, and that the memory limit is not too small",
    ),
    "DPQ501": (
        "the database did not answer within the time limit",
        "a charge that was made stands; ask for less, or ask the owner for more time",
    ),
    "DPQ502": (
        "the database did not answer",
        "a charge that was made stands; why may depend on rows, so it is not shown",
    ),
    "DPQ503": (
        "the data changed while it was being read",
        "a charge that was made stands; the next query reads the new data",
    ),
    "DPQ504": (
        "there is no {name} where the policy says",
        "paths in a policy are relative to the policy's own file",
    ),
    "DPQ505": (
        "{name} cannot be read as the data it should be",
        "give a DuckDB database file, or .parquet and .csv files with a header",
    ),
    "DPQ506": (
        "{name} was written by a newer DuckDB than this one",
        "upgrade dpquery, or copy the tables to a file of an older storage version",
    ),
    "DPQ507": (
        "{name} is locked by a program that may write to it",
        "close that program, or point the policy to a copy",
    ),
    "DPQ508": (
        "{name} is already open in this process with other settings",
        "close the other connection; services on one file need the same limits",
    ),
    "DPQ509": (
        "the engine does not accept the policy's limits",
        'memory is a number and a unit like "4GB"; threads and seconds are above 0',
    ),
    "DPQ510": (
        "the generated SQL failed its last check: {name}",
        "no row was read; this is a fault of dpquery, please report the query",
    ),
    "DPQ520": (
        "the released values could not be put into the shape you asked for",
        "a charge that was made stands; ask for the aggregates without the arithmetic",
    ),
    "DPQ521": (
        "the answer is larger than an answer may be",
        "a charge that was made stands; ask for fewer rows or columns, or aggregate",
    ),
    "DPQ522": (
        "the public tables of this query are too large to be read beside its answers",
        "a charge that was made stands; use fewer of their rows or columns",
    ),
}


def failure(code: str, name: str = "") -> EngineFailure:
    """
    Return the error with *code*.

    Args:
        code: one of DPQ500 to DPQ522.
        name: a file's name without its folder, or what the last check found.
    """
    message, hint = _TEXTS[code]
    return EngineFailure(message.format(name=name), code=code, hint=hint)
