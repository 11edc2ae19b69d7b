"""Where data goes: stdout, or a file that is opened before anything is charged."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path


class Write(Protocol):
    """Takes all of a verb's data at once."""

    def __call__(self, data: bytes, /) -> None:
        """Write *data*."""


@contextmanager
def destination(path: Path | None) -> Iterator[Write]:
    """
    Open where the data goes: *path*, or stdout for ``None`` and ``-``.

    A file keeps its old content until new data is written: a refused query changes
    nothing.

    Raises:
        ConfigError: The file cannot be written (DPQ405, before anything is charged;
            DPQ407, afterwards).
    """
    if path is None or str(path) == "-":
        yield to_stdout
        return
    existed = path.exists()
    try:
        stream = path.open("ab", buffering=0)
    except OSError as failure:
        raise ConfigError(
            f"cannot write to {path}: {_reason(failure)}",
            code="DPQ405",
            hint="name a file in an existing folder that you may write to",
        ) from None
    written = False
    try:
        with stream:
            yield partial(_replace, stream)
            written = stream.tell() > 0
    finally:
        if not existed and not written:
            path.unlink(missing_ok=True)


def to_stdout(data: bytes) -> None:
    """Write *data* to stdout; a reader that has left (``| head``) wants no more."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as failure:
        # Python flushes stdout once more on its way out, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(failure, BrokenPipeError):
            raise _lost(failure) from None


def _replace(stream: FileIO, data: bytes) -> None:
    """Put *data* in place of what a file holds; a pipe or a device just takes it."""
    try:
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.truncate(0)
        rest = memoryview(data)
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError as failure:
        raise _lost(failure) from None


def _lost(failure: OSError) -> ConfigError:
    """Return the error for data that came but could not be written."""
    return ConfigError(
        f"the output could not be written: {_reason(failure)}",
        code="DPQ407",
        hint="make room and ask again: a stored answer is replayed for nothing",
    )


def _reason(failure: OSError) -> str:
    """Return the system's words without the path, which the message has already."""
    return (failure.strerror or type(failure).__name__).lower()
