"""Messages between this process and its child: JSON after its length, never pickle."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

_LENGTH = struct.Struct(">I")

LONGEST = 2**31
"""Bytes of one message; neither side reads more."""
ANSWER_CELLS = 5_000_000
"""Cells of one answer, with all that is inside of lists and maps."""
ANSWER_BYTES = 128 * 2**20
"""Bytes of one answer's text."""
GRACE = 2.0
"""Seconds beyond its limit in which a statement may stop by itself."""


class FrameError(Exception):
    """The other side is gone, or speaks nonsense."""


class TooLongError(Exception):
    """A message has more bytes than it may have."""


def send(stream: IO[bytes], message: object, longest: int = LONGEST) -> int:
    """
    Write one message; return its length in bytes.

    Raises:
        OSError: the other side is gone.
        TooLongError: nothing was written.
    """
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > longest:
        raise TooLongError
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()
    return len(data)


def receive(stream: IO[bytes], longest: int = LONGEST) -> tuple[dict[str, Any], int]:
    """
    Read one message; return it and its length in bytes.

    Raises:
        FrameError: the other side is gone, or speaks nonsense.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > longest:
        raise FrameError
    try:
        message = json.loads(_exactly(stream, length))
    except (ValueError, RecursionError):
        raise FrameError from None
    if not isinstance(message, dict):
        raise FrameError
    return message, length


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise FrameError
    return data
