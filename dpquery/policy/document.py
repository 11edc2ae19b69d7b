"""A YAML file as plain data, with the place in the text of every key and value.

The YAML understood here is a small, safe part of YAML 1.2 (threats.md section 9):
no anchors, aliases, tags, repeated keys or second documents, and ``no``, ``1_000``,
``1:00`` and ``017`` are text, as they look.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NoReturn

import yaml

from dpquery.errors import Place, PolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

Location = tuple[str | int, ...]
"""The way to a value: keys and list positions from the top of the document."""

Span = tuple[int, int]
"""Start and end of a piece of the text, as character offsets."""

MAX_BYTES = 1 << 20
"""The largest policy that is read, in bytes."""

_MAX_DEPTH = 20
_MAX_DIGITS = 400
_NULL = re.compile(r"~|null|Null|NULL|")
_NUMBER = re.compile(
    r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII
)
_INTEGER = re.compile(r"[-+]?\d+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


@dataclass(frozen=True, slots=True)
class Document:
    """The data of one file, and where in its text each part stands."""

    text: str
    file: str
    """The file's name, as the user gave it."""
    data: object = None
    values: Mapping[Location, Span] = field(default_factory=dict)
    keys: Mapping[Location, Span] = field(default_factory=dict)

    def place(self, location: Location, *, key: bool = False) -> Place:
        """Return where *location* stands, or the nearest part around it.

        A mapping and a value that is not there are shown by their key, everything
        else by itself, or with *key* also by its key.
        """
        while location and location not in self.values:
            location = location[:-1]
        start, end = self.values.get(location, (0, 0))
        if location in self.keys and (
            key or start == end or isinstance(_find(self.data, location), dict)
        ):
            start, end = self.keys[location]
        return self.at(start, end)

    def inside(self, location: Location, inner: Place) -> Place:
        """Return where *inner*, a place in the text at *location*, is in the file.

        That can be told of a literal block (``|``), and of one line without escapes;
        of text that YAML folds or unescapes the whole is shown.
        """
        said = _find(self.data, location)
        lines = said.split("\n") if isinstance(said, str) else []
        if not 1 <= inner.line <= len(lines):
            return self.place(location)
        line = lines[inner.line - 1]
        here = self._line_inside(location, inner.line, line, alone=len(lines) == 1)
        if here is None:
            return self.place(location)
        start = here + min(inner.column - 1, len(line))
        return self.at(start, start + inner.length)

    def _line_inside(
        self, location: Location, number: int, line: str, *, alone: bool
    ) -> int | None:
        """Return where line *number* of the text at *location* begins."""
        start, end = self.values[location]
        if self.text[start] != "|":
            here = self.text.find(line, start, end)
            return here if alone and here >= 0 else None
        for _ in range(number):
            start = self.text.find("\n", start) + 1
        last = self.text.find("\n", start)
        here = (len(self.text) if last < 0 else last) - len(line)
        return here if here >= start and self.text.startswith(line, here) else None

    def at(self, start: int, end: int) -> Place:
        """Return the place of the characters from *start* to *end*."""
        start = min(start, len(self.text))
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", start)
        last = len(self.text) if last < 0 else last
        return Place(
            line=self.text.count("\n", 0, start) + 1,
            column=start - first + 1,
            length=max(1, min(end, last) - start),
            text=_UNPRINTABLE.sub("\ufffd", self.text[first:last]),
            file=self.file,
        )


def _find(data: object, location: Location) -> object:
    """Follow *location* through *data*; ``None`` when it leads nowhere."""
    for step in location:
        match data, step:
            case dict(), str():
                data = data.get(step)
            case list(), int():
                data = data[step]
            case _:
                return None
    return data


def parse(text: str, file: str) -> Document:
    """Read *text* as one YAML document.

    Raises:
        PolicyError: DPQ303 when it is not YAML, DPQ304 when it uses a part of YAML
            that policies do without, DPQ305 for a key that is there twice.
    """
    source = Document(text.replace("\r\n", "\n").replace("\r", "\n"), file)
    reader = _Reader(source)
    reader.read()
    return Document(source.text, file, reader.data, reader.values, reader.keys)


class _Reader:
    """Build the data from the parser's events, refusing as early as possible.

    Working on events, not on composed nodes, means that nothing is expanded and no
    recursion deeper than ``_MAX_DEPTH`` happens, whatever the file holds.
    """

    def __init__(self, source: Document) -> None:
        self.source = source
        self.data: object = None
        self.values: dict[Location, Span] = {}
        self.keys: dict[Location, Span] = {}

    def read(self) -> None:
        """Read the only document of the text."""
        try:
            self.loader = yaml.SafeLoader(self.source.text)
        except yaml.reader.ReaderError as error:
            self.refuse(error.position, "a character that YAML does not allow")
        self.next()  # the start of the stream
        if isinstance(event := self.next(), yaml.StreamEndEvent):
            return
        self.data = self.value((), self.next())
        self.next()  # the end of the document
        event = self.next()
        if not isinstance(event, yaml.StreamEndEvent):
            hint = "keep one document and remove the line `---` before the other"
            self.refuse_event(event, "a second document in one file", hint)

    def next(self) -> yaml.Event:
        """Return the next event of the parser, refusing what policies do without."""
        try:
            event: yaml.Event = self.loader.get_event()  # type: ignore[no-untyped-call]
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = mark.index if mark is not None else len(self.source.text)
            problem = error.problem or "it ends too early"
            self.refuse(where, f"not YAML: {problem}", _hint(problem))
        except (ValueError, OverflowError):  # from numbers inside an escape or %YAML
            where = self.loader.get_mark().index
            self.refuse(where, "not YAML: a number that is much too large")
        hint = "policies are plain YAML: write the value out"
        if isinstance(event, yaml.AliasEvent):
            name = f"`*{event.anchor}`"
            self.refuse_event(event, f"aliases such as {name} are not accepted", hint)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            name = f"`&{event.anchor}`"
            self.refuse_event(event, f"anchors such as {name} are not accepted", hint)
        if getattr(event, "tag", None) is not None:
            self.refuse_event(event, "tags (`!…`) are not accepted", hint)
        return event

    def value(self, location: Location, event: yaml.Event) -> object:
        """Build the value that starts with *event*."""
        if len(location) > _MAX_DEPTH:
            self.refuse_event(event, f"nested more than {_MAX_DEPTH} levels deep")
        built: object
        match event:
            case yaml.MappingStartEvent():
                built, end = self.mapping(location)
            case yaml.SequenceStartEvent():
                built, end = self.sequence(location)
            case yaml.ScalarEvent():
                built, end = self.scalar(event), _span(event)[1]
            case _:
                self.refuse_event(event, "not YAML: a value is expected here")
        self.values[location] = (_span(event)[0], end)
        return built

    def mapping(self, location: Location) -> tuple[dict[str, object], int]:
        """Read entries up to the end of a mapping; return it and where it ends."""
        built: dict[str, object] = {}
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or not event.value:
                self.refuse_event(event, "a key must be a word")
            name = self.text(event)
            if name in built:
                line = self.source.at(*self.keys[(*location, name)]).line
                self.refuse_event(
                    event,
                    f"`{name}` is there twice",
                    f"the first one is in line {line}; keep one of them",
                    "DPQ305",
                )
            self.keys[(*location, name)] = _span(event)
            built[name] = self.value((*location, name), self.next())
        return built, _span(event)[1]

    def sequence(self, location: Location) -> tuple[list[object], int]:
        """Read items up to the end of a list; return it and where it ends."""
        built: list[object] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            built.append(self.value((*location, len(built)), event))
        return built, _span(event)[1]

    def scalar(self, event: yaml.ScalarEvent) -> object:
        """Read a plain or quoted word by rules without surprises."""
        text = self.text(event)
        if not event.implicit[0] or event.style is not None:
            return text  # quoted, or a block of text
        if _NULL.fullmatch(text):
            return None
        if text in {"true", "false"}:
            return text == "true"
        if _NUMBER.fullmatch(text):
            return self.number(event, text)
        if _DATE.fullmatch(text):
            try:
                return dt.date.fromisoformat(text)
            except ValueError:
                self.refuse_event(event, "there is no such date", code="DPQ313")
        if _NOT_FINITE.fullmatch(text):
            self.refuse_event(event, "a number must be finite", code="DPQ313")
        return text

    def number(self, event: yaml.Event, text: str) -> int | Decimal:
        """Return the number exactly, as it is written."""
        if len(text) > _MAX_DIGITS:
            self.refuse_event(event, "a number with too many digits", code="DPQ313")
        return int(text) if _INTEGER.fullmatch(text) else Decimal(text)

    def text(self, event: yaml.ScalarEvent) -> str:
        """Return the characters of a scalar."""
        text: str = event.value
        if _UNPRINTABLE.search(text):
            self.refuse_event(
                event, "a character that cannot be printed", code="DPQ313"
            )
        return text

    def refuse_event(
        self,
        event: yaml.Event,
        message: str,
        hint: str | None = None,
        code: str = "DPQ304",
    ) -> NoReturn:
        """Refuse the file because of *event*."""
        place = self.source.at(*_span(event))
        raise PolicyError(message, code=code, hint=hint, place=place) from None

    def refuse(self, where: int, message: str, hint: str | None = None) -> NoReturn:
        """Refuse the file, which is not YAML from the character at *where* on."""
        place = self.source.at(where, where + 1)
        raise PolicyError(message, code="DPQ303", hint=hint, place=place) from None


def _span(event: yaml.Event) -> Span:
    """Return where *event* stands; the parser always says."""
    start, end = event.start_mark, event.end_mark
    return (start.index if start else 0, end.index if end else 0)


def _hint(problem: str) -> str | None:
    """Say what to do about the mistakes that people make most."""
    if "'\\t'" in problem:
        return "indent with spaces; YAML does not accept tabs there"
    if "mapping values are not allowed" in problem:
        return "check the indentation, and quote a value that contains `: `"
    if "could not find expected ':'" in problem or "expected <block end>" in problem:
        return "check the indentation, and that `key:` is followed by a space"
    return None
