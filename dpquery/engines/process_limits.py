"""Limits that the operating system puts on this process, whatever its code does.

DuckDB's own limits act between vectors of rows and on memory that it counts itself
(threats.md 0.6); these do not ask. Where a system has none of them, the parent's
clock still kills.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADROOM = 2**30
"""Bytes of address space beyond the memory limit: libraries (0.3 GB), and an answer
while it is put into messages."""
_PER_THREAD = 32 * 2**20
"""Bytes: the stack of a thread, and what it sets aside."""
_FILES = 4
"""Descriptors 0 to 3 are in use when this is set: nothing can be opened any more."""
_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}


def memory_bytes(memory: str) -> int:
    """
    Return what DuckDB understands by a memory limit.

    >>> memory_bytes("4GB"), memory_bytes("2 MiB")
    (4000000000, 2097152)

    Raises:
        ValueError: it is no number with a unit.
    """
    found = re.fullmatch(r"([0-9]+) ?([KMGT])(i?)B", memory)
    if found is None:
        raise ValueError("not a memory limit")
    base = 1024 if found[3] else 1000
    return int(found[1]) * int(base ** _UNITS[found[2]])


def address_space(memory: str, threads: int) -> int:
    """Return the bytes that a process may map whose DuckDB has these limits."""
    return memory_bytes(memory) + HEADROOM + threads * _PER_THREAD


if sys.platform == "win32":

    def limit_memory(size: int) -> None:
        """Do nothing: Windows has no such limit."""

    def limit_files() -> None:
        """Do nothing: Windows has no such limit."""

    @contextmanager
    def alarm(seconds: float) -> Iterator[None]:  # noqa: ARG001 -- as below
        """Do nothing: Windows has no such clock."""
        yield

else:
    import resource
    import signal

    def limit_memory(size: int) -> None:
        """Bound the address space of this process, for good; and no core dumps."""
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_AS, size)

    def limit_files() -> None:
        """Let this process write no file and open none, for good."""
        _lower(resource.RLIMIT_FSIZE, 0)
        _lower(resource.RLIMIT_NOFILE, _FILES)

    @contextmanager
    def alarm(seconds: float) -> Iterator[None]:
        """End this process if the block takes longer, even if its parent is gone."""
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _lower(kind: int, value: int) -> None:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        with suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (value, value))
