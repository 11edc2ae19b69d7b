"""Every error that dpquery raises on purpose, and how it reads.

::

    DPQueryError
    ├── SQLSyntaxError     the text is not one SELECT that we can parse    exit 1
    ├── QueryRefused       it parses, but has no private answer            exit 1
    ├── PolicyError        the owner's policy is wrong                     exit 3
    ├── ConfigError        flags, environment or paths are wrong           exit 3
    ├── BudgetExceeded     the answer would cost more than is left         exit 4
    ├── AccessDenied       this analyst may not ask                        exit 4
    ├── EngineFailure      the database did not answer                     exit 5
    ├── LedgerError        the ledger cannot be read or written            exit 5
    └── RemoteError        a server did not answer                         exit 5

``QueryRefused`` and ``SQLSyntaxError`` are never charged. What each code means is
in :mod:`dpquery.errors.codes`, which ``dpquery docs CODE`` prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text something is wrong; lines and columns count from 1."""

    line: int
    column: int
    length: int = 1
    text: str | None = None
    """The line itself, to print under the message."""
    file: str | None = None

    def render(self) -> list[str]:
        """Return the lines that show this place, the last one a caret."""
        if self.file is not None:
            head = f"  {self.file}:{self.line}:{self.column}:  "
        else:
            head = f"  line {self.line}, column {self.column}:  "
        if self.text is None:
            return [head.rstrip().rstrip(":")]
        shown, column = _window(self.text, self.column)
        carets = max(1, min(self.length, len(shown) - column + 1))
        return [head + shown, " " * (len(head) + column - 1) + "^" * carets]


def _window(text: str, column: int, width: int = 100) -> tuple[str, int]:
    """Cut a long line to what stands around *column*."""
    text = text.replace("\t", " ").rstrip()
    if len(text) <= width:
        return text, column
    start = max(0, min(column - 1 - width // 3, len(text) - width))
    return text[start : start + width], column - start


class DPQueryError(Exception):
    """Base of all errors that dpquery raises on purpose.

    ``str()`` is the whole story for a person: what, where, what to do next. Nothing
    in it comes from a row of a private table or from a driver.
    """

    default_code: ClassVar[str] = "DPQ999"
    exit_status: ClassVar[int] = 5
    http_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        place: Place | None = None,
    ) -> None:
        """Say *what* (message), *where* (place) and what to do next (hint)."""
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.default_code
        self.hint = hint
        self.place = place

    @property
    def position(self) -> tuple[int, int] | None:
        """Line and column in the analyst's SQL or the owner's policy, from 1."""
        return None if self.place is None else (self.place.line, self.place.column)

    def __str__(self) -> str:
        lines = [f"{self.code}  {self.message}"]
        if self.place is not None:
            lines += self.place.render()
        if self.hint is not None:
            lines.append("  hint: " + self.hint.replace("\n", "\n        "))
        lines.append(f"  docs: dpquery docs {self.code}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.code, self.hint, self.place)

    def to_dict(self) -> dict[str, object]:
        """Return the error as JSON-ready data."""
        return {
            "error": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "position": None if self.position is None else list(self.position),
        }


def _rebuild(
    kind: type[DPQueryError],
    message: str,
    code: str,
    hint: str | None,
    place: Place | None,
) -> DPQueryError:
    """Undo ``__reduce__``: errors travel between processes whole."""
    return kind(message, code=code, hint=hint, place=place)


class SQLSyntaxError(DPQueryError):
    """The text is not one SELECT statement that can be parsed. Never charged."""

    default_code = "DPQ001"
    exit_status = 1
    http_status = 400


class QueryRefused(DPQueryError):
    """The query has no sound private answer, or is not supported. Never charged."""

    default_code = "DPQ100"
    exit_status = 1
    http_status = 422


class PolicyError(DPQueryError):
    """The owner's policy file is missing, unreadable or wrong."""

    default_code = "DPQ300"
    exit_status = 3
    http_status = 500


class ConfigError(DPQueryError):
    """A flag, an environment variable or a path is wrong."""

    default_code = "DPQ400"
    exit_status = 3
    http_status = 400


class BudgetExceeded(DPQueryError):
    """The answer would cost more than a budget has left. Nothing was charged."""

    default_code = "DPQ200"
    exit_status = 4
    http_status = 402


class AccessDenied(DPQueryError):
    """This analyst is unknown or may not ask this. Nothing was charged."""

    default_code = "DPQ250"
    exit_status = 4
    http_status = 403


class EngineFailure(DPQueryError):
    """The database did not answer; if it had started, the charge stands."""

    default_code = "DPQ500"
    exit_status = 5
    http_status = 502


class LedgerError(DPQueryError):
    """The ledger cannot be read or written, so nothing may be answered."""

    default_code = "DPQ550"
    exit_status = 5
    http_status = 503


class RemoteError(DPQueryError):
    """A dpquery server could not be reached or did not answer as one."""

    default_code = "DPQ600"
    exit_status = 5
    http_status = 502


__all__ = [
    "AccessDenied",
    "BudgetExceeded",
    "ConfigError",
    "DPQueryError",
    "EngineFailure",
    "LedgerError",
    "Place",
    "PolicyError",
    "QueryRefused",
    "RemoteError",
    "SQLSyntaxError",
]
