"""How a DuckDB connection is pinned, locked and stopped in time.

Upholds: a connection that was locked reads no file but the ones it was opened for,
reaches no network, loads no code, sees no Python variable, writes nothing to disk,
and computes the same thing everywhere (threats.md 2.1 and 4.2).
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from dpquery.engines.failures import failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dpquery.engines.base import Limits

Setting = str | bool | int | float | list[str]

PINNED: dict[str, Setting] = {
    # No code and no secrets from outside.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    # Or `FROM df` reads a variable of the calling function.
    "python_enable_replacements": False,
    "python_scan_all_frames": False,
    # Cached blocks of a file that has been replaced since are stale rows.
    "enable_external_file_cache": False,
    # The parser recurses: a deep expression must fail, not exhaust the stack.
    "max_expression_depth": 250,
    # DuckDB 2.0 merges two reads of one subquery wrongly where each is joined
    # differently: rows change groups. A clip of wrong rows is no clip. And it thinks a
    # FULL JOIN with an empty side has few rows, so that sums of them are small: a
    # condition on a sum, like that of the clip, is taken to be true.
    "disabled_optimizers": "statistics_propagation,common_subplan",
    # What arithmetic means: total where it can be, the same on every machine.
    "ieee_floating_point_ops": True,
    "integer_division": False,
    "error_on_division_by_zero": False,
    "scalar_subquery_error_on_multiple_rows": True,
    "default_collation": "",
}
"""Settings of every connection, given as it is opened."""

_LAST: dict[str, Setting] = {
    # Spilled blocks are private rows on disk: what does not fit in memory fails.
    "temp_directory": "",
    "TimeZone": "UTC",
    "enable_external_access": False,
    "lock_configuration": True,
}
"""Settings that DuckDB takes only on an open connection, in this order."""

IN_FORCE: dict[str, Setting] = PINNED | _LAST
"""Every setting that a locked connection must show, whoever opened it."""


_MEMORY = re.compile(r"0*[1-9][0-9]* ?[KMGT]i?B", re.ASCII)
_LONGEST = 7 * 24 * 3600
"""Seconds; a timer cannot wait for ever."""


def configuration(limits: Limits) -> dict[str, Setting]:
    """
    Return the settings to open a database with.

    Raises:
        EngineFailure: DPQ509, a limit limits nothing; DuckDB would take it.
    """
    sound = _MEMORY.fullmatch(limits.memory) and limits.threads >= 1
    if not (sound and 0 < limits.seconds <= _LONGEST):
        raise failure("DPQ509")
    return PINNED | {"memory_limit": limits.memory, "threads": limits.threads}


def lock_down(
    connection: duckdb.DuckDBPyConnection, allowed_paths: Sequence[str] = ()
) -> None:
    """
    Turn off everything outside *connection*, for good.

    Args:
        connection: opened with :func:`configuration`; views and tables are made.
        allowed_paths: files that views may go on reading.

    Raises:
        duckdb.Error: a setting is not in force afterwards, and nothing may be asked.
    """
    if allowed_paths:
        connection.execute(f"SET GLOBAL allowed_paths = {_literal_list(allowed_paths)}")
    for name, value in _LAST.items():
        # GLOBAL, or every other cursor keeps the machine's time zone.
        connection.execute(f"SET GLOBAL {name} = {literal(str(value))}")
    verify(connection.cursor())


def is_locked(connection: duckdb.DuckDBPyConnection) -> bool:
    """Say whether the database behind *connection* was locked by an earlier one."""
    rows = connection.execute("SELECT current_setting('lock_configuration')")
    return rows.fetchall() == [(True,)]


def verify(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise ``duckdb.Error`` unless every setting is in force."""
    names = ", ".join(f"current_setting({literal(name)})" for name in IN_FORCE)
    found = connection.execute(f"SELECT {names}").fetchall()
    if found != [tuple(IN_FORCE.values())]:
        msg = "a setting did not take"
        raise duckdb.InvalidInputException(msg)


@contextmanager
def time_limit(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt whatever *connection* runs in this block after *seconds*.

    DuckDB looks at the interrupt between vectors of rows only (threats.md 0.6).
    """

    def stop() -> None:
        with suppress(duckdb.Error):
            connection.interrupt()

    watchdog = threading.Timer(seconds, stop)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        watchdog.join()  # or it might interrupt a connection that is being closed


def resume_ctrl_c(error: Exception) -> None:
    """Raise the ``KeyboardInterrupt`` that the driver turned into *error*, if so."""
    if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
        raise KeyboardInterrupt from None


def literal(text: str) -> str:
    """
    Return *text* as an SQL string.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """
    Return *name* as a quoted SQL identifier.

    >>> identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def _literal_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(literal(text) for text in texts) + "]"
