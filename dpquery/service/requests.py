"""Requests for more budget: what is read of them, and how they are shown."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeAlias

from dpquery.errors import ConfigError
from dpquery.results import BudgetRequest
from dpquery.service.access import LARGEST_EPSILON, SMALLEST_EPSILON

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.ledger.requests import Request

Epsilon: TypeAlias = "float | Decimal | str"
End: TypeAlias = "str | dt.date | dt.datetime | dt.timedelta"
LONGEST_REASON = 1000

_SPAN = re.compile(r"([0-9]{1,5}) ?(h|d|w)", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_END_HINT = (
    "for example 30d, 12h or 2w from now, or 2027-01-31 for all of that day, UTC"
)


def read_epsilon(value: Epsilon) -> Decimal:
    """
    Return an amount that is asked for, or granted.

    Raises:
        ConfigError: DPQ401, it is no number in the range of prices.
    """
    number = Decimal(0)
    if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool):
        try:
            number = Decimal(str(value).strip())
        except (InvalidOperation, ValueError):
            number = Decimal(0)
    least, most = Decimal(str(SMALLEST_EPSILON)), Decimal(int(LARGEST_EPSILON))
    if not number.is_finite() or not least <= number <= most:
        span = f"from {SMALLEST_EPSILON:g} to {LARGEST_EPSILON:g}"
        msg = f"epsilon is a number {span}, not {str(value)[:40]}"
        raise ConfigError(msg, code="DPQ401", hint="for example epsilon=0.5")
    return number


def read_reason(text: str) -> str:
    """
    Return a reason as it is kept.

    Raises:
        ConfigError: DPQ442, it is empty, too long, or no text.
    """
    reason = text.strip() if isinstance(text, str) else ""
    if not reason:
        msg = "a reason is missing"
        hint = "say in a sentence what it is for; the audit keeps it"
        raise ConfigError(msg, code="DPQ442", hint=hint)
    if len(reason) > LONGEST_REASON:
        msg = f"a reason has at most {LONGEST_REASON} characters, not {len(reason)}"
        raise ConfigError(msg, code="DPQ442", hint="shorten it")
    if any(not (each.isprintable() or each in "\n\t") for each in reason):
        msg = "a reason is plain text, and this has control characters"
        raise ConfigError(msg, code="DPQ442", hint="remove them")
    return reason


def read_end(end: End) -> Callable[[dt.datetime], dt.datetime]:
    """
    Return what says when a grant ends, given the ledger's time.

    Raises:
        ConfigError: DPQ443, it is no time and no span of time; what is returned raises
            it too, for an end that is past.
    """
    reckon = _reckoned(end)

    def later(now: dt.datetime) -> dt.datetime:
        time = reckon(now)
        if time <= now:
            msg = f"what is granted would have ended at {time.isoformat()} already"
            hint = f"the ledger's time is {now.isoformat()}; for example 30d from then"
            raise _no_end(msg, hint)
        return time

    return later


def _reckoned(end: End) -> Callable[[dt.datetime], dt.datetime]:
    match end:
        case dt.timedelta():
            return lambda now: _later(now, end)
        case dt.datetime():
            return lambda _: _utc(end)
        case dt.date():
            return lambda _: _after(end)
        case str():
            return _read_text(end.strip())
        case _:
            raise _none(end)


def shown(request: Request, notes: tuple[str, ...] = ()) -> BudgetRequest:
    """Return *request* as a caller may hold it."""
    expired = request.state == "approved" and not request.in_force
    return BudgetRequest(
        id=request.number,
        analyst=request.analyst,
        epsilon=float(request.epsilon),
        reason=request.reason,
        asked_at=request.asked_at.isoformat(),
        state="expired" if expired else request.state,
        decided_at=_iso(request.decided_at),
        granted=None if request.granted is None else float(request.granted),
        expires_at=_iso(request.expires_at),
        answer=request.answer,
        notes=notes,
    )


def _iso(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _read_text(text: str) -> Callable[[dt.datetime], dt.datetime]:
    span = _SPAN.fullmatch(text)
    if span is not None:
        hours = int(span[1]) * _HOURS[span[2]]
        return lambda now: _later(now, dt.timedelta(hours=hours))
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        try:
            time = dt.datetime.fromisoformat(text)
        except ValueError:
            raise _none(text) from None
        return lambda _: _utc(time)
    return lambda _: _after(day)


def _after(day: dt.date) -> dt.datetime:
    """Return the end of *day*: it still counts."""
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
    return _later(midnight, dt.timedelta(days=1))


def _utc(time: dt.datetime) -> dt.datetime:
    """Read a time without a zone as UTC."""
    try:
        zoned = time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)
        return zoned.astimezone(dt.UTC).replace(microsecond=0)
    except OverflowError:
        raise _none(time) from None


def _later(time: dt.datetime, span: dt.timedelta) -> dt.datetime:
    try:
        return (time + span).replace(microsecond=0)
    except OverflowError:
        raise _none(span) from None


def _none(end: object) -> ConfigError:
    return _no_end(f"this is no end of a grant: {str(end)[:40]}", _END_HINT)


def _no_end(message: str, hint: str) -> ConfigError:
    return ConfigError(message, code="DPQ443", hint=hint)
