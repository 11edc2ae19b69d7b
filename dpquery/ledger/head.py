"""
The newest link of the audit's chain, kept beside the ledger.

A ledger that was put back to an older copy is sound in itself, and would spend its
budget again. The head remembers, outside of it, how far the chain had come and what
was spent then.

The file has two slots of one width, each a line of JSON with a checksum. The older one
is written over in place: whatever a crash leaves, the other can be read, and a full
disk has nothing to refuse.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import time
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from dpquery.ledger.chain import digest, to_body
from dpquery.ledger.failures import cannot_open, damaged, full, locked, read_only

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dpquery.errors import LedgerError

_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would change the ends of lines
_NARROWEST = 1024
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Head:
    """How far a ledger's chain had come."""

    ledger: str
    """The ledger's own name, made up when it was created."""
    number: int
    hash: str
    spent: dict[str, tuple[int, int]]
    """What each scope had spent: amount and delta, in the ledger's units."""


def read(path: Path) -> Head | None:
    """
    Return the head at *path*; ``None`` when there is none.

    Raises:
        LedgerError: it cannot be read (DPQ550), or is no head (DPQ551).
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        raise _unreadable(path) from None
    return _newer(path, *_both(data))


@contextlib.contextmanager
def held(path: Path, seconds: float = 10.0) -> Iterator[Held]:
    """
    Hold the head at *path*, so that nobody else writes it; wait that long for it.

    Raises:
        LedgerError: it cannot be opened, is no head, or stays locked.
    """
    holding = Held(path)
    try:
        holding.open(time.monotonic() + seconds)
        yield holding
    finally:
        holding.close()


@dataclass(slots=True)
class Held:
    """A head that nobody else writes now."""

    path: Path
    head: Head | None = None
    """``None`` when there is no file."""
    _descriptor: int | None = None
    _width: int = 0
    _older: int = 0
    """The slot to be written over."""

    def open(self, until: float) -> None:
        """Open and lock the file, if there is one, and read it."""
        while True:
            try:
                self._descriptor = os.open(self.path, os.O_RDWR | _BINARY)
            except FileNotFoundError:
                return
            except OSError as error:
                raise _failure(self.path, error) from None
            _lock(self._descriptor, until)
            if self._is_at_its_path():
                break
            self.close()  # somebody has put a wider one in its place
        try:
            data = _all(self._descriptor)
        except OSError as error:
            raise _failure(self.path, error) from None
        self._width = len(data) // 2
        first, second = _both(data)
        self.head = _newer(self.path, first, second)
        self._older = 1 if first is self.head else 0

    def _file(self) -> int:
        if self._descriptor is None:
            raise ValueError("there is no room for a head yet")
        return self._descriptor

    def _is_at_its_path(self) -> bool:
        try:
            named = self.path.stat()
        except OSError:
            return False
        held_ = os.fstat(self._file())
        return (named.st_dev, named.st_ino) == (held_.st_dev, held_.st_ino)

    def make_room(self, head: Head) -> None:
        """
        Make sure that *head* can be written, before what it tells of is durable.

        Raises:
            LedgerError: there is no room for it.
        """
        needed = len(_line(head, 0))
        if needed <= self._width:
            return
        before = self.head or Head(head.ledger, 0, "", {})
        width = max(_NARROWEST, -(-2 * needed // _SECTOR) * _SECTOR)
        slots = [_line(before, width), b" " * (width - 1) + b"\n"]
        try:
            _replace(self.path, b"".join(slots))
            self.close()
            self.open(time.monotonic() + 1)
        except OSError as error:
            raise _failure(self.path, error) from None

    def keep(self, head: Head) -> None:
        """
        Write *head*, which is durable in the ledger by now.

        Raises:
            LedgerError: it cannot be written.
        """
        line = _line(head, self._width)
        try:
            os.lseek(self._file(), self._older * self._width, os.SEEK_SET)
            written = os.write(self._file(), line)
        except OSError as error:
            raise _failure(self.path, error) from None
        if written != self._width:
            raise full()
        self._older, self.head = 1 - self._older, head

    def close(self) -> None:
        """Let others write."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def begin_again(path: Path) -> None:
    """
    Put away the head at *path*, whatever it holds, as ``.lost`` beside it.

    Raises:
        LedgerError: it cannot be renamed.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            path.replace(path.with_name(path.name + ".lost"))
    except OSError as error:
        raise _failure(path, error) from None


def _lock(descriptor: int, until: float) -> None:
    """Take the lock of a file; it ends with the process that holds it."""
    if sys.platform == "win32":
        return
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise locked() from None
            time.sleep(0.001)
        except OSError:
            return  # a file system without locks
        else:
            return


def _all(descriptor: int) -> bytes:
    """Return everything in a file."""
    parts: list[bytes] = []
    os.lseek(descriptor, 0, os.SEEK_SET)
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _replace(path: Path, data: bytes) -> None:
    """Put a new file at *path*, durably, complete or not at all."""
    draft = NamedTemporaryFile(  # noqa: SIM115 -- it is renamed, not deleted
        dir=path.parent, prefix=path.name + ".", delete=False
    )
    try:
        with draft:
            draft.write(data)
            draft.flush()
            os.fsync(draft.fileno())
            mask = os.umask(0o077)
            os.umask(mask)
            if sys.platform != "win32":
                os.fchmod(draft.fileno(), 0o666 & ~mask)  # as SQLite makes files
        os.replace(draft.name, path)  # noqa: PTH105 -- the name is a str
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft.name)  # noqa: PTH108 -- the name is a str
        raise


def _body(head: Head) -> str:
    return to_body(
        {
            "ledger": head.ledger,
            "number": head.number,
            "hash": head.hash,
            "spent": head.spent,
        }
    )


def _line(head: Head, width: int) -> bytes:
    """Return a slot: JSON, its checksum, and blanks up to *width*."""
    body = _body(head)
    line = f'{{"check":"{digest(body)[:16]}","head":{body}}}'
    return line.encode().ljust(width - 1) + b"\n"


def _both(data: bytes) -> tuple[Head | None, Head | None]:
    """Return what is in the two slots."""
    width = len(data) // 2
    return _read(data[:width]), _read(data[width:])


def _newer(path: Path, first: Head | None, second: Head | None) -> Head:
    """Return the newer one of two heads."""
    if first is None or (second is not None and second.number > first.number):
        first = second
    if first is None:
        raise damaged(f"{path.name} beside it cannot be understood")
    return first


def _read(slot: bytes) -> Head | None:
    """Return the head in a slot, if it was written whole."""
    try:
        line = json.loads(slot)
        facts = line["head"]
        spent = {
            str(scope): (int(amount), int(delta))
            for scope, (amount, delta) in facts["spent"].items()
        }
        head = Head(
            str(facts["ledger"]), int(facts["number"]), str(facts["hash"]), spent
        )
        whole = line["check"] == digest(_body(head))[:16]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return head if whole else None


def _failure(path: Path, error: OSError) -> LedgerError:
    """Return what the system's error means."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return full()
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return read_only()
    return _unreadable(path)


def _unreadable(path: Path) -> LedgerError:
    return cannot_open(f"{path.name} beside it cannot be read or written")
