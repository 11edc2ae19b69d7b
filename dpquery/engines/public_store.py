"""Which public tables the process above the boundary holds, and which it drops.

They are sent once and stay there, so that this process holds no second copy.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from dpquery.engines.child_process import ChildGoneError
from dpquery.engines.failures import failure
from dpquery.engines.frames import GRACE
from dpquery.engines.process_limits import memory_bytes
from dpquery.engines.released_tables import batched, filled, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.engines.child_process import ChildProcess
    from dpquery.engines.released_tables import PublicTable

PUBLIC_CELLS = 20_000_000
"""Cells of all public tables that a process holds at once."""

_BYTES_PER_CELL = 64
"""With this, all public tables together take less than half of the memory."""
_REPLY = 2**16
"""Bytes of a reply that says that something was done."""


class PublicStore:
    """
    The public tables of one child, least recently used first.

    Args:
        child: holds them, and takes them with it when it dies.
        memory: its memory limit; tables may have half of it.
    """

    def __init__(self, child: ChildProcess, memory: str) -> None:
        self._child = child
        self._room = min(PUBLIC_CELLS, memory_bytes(memory) // 2 // _BYTES_PER_CELL)
        self._kept: OrderedDict[tuple[object, ...], tuple[int, int]] = OrderedDict()
        """A table's number in the child, and its cells."""
        self._next = 0

    def numbers(
        self, tables: Mapping[str, PublicTable], seconds: float
    ) -> dict[str, Any]:
        """
        Return, for a request, where each table is; send those that are not there.

        Raises:
            EngineFailure: DPQ522, there is no room for all of them together.
            ChildGoneError: the child died or could not take one.
        """
        needed = {table.key for table in tables.values()}
        for table in tables.values():
            if table.key not in self._kept:
                self._send(table, needed, seconds)
            self._kept.move_to_end(table.key)
        return {
            name: {**listed(t.columns), "id": self._kept[t.key][0]}
            for name, t in tables.items()
        }

    def _send(
        self, table: PublicTable, needed: set[tuple[object, ...]], seconds: float
    ) -> None:
        number, width = self._next, len(table.columns)
        self._next += 1
        self._ask({"do": "keep", "id": number, **listed(table.columns)}, seconds)
        self._kept[table.key] = (number, 0)
        cells = 0
        try:
            for batch in batched(table.read(), width):
                cells += len(batch) * width
                self._kept[table.key] = (number, cells)
                self._make_room(needed, seconds)
                request = {"do": "fill", "id": number, **filled(table.columns, batch)}
                self._ask(request, seconds)
        except BaseException:
            self._forget(table.key, seconds)  # half a table is no table
            raise

    def _make_room(self, needed: set[tuple[object, ...]], seconds: float) -> None:
        """Drop tables that this request does not need, the least recent first."""
        while sum(cells for _, cells in self._kept.values()) > self._room:
            spare = next((key for key in self._kept if key not in needed), None)
            if spare is None:
                raise failure("DPQ522")
            self._forget(spare, seconds)

    def _forget(self, key: tuple[object, ...], seconds: float) -> None:
        number, _ = self._kept.pop(key)
        if self._child.alive():
            self._ask({"do": "forget", "id": number}, seconds)

    def _ask(self, request: dict[str, Any], seconds: float) -> None:
        reply = self._child.ask(
            request | {"seconds": seconds}, seconds + GRACE, longest=_REPLY
        )
        if "done" not in reply:
            raise ChildGoneError
