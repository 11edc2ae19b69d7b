"""Everything that is written to stderr, and every exit status."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar, TextIO

from dpquery.display.text import printable as printable  # noqa: PLC0414 -- talk.printable
from dpquery.errors import ConfigError, DPQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.results import Amount, Budget, Expected, Price, Release

PATIENCE = 1.0
"""Seconds without an answer before a terminal is told that work goes on."""


class Exit(IntEnum):
    """Exit statuses that no error class carries."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    NO_POLICY = 3
    INSIDE = 5
    INTERRUPTED = 130


class UsageError(ConfigError):
    """The command line itself is wrong. Nothing was asked."""

    exit_status: ClassVar[int] = Exit.USAGE


class Stopped(SystemExit):
    """Ctrl-C where it loses nothing: what only looks was stopped."""

    def __init__(self) -> None:
        super().__init__(int(Exit.INTERRUPTED))


class Colour(StrEnum):
    """When to colour what is written."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


# The error boundary stands outside the verb that read --color, so both see this.
_choice: ContextVar[Colour] = ContextVar("colour", default=Colour.AUTO)


def choose_colour(choice: Colour) -> None:
    """Let ``--color`` decide from here on."""
    _choice.set(choice)


def coloured(stream: TextIO | None) -> bool:
    """Ask --color, then NO_COLOR and FORCE_COLOR, then the stream."""
    match _choice.get():
        case Colour.ALWAYS:
            return True
        case Colour.NEVER:
            return False
        case Colour.AUTO:
            if os.environ.get("NO_COLOR"):
                return False
            if os.environ.get("FORCE_COLOR"):
                return True
            return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads *stream*; a closed stream is ``None``."""
    return stream is not None and stream.isatty()


def number(value: float) -> str:
    """
    Write an amount for reading: three significant digits, groups of thousands.

    >>> number(0.2), number(2.80001), number(1894.3), number(1e-10)
    ('0.2', '2.8', '1 890', '1e-10')
    """
    if not math.isfinite(value):
        return str(value).replace("inf", "∞")
    if value == 0 or 1e-4 <= abs(value) < 1e12:  # noqa: PLR2004 -- a reader's range
        digits = 2 - (math.floor(math.log10(abs(value))) if value else 0)
        text = f"{round(value, digits):,.{max(0, digits)}f}".replace(",", " ")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def loss_name(definition: str) -> str:
    """Return the letter of a loss under *definition*."""
    return "ε" if definition == "pure" else "ρ"


@dataclass(frozen=True, slots=True)
class Talk:
    """What one verb says beside its data."""

    quiet: bool = False
    stats: bool = False
    """One JSON line for scripts in place of the talk for people."""

    @property
    def silent(self) -> bool:
        """Whether nothing is said to people."""
        return self.quiet or self.stats

    def note(self, text: str) -> None:
        """Say one thing worth knowing."""
        if not self.silent:
            say(f"note    {printable(text)}")

    def answered(self, release: Release, total: Amount | None) -> None:
        """Say what an answer cost and what is left of *total*."""
        if self.stats:
            _stats(release.price, release.remaining, release)
        if self.silent:
            return
        price = "replayed: nothing was charged"
        if not release.replayed:
            price = f"ε {number(release.price.epsilon)}"
            if release.price.delta > 0:
                price += f", δ {number(release.price.delta)}"
        left = _left(release.remaining, total, release.price.queries_left)
        say(f"price   {price} · {left}")
        for each in release.notes:
            self.note(each)

    def priced(self, price: Price, budget: Budget, subject: str) -> None:
        """Say what a query would cost and how exact it would be."""
        if self.stats:
            _stats(price, price.remaining, None)
        if self.silent:
            return
        say(f"answerable   {subject}")
        cost = f"ε {number(price.epsilon)}"
        if price.delta > 0:
            cost += f", δ {number(price.delta)}"
        say(f"price        {cost}")
        say(f"budget       {_before_and_after(price, budget)}")
        if price.expected:
            say(f"expect       {_expected(price)}")
        for each in price.notes:
            say(f"note         {printable(each)}")
        say("nothing was charged and no data was read")

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Say alerts about budgets, which a library only writes to its log."""
        if self.silent:
            yield
            return
        import logging  # noqa: PLC0415 -- most verbs have no alerts

        class Voice(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                say(f"alert   {printable(record.getMessage())}")

        voice, log = Voice(), logging.getLogger("dpquery.alerts")
        log.addHandler(voice)
        try:
            yield
        finally:
            log.removeHandler(voice)

    def explained(self, text: str) -> None:
        """Show a plan; it was asked for, so even --quiet shows it."""
        for line in text.splitlines():
            say(printable(line))

    @contextmanager
    def working(self) -> Iterator[None]:
        """
        Tell a person at a terminal, after a second, that work goes on.

        The text is constant: no rows, no percentage and no time, for those depend
        on the data.
        """
        if self.silent or not is_terminal(sys.stderr):
            yield
            return
        shown = threading.Event()

        def show() -> None:
            shown.set()
            _write("working … Ctrl-C stops; a charge that was made stands")

        timer = threading.Timer(PATIENCE, show)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            if shown.is_set():
                _write("\r\x1b[K")


def say(line: str) -> None:
    """Write one line to stderr."""
    _write(line + "\n")


def error(failure: DPQueryError) -> None:
    """Write an error as it reads everywhere, its code in red on a terminal."""
    head, *rest = str(failure).split("\n")
    if coloured(sys.stderr):
        head = head.replace(failure.code, f"\x1b[1;31m{failure.code}\x1b[0m", 1)
    say("\n".join([head, *rest]))


def unexpected(failure: BaseException) -> None:
    """Own up to an error of ours; its text may hold data, so only its kind shows."""
    if os.environ.get("DPQUERY_DEBUG") == "1":
        say("".join(traceback.format_exception(failure)).rstrip())
    error(
        DPQueryError(
            f"an error inside dpquery ({type(failure).__name__})",
            hint="DPQUERY_DEBUG=1 shows where; a charge that was made stands",
        )
    )


def interrupted() -> None:
    """Say what Ctrl-C left behind."""
    say("interrupted: a charge that was made stands, `dpquery history` shows it")


def _write(text: str) -> None:
    """Write to stderr; nobody listening is no reason to fail."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        return


def _left(remaining: Amount, total: Amount | None, queries: int | None) -> str:
    text = f"ε {number(remaining.epsilon)}"
    if total is not None:
        text += f" of {number(total.epsilon)}"
    text += " left"
    if queries is not None:
        text += f"; about {queries} more queries like this"
    return text


def _before_and_after(price: Price, budget: Budget) -> str:
    text = (
        f"ε {number(budget.remaining.epsilon)} left of {number(budget.total.epsilon)}"
    )
    if price.remaining is not None:
        text += f" → {number(price.remaining.epsilon)}"
    if price.queries_left is not None:
        text += f"     about {price.queries_left} more queries like this"
    return text


def _expected(price: Price) -> str:
    return " · ".join(map(_expectation, price.expected)) + "     (95 %)"


def _expectation(each: Expected) -> str:
    said = plus_minus(each)
    if said is None:
        return f"{printable(each.column)}: depends on the data"
    return said + (f" for {each.assuming}" if each.assuming else "")


def plus_minus(each: Expected) -> str | None:
    """
    Say how exact one column will be; ``None``: that depends on the data.

    >>> from dpquery.results import Expected
    >>> plus_minus(Expected("mean", 2.861, "a group of 1,000 rows"))
    'mean ± 2.86'
    >>> plus_minus(Expected("median", None, None, 14.2))
    'median ± 14.2 rows in rank'
    """
    name = printable(each.column)
    if each.rank_error is not None:
        return f"{name} ± {number(each.rank_error)} rows in rank"
    return None if each.half_width is None else f"{name} ± {number(each.half_width)}"


def _stats(price: Price, remaining: Amount | None, release: Release | None) -> None:
    """Write the one line of ``--stats``; a dry run has no release."""
    record = {
        "release": release and release.id,
        "replayed": release is not None and release.replayed,
        "price": {
            "epsilon": _finite(price.epsilon),
            "delta": _finite(price.delta),
            "rho": _finite(price.rho),
        },
        "remaining": remaining
        and {"epsilon": _finite(remaining.epsilon), "delta": _finite(remaining.delta)},
        "notes": list(price.notes if release is None else release.notes),
    }
    say(json.dumps(record))


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
