"""Policy files: from a path to a checked policy, or to errors with their places."""

from __future__ import annotations

import codecs
import datetime as dt
import hashlib
import json
import stat
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from dpquery.errors import PolicyError
from dpquery.policy.aliases import respell
from dpquery.policy.complaints import complaints
from dpquery.policy.document import MAX_BYTES, Document, Location, parse
from dpquery.policy.model import Policy

if TYPE_CHECKING:
    from dpquery.errors import Place


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy, and where it was read."""

    policy: Policy
    path: Path
    """The policy file, absolute."""
    digest: str
    """SHA-256 of what the policy says, in hexadecimal: comments, layout and the
    order of keys make no difference."""
    document: Document = field(repr=False, compare=False)
    """The text, to show places in it."""

    def resolve(self, relative: str) -> Path:
        """Return a path that the policy names, absolute."""
        return (self.path.parent / relative).resolve()

    def place(self, location: Location, *, key: bool = False) -> Place:
        """Return where *location*, such as ``("tables", "visits")``, is written."""
        return self.document.place(location, key=key)

    def place_in_view(self, name: str, inner: Place | None) -> Place:
        """Return where *inner*, a place in the SQL of view *name*, is in the file."""
        if inner is None:
            return self.place(("views", name))
        return self.document.inside(("views", name), inner)


def load(path: Path | str) -> LoadedPolicy:
    """
    Read the policy at *path*.

    Raises:
        PolicyError: the file cannot be read or is wrong; the first thing that is, in
            the order of the file.
    """
    loaded, errors = _attempt(Path(path))
    if loaded is not None:
        return loaded
    first, others = errors[0], len(errors) - 1
    if others == 0:
        raise first from None
    more = f"(and {others} more problem{'s' * (others > 1)}: see `dpquery check`)"
    hint = more if first.hint is None else f"{first.hint}\n{more}"
    raise PolicyError(
        first.message, code=first.code, hint=hint, place=first.place
    ) from None


def problems(path: Path | str) -> list[PolicyError]:
    """Return everything that is wrong with the policy at *path*; often nothing."""
    return _attempt(Path(path))[1]


def _attempt(path: Path) -> tuple[LoadedPolicy | None, list[PolicyError]]:
    """Read *path* into a policy, or into at least one error."""
    try:
        document = respell(parse(_text(path), str(path)))
    except PolicyError as error:
        return None, [error]
    try:
        policy = Policy.model_validate(document.data)
    except ValidationError as error:
        return None, complaints(document, error)
    return LoadedPolicy(policy, path.absolute(), digest(policy), document), []


def digest(policy: Policy) -> str:
    """Return the SHA-256 of what *policy* says, in hexadecimal."""
    said = policy.model_dump(mode="python")
    text = json.dumps(said, sort_keys=True, ensure_ascii=True, default=_canonical)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: object) -> object:
    """Write what JSON lacks so that equal values, and only they, read the same."""
    match value:
        case Decimal() if value == value.to_integral_value():
            return int(value)
        case Decimal():
            return {"decimal": str(value.normalize())}
        case dt.date():
            return {"date": value.isoformat()}
        case _:
            raise TypeError(f"no canonical form for {type(value).__name__}")


def _text(path: Path) -> str:
    """Return the text of the file at *path*."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PolicyError(
                f"{path} is not a regular file",
                code="DPQ301",
                hint="give the policy file itself, such as policies/clinic.yaml",
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "check the spelling, or name it with --policy FILE or DPQUERY_POLICY"
        raise PolicyError(
            f"there is no policy file {path}", code="DPQ301", hint=hint
        ) from None
    except (OSError, ValueError):  # ValueError: a NUL in the path
        hint = "check its permissions"
        raise PolicyError(
            f"the policy file {path} cannot be read", code="DPQ301", hint=hint
        ) from None
    if len(content) > MAX_BYTES:
        raise PolicyError(
            f"the policy file {path} is larger than {MAX_BYTES} bytes",
            code="DPQ301",
            hint="a policy holds promises; data belongs into the database",
        )
    return _decoded(content, path)


def _decoded(content: bytes, path: Path) -> str:
    """Decode UTF-8, or show the first byte that is not."""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        start = len(content[: error.start].decode("utf-8"))
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    raise PolicyError(
        "this is UTF-16 text" if utf16 else "this byte is not UTF-8 text",
        code="DPQ302",
        hint="save the file with the encoding UTF-8",
        place=Document(content.decode("utf-8", "replace"), str(path)).at(start, start),
    )
