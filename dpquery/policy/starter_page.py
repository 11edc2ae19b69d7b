"""Lines of YAML with comments and blanks, whatever the names in them are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from dpquery.policy.catalog import fold

BLANK = "# FILL IN: "
"""What stands behind the colon of a key that the owner has to fill."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PATH = re.compile(r"(?:\.{1,2}/)*[A-Za-z_/][A-Za-z0-9_./-]*", re.ASCII)
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_MAX_NAME = 255
_MAX_COMMENT = 200


@dataclass(slots=True)
class Page:
    """Lines of YAML with comments."""

    lines: list[str] = field(default_factory=list)

    def add(self, depth: int, line: str, comment: str = "") -> None:
        """Add a line, with what is to be said of it."""
        said = f" # {comment}" if comment else ""
        self.lines.append(f"{'  ' * depth}{line}{said}".rstrip())

    def blank(self, depth: int, key: str, what: str, example: str) -> None:
        """Add a key that the owner has to fill."""
        self.lines.append(f"{'  ' * depth}{key}: {BLANK}{what}, such as {example}")

    def remark(self, depth: int, text: str) -> None:
        """Add a line that is nothing but a comment."""
        self.lines.append(f"{'  ' * depth}# {text}".rstrip())

    def gap(self) -> None:
        """Add an empty line."""
        self.lines.append("")

    def text(self) -> str:
        """Return the whole page."""
        return "\n".join(self.lines) + "\n"


def speakable(name: str) -> bool:
    """Tell whether a policy can name it: printable, and not too long."""
    return name.isprintable() and bool(name.strip()) and len(name) <= _MAX_NAME


def quoted(text: str) -> str:
    """Write *text* so that YAML reads it back as text."""
    if _PATH.fullmatch(text) and fold(text) not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)


def key_of_yaml(name: str) -> str:
    """Write *name* as a key of YAML."""
    if _PLAIN.fullmatch(name) and fold(name) not in _NOT_TEXT:
        return name
    return json.dumps(name, ensure_ascii=False)


def shown(name: str) -> str:
    """Write *name* into a comment, which ends with its line."""
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name
    )


def one_line(text: str | None) -> str:
    """Write a comment of the database on one line."""
    line = " ".join((text or "").split())
    cut = line if len(line) <= _MAX_COMMENT else line[:_MAX_COMMENT] + " …"
    return shown(cut)
