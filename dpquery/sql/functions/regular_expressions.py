r"""Which regular expressions are taken: a part of RE2's that compiles and runs cheaply.

Upholds: a pattern that passes compiles in DuckDB, whose RE2 runs it in time linear in
the text, times a size that is limited here. Written against RE2's grammar and not
Python's: Python takes much that RE2 refuses (lookaround, ``\Z``, ``(?#…)``), and a
pattern that does not compile would fail after the query was charged.
"""

from __future__ import annotations

import re
from typing import NoReturn

MAX_PATTERN = 200
"""Characters of a pattern."""
MAX_SIZE = 1000
"""Single characters and classes that are left when all repetitions are written out."""


class PatternError(Exception):
    """A pattern that is not taken; its text says why."""


def groups_of(pattern: str) -> int:
    r"""
    Return how many groups *pattern* captures.

    >>> groups_of(r"(\d{4})-(?:\d\d)-(\w+)")
    2

    Raises:
        PatternError: it is too long, too large, or not in the part that is taken.
    """
    if len(pattern) > MAX_PATTERN:
        msg = f"a pattern has at most {MAX_PATTERN} characters, not {len(pattern)}"
        raise PatternError(msg)
    reader = _Reader(pattern)
    reader.alternatives()
    if reader.rest:
        reader.fail("a ) without its (")
    return reader.groups


def check_replacement(replacement: str, groups: int) -> str | None:
    r"""
    Say what is wrong with the replacement of a pattern that has *groups*, if anything.

    >>> check_replacement(r"\1-\2", 1)
    'there is no group 2 in the pattern'
    """
    for match in re.finditer(r"\\(.?)", replacement, re.DOTALL):
        escaped = match[1]
        if escaped == "\\":
            continue
        if not (escaped.isascii() and escaped.isdigit()):
            return r"write \\ for a backslash, and \1 for the first group"
        if int(escaped) > groups:
            return f"there is no group {escaped} in the pattern"
    return None


_FLAGS = re.compile(r"\(\?(?=[-imsU])[imsU]*(?:-[imsU]+)?([:)])")
_NAMED = re.compile(r"\(\?P<[A-Za-z_]\w{0,30}>", re.ASCII)
_REPEAT = re.compile(r"[*+?]\??|\{(\d{1,4})(,(\d{1,4})?)?\}\??", re.ASCII)
_ESCAPE = re.compile(
    r"\\(?:[dDwWsSbBAztnrfva]|x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,5}\}"
    r"|[!-/:-@\[-`{-~])",
    re.ASCII,
)
_ANCHORS = frozenset({"^", "$", r"\b", r"\B", r"\A", r"\z"})
_SETS = frozenset({r"\d", r"\D", r"\w", r"\W", r"\s", r"\S"})
_POSIX = re.compile(
    r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space"
    r"|upper|word|xdigit):\]"
)


class _Reader:
    """Reads one pattern from left to right, and adds up its size."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self.groups = 0

    @property
    def rest(self) -> str:
        """What has not been read."""
        return self._pattern[self._at :]

    def fail(self, why: str) -> NoReturn:
        """Refuse the pattern."""
        shown = self.rest[:10]
        msg = f"{why} at '{shown}'" if shown else why
        raise PatternError(msg)

    def _take(self, what: re.Pattern[str]) -> re.Match[str] | None:
        match = what.match(self._pattern, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def alternatives(self) -> int:
        """Read ``a|b|…`` up to a bracket or the end; return its size."""
        size = self._sequence()
        while self.rest.startswith("|"):
            self._at += 1
            size += 1 + self._sequence()
        return size

    def _sequence(self) -> int:
        size = 0
        while self.rest and self.rest[0] not in "|)":
            size += self._repeated()
            if size > MAX_SIZE:
                msg = f"this pattern is too large; repetitions count, up to {MAX_SIZE}"
                raise PatternError(msg)
        return size

    def _repeated(self) -> int:
        """Read one item and what says how often it is repeated."""
        start = self._at
        size = self._item()
        read = self._pattern[start : self._at]
        found = self._take(_REPEAT)
        if found is None:
            return size
        if read in _ANCHORS or _FLAGS.fullmatch(read):
            self.fail(f"{read} cannot be repeated")
        if _REPEAT.match(self._pattern, self._at):
            self.fail("a repetition of a repetition; use brackets")
        least, open_ended, most = found.groups()
        if least is None:
            return size + 1
        times = int(most) if most else int(least) + bool(open_ended)
        if times > MAX_SIZE or int(least) > times:
            self.fail(f"{found[0]} is not a number of repetitions")
        return size * max(times, 1) + 1

    def _item(self) -> int:
        """Read one character, class, anchor or group."""
        character = self.rest[0]
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            if self._take(_ESCAPE) is None:
                self.fail("an escape that is not taken")
            return 1
        if character in "*+?":
            self.fail("nothing stands before a repetition")
        if character in "{}]":
            self.fail(f"write \\{character} for this character")
        self._at += 1
        return 1

    def _group(self) -> int:
        """Read ``(…)``, ``(?:…)``, ``(?P<name>…)``, ``(?i:…)`` or ``(?i)``."""
        flags = self._take(_FLAGS)
        if flags is not None and flags[1] == ")":
            return 0
        if flags is None and self.rest.startswith("(?:"):
            self._at += 3
        elif flags is None:
            if self._take(_NAMED) is None:
                if self.rest.startswith("(?"):
                    self.fail("lookaround and other special groups are not taken")
                self._at += 1
            self.groups += 1
        size = self.alternatives()
        if not self.rest.startswith(")"):
            self.fail("a ( without its )")
        self._at += 1
        return size + 1

    def _class(self) -> int:
        """Read ``[…]``."""
        self._at += 2 if self.rest.startswith("[^") else 1
        if self.rest.startswith("]"):
            self.fail(r"write \] for this character")
        before: str | None = None
        while not self.rest.startswith("]"):
            if not self.rest:
                self.fail("a [ without its ]")
            if before is not None and self.rest[0] == "-" and self.rest[1:2] != "]":
                self._at += 1
                after = self._class_item()
                if before in _SETS or after in _SETS or _code(before) > _code(after):
                    self.fail(f"{before}-{after} is no range")
                before = None
            else:
                before = self._class_item()
        self._at += 1
        return 1

    def _class_item(self) -> str:
        """Read one character or named set within ``[…]``."""
        posix = self._take(_POSIX)
        if posix is not None:
            return r"\w"  # like any set, it ends no range
        if not self.rest or self.rest[0] in "[]":
            self.fail("write brackets within a class with a backslash")
        if self.rest[0] == "\\":
            escape = self._take(_ESCAPE)
            if escape is None or escape[0] in _ANCHORS:
                self.fail("an escape that is not taken here")
            return escape[0]
        self._at += 1
        return self._pattern[self._at - 1]


_NAMED_CODES = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7}


def _code(item: str) -> int:
    """Return the code point of a character of a class, written out or escaped."""
    if len(item) == 1:
        return ord(item)
    body = item[1:]
    if body.startswith("x") and len(body) > 1:
        return int(body[1:].strip("{}"), 16)
    return _NAMED_CODES.get(body, ord(body))
