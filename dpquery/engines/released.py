"""A database that has never seen a private row: SQL over released values.

Upholds: post-processing costs nothing because it cannot reach anything but what is
already released or public (threats.md 1, I7): any SELECT runs in a process of its
own, an empty, locked DuckDB that this one fills through a pipe and kills in time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dpquery.cells import column_from_json
from dpquery.engines.child_process import ChildGoneError, ChildProcess
from dpquery.engines.failures import failure
from dpquery.engines.frames import ANSWER_BYTES, GRACE
from dpquery.engines.public_store import PublicStore
from dpquery.engines.released_tables import (
    PublicTable,
    ReleasedColumn,
    filled,
    listed,
)
from dpquery.errors import DPQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dpquery.engines.base import Limits

    Tables = Mapping[str, tuple[Sequence[ReleasedColumn], Sequence[tuple[Any, ...]]]]

__all__ = ["BindError", "PublicTable", "ReleasedColumn", "ReleasedDatabase"]

T = TypeVar("T")
Rows = list[tuple[Any, ...]]

_NAMES_BYTES = 2**24
"""Bytes that the names of an answer's columns may have beside its cells."""


class BindError(Exception):
    """
    A SELECT that cannot be run on tables like these, said for a person.

    Nothing was charged. What is said is a function of the SQL and the schema.
    """

    def __init__(self, message: str, position: tuple[int, int] | None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        """Offset from 0 and length in the SQL, in characters; None: all of it."""


@dataclass(frozen=True, slots=True)
class _Open:
    """One process, what it holds, and its limits."""

    child: ChildProcess
    store: PublicStore
    limits: Limits


class ReleasedDatabase:
    """
    An empty, locked database in a process of its own; safe to share by threads.

    Released tables are in schema ``main``, public ones in ``public_tables``. A run
    is one transaction that is rolled back: tables of one run are never seen by the
    next. Public tables stay, unseen, until a run names them again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: _Open | None = None

    def start(self, limits: Limits) -> None:
        """Start the process, unless it runs; do not wait for it (0.15 s)."""
        if self._lock.acquire(blocking=False):
            try:
                _with_one_text(lambda: self._started(limits))
            finally:
                self._lock.release()

    def run(
        self,
        tables: Tables,
        sql: str,
        limits: Limits,
        public: Mapping[str, PublicTable] | None = None,
    ) -> tuple[list[str], Rows]:
        """
        Return names and rows of the SELECT *sql*.

        Floats that are no number come back as NULL, arrays as lists.

        Args:
            tables: by name, in schema ``main``: columns and rows.
            sql: any SELECT that :meth:`check` accepts.
            limits: of all this; other limits than before cost a new process.
            public: by name, in schema ``public_tables``; only those that *sql* reads,
                for each is sent to the process if it is not there.

        Raises:
            EngineFailure: DPQ521, the answer is too large; DPQ522, a public table is;
                DPQ520, anything else. The next run works.
        """
        with self._lock:
            return _with_one_text(lambda: self._run(tables, sql, limits, public or {}))

    def check(
        self,
        tables: Mapping[str, Sequence[ReleasedColumn]],
        sql: str,
        limits: Limits,
        public: Mapping[str, PublicTable] | None = None,
    ) -> tuple[ReleasedColumn, ...]:
        """
        Return the columns that the SELECT *sql* has over tables like these.

        The process sees names and types, no rows, and no public rows either;
        constants are tried on rows of NULLs. Heavy ones may be refused here.

        Raises:
            BindError: it cannot be bound, or may not be run.
            EngineFailure: DPQ520, there is no process to ask.
        """
        request = {
            "do": "check",
            "sql": sql,
            "seconds": limits.seconds,
            "tables": {name: listed(columns) for name, columns in tables.items()},
            "public": {name: listed(t.columns) for name, t in (public or {}).items()},
        }
        with self._lock:
            reply = _with_one_text(lambda: self._checked(request, limits))
        if "done" in reply:
            return tuple(ReleasedColumn(*column) for column in reply["done"])
        raise _bind_error(reply, sql)

    def close(self) -> None:
        """End the process, whatever it is doing; the next run starts a new one."""
        current = self._open
        if current is not None:
            current.child.kill()  # or the run that has the lock might last its time
        with self._lock:
            self._open = None

    def _run(
        self,
        tables: Tables,
        sql: str,
        limits: Limits,
        public: Mapping[str, PublicTable],
    ) -> tuple[list[str], Rows]:
        current = self._started(limits)
        request = {
            "do": "run",
            "sql": sql,
            "seconds": limits.seconds,
            "tables": {name: filled(*table) for name, table in tables.items()},
            "public": current.store.numbers(public, limits.seconds),
        }
        parts: list[dict[str, Any]] = []
        reply = current.child.ask(
            request,
            limits.seconds + GRACE,
            longest=ANSWER_BYTES + _NAMES_BYTES,
            on_part=parts.append,
        )
        if "large" in reply:
            raise failure("DPQ521")
        columns = [map(column_from_json, part["part"]) for part in parts]
        return reply["done"], [r for part in columns for r in zip(*part, strict=True)]

    def _checked(self, request: dict[str, Any], limits: Limits) -> dict[str, Any]:
        child = self._started(limits).child
        try:
            return child.ask(request, limits.seconds + GRACE, longest=_NAMES_BYTES)
        except ChildGoneError:
            if not child.ready:
                raise
            return {"failed": True}

    def _started(self, limits: Limits) -> _Open:
        """Return a living process that has these limits; under the lock."""
        current = self._open
        if current is not None:
            if current.child.alive() and current.limits == limits:
                return current
            current.child.kill()
        child = ChildProcess(
            {
                "memory": limits.memory,
                "threads": limits.threads,
                "seconds": limits.seconds,
            }
        )
        self._open = _Open(child, PublicStore(child, limits.memory), limits)
        return self._open


def _bind_error(reply: dict[str, Any], sql: str) -> BindError:
    """Return what the process said of *sql*; its offsets are in bytes."""
    if "refused" not in reply:
        return BindError("this SELECT needs more time or memory than it may have", None)
    if reply["at"] is None:
        return BindError(reply["refused"], None)
    start, length = reply["at"]
    data = sql.encode("utf-8", "surrogatepass")
    before = data[:start].decode("utf-8", "replace")
    within = data[start : start + length].decode("utf-8", "replace")
    return BindError(reply["refused"], (len(before), max(1, len(within))))


def _with_one_text(work: Callable[[], T]) -> T:
    """Return what *work* returns; give failures one text, but for those of ours."""
    try:
        return work()
    except DPQueryError:
        raise
    except Exception:  # noqa: BLE001, S110 -- one text for all, and no context
        pass
    raise failure("DPQ520")
