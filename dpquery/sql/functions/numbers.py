"""Functions of numbers, as data.

All are computed in DOUBLE, except those on bits and divisors, which need all 64 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import NUMERIC
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions.forms import (
    Lowered,
    a_number,
    between,
    binary,
    call,
    cast,
    nonzero,
    number,
    only,
    text,
    try_cast,
    where,
    whole,
)
from dpquery.sql.functions.signature import (
    DATES,
    Function,
    I,
    J,
    N,
    Parameter,
    Rule,
    Y,
    always,
    called,
    constant,
    rounded,
    whole_or_double,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DOUBLE, INTEGER, BOOLEAN = SqlType.DOUBLE, SqlType.INTEGER, SqlType.BOOLEAN
_DIGITS = constant("digits", at_least=-15, at_most=15)
_TOO_LARGE = "whole numbers beyond 64 bits are NULL"
_BY_ZERO = "by zero: NULL"


def _arithmetic(name: str, kind: type[exp.Binary], sign: str) -> Function:
    return Function(
        name,
        (N, Y),
        whole_or_double,
        lambda a, b: binary(kind, a, b),
        frozenset({sign}),
        _TOO_LARGE,
        as_double=True,
        usage=f"x {sign} y",
    )


def _plain(
    name: str, rule: Rule, misfit: str = "", *, digits: bool = False
) -> Function:
    """Return a function of one number, and digits, that is total in DOUBLE."""
    return Function(
        name,
        (N, _DIGITS)[: 1 + digits],
        rule,
        lambda *arguments: call(name, *arguments),
        frozenset({name}),
        misfit,
        optional=int(digits),
        as_double=True,
    )


def _on(
    name: str, domain: str, guard: Callable[[Lowered], Lowered], *calls: str
) -> Function:
    """Return a function of one number that has a value on *domain* only."""
    return Function(
        name,
        (N,),
        always(DOUBLE),
        lambda x: call(name, guard(x)),
        frozenset({name, *calls}),
        f"NULL unless {domain}",
        as_double=True,
    )


def _within_one(kind: type[exp.Binary]) -> Callable[[Lowered], Lowered]:
    """Return a guard that keeps numbers between −1 and 1."""
    return lambda x: where(binary(kind, call("abs", x.copy()), number(1)), x)


_DIVISIONS = (
    Function(
        "divide",
        (N, Y),
        always(DOUBLE),
        lambda a, b: binary(exp.Div, a, nonzero(b)),
        frozenset({"/", "nullif"}),
        _BY_ZERO,
        as_double=True,
        usage="x / y",
    ),
    Function(
        "int_divide",
        (I, J),
        always(INTEGER),
        lambda a, b: call("trunc", binary(exp.Div, a, nonzero(b))),
        frozenset({"/", "nullif", "trunc"}),
        _BY_ZERO,
        as_double=True,
        usage="i // j",
    ),
    Function(
        "modulo",
        (N, Y),
        whole_or_double,
        lambda a, b: binary(exp.Mod, a, nonzero(b)),  # not fmod: that one is floored
        frozenset({"%", "nullif"}),
        _BY_ZERO,
        as_double=True,
        usage="x % y",
    ),
    Function(
        "fmod",
        (N, Y),
        always(DOUBLE),
        lambda a, b: call("fmod", a, nonzero(b)),
        frozenset({"fmod", "nullif"}),
        _BY_ZERO,
        as_double=True,
    ),
    Function(
        "negate",
        (N,),
        whole_or_double,
        lambda a: exp.Paren(this=exp.Neg(this=a)),
        frozenset({"-"}),
        as_double=True,
        usage="-x",
    ),
)


def _log(base: Lowered, x: Lowered) -> Lowered:
    usable = exp.And(
        this=binary(exp.GT, base.copy(), number(0)),
        expression=binary(exp.NEQ, base.copy(), number(1)),
    )
    return call("log", where(usable, base), only(x, exp.GT, 0))


def _bucket(x: Lowered, low: Lowered, high: Lowered, count: Lowered) -> Lowered:
    """Return which of *count* equal parts of ``low … high`` holds x, from 1."""
    share = binary(
        exp.Div,
        binary(exp.Sub, x.copy(), low.copy()),
        binary(exp.Sub, high.copy(), low.copy()),
    )
    at = call("floor", binary(exp.Mul, share, cast(count.copy(), "DOUBLE")))
    inside = call("least", binary(exp.Add, at, number(1)), count.copy())
    return exp.Case(
        ifs=[
            exp.If(this=binary(exp.LT, x.copy(), low), true=cast(number(0), "DOUBLE")),
            exp.If(
                this=binary(exp.GTE, x.copy(), high),
                true=binary(exp.Add, cast(count, "DOUBLE"), number(1)),
            ),
            exp.If(this=binary(exp.LT, x, high.copy()), true=inside),
        ]
    )


def _buckets(arguments: Sequence[object]) -> str | None:
    low, high = (getattr(each, "value", None) for each in arguments[1:3])
    sound = low is not None and high is not None and low < high
    return None if sound else "the lower end must be below the upper end"


_LIMIT = Parameter(NUMERIC, "end", constant=True)
_FLOATING = (
    _plain("abs", whole_or_double),
    _plain("sign", always(INTEGER)),
    _plain("floor", always(INTEGER), _TOO_LARGE),
    _plain("ceil", always(INTEGER), _TOO_LARGE),
    _plain("even", always(INTEGER), _TOO_LARGE),
    _plain("trunc", rounded, _TOO_LARGE, digits=True),
    _plain("round", rounded, _TOO_LARGE, digits=True),
    Function(
        "round_even",
        (N, _DIGITS),
        rounded,
        lambda x, digits: call("round_even", x, digits),
        frozenset({"round_even"}),
        _TOO_LARGE,
        as_double=True,
    ),
    _on("sqrt", "x ≥ 0", lambda x: only(x, exp.GTE, 0)),
    _on("ln", "x > 0", lambda x: only(x, exp.GT, 0)),
    _on("log10", "x > 0", lambda x: only(x, exp.GT, 0)),
    _on("log2", "x > 0", lambda x: only(x, exp.GT, 0)),
    _on("gamma", "x > 0", lambda x: only(x, exp.GT, 0)),
    _on("lgamma", "x > 0", lambda x: only(x, exp.GT, 0)),
    _on("asin", "−1 ≤ x ≤ 1", _within_one(exp.LTE), "abs"),
    _on("acos", "−1 ≤ x ≤ 1", _within_one(exp.LTE), "abs"),
    _on("atanh", "−1 < x < 1", _within_one(exp.LT), "abs"),
    _on("acosh", "x ≥ 1", lambda x: only(x, exp.GTE, 1)),
    *(
        _plain(name, always(DOUBLE))
        for name in (
            *("cbrt", "exp", "sin", "cos", "tan", "cot", "atan", "sinh", "cosh"),
            *("tanh", "asinh", "degrees", "radians"),
        )
    ),
    Function(
        "atan2",
        (Y, N),
        always(DOUBLE),
        lambda y, x: call("atan2", y, x),
        frozenset({"atan2"}),
        as_double=True,
    ),
    Function(
        "log",
        (N, Y),
        always(DOUBLE),
        _log,
        frozenset({"log"}),
        "NULL unless the base is > 0 and not 1, and x > 0",
        as_double=True,
        usage="log(base, x)",
    ),
    Function(
        "pow",
        (N, Y),
        always(DOUBLE),
        lambda a, b: a_number(call("pow", a, b)),
        frozenset({"pow", "isnan"}),
        "NULL where the power is no real number",
        as_double=True,
        usage="x ^ y",
    ),
    Function(
        "width_bucket",
        (
            N,
            called(_LIMIT, "low"),
            called(_LIMIT, "high"),
            constant("count", at_least=1, at_most=10_000),
        ),
        always(INTEGER),
        _bucket,
        frozenset({"floor", "least", "+", "-", "*", "/"}),
        "0 below the lower end, count + 1 from the upper end on",
        as_double=True,
        check=_buckets,
    ),
)

_TESTS = (
    _plain("isnan", always(BOOLEAN)),
    *(
        Function(
            name,
            (Parameter(NUMERIC | DATES, "x"),),
            always(BOOLEAN),
            lambda x, name=name: call(name, x),
            frozenset({name}),
            as_double=True,
        )
        for name in ("isfinite", "isinf")
    ),
)


# --- whole numbers of 64 bits ----------------------------------------------------


def _least_apart(value: Lowered) -> Lowered:
    """Return the whole number, NULL for −2^63, whose size 64 bits do not hold."""
    return call("nullif", value, cast(text(str(-(2**63))), "BIGINT"))


def _lcm(a: Lowered, b: Lowered) -> Lowered:
    """Return ``|a · (b / gcd(a, b))|``; 128 bits hold every such product."""
    a, b = _least_apart(a), _least_apart(b)
    divisor = call("greatest", call("gcd", a.copy(), b.copy()), number(1))
    part = binary(exp.IntDiv, b, divisor)
    product = binary(exp.Mul, cast(a, "HUGEINT"), cast(part, "HUGEINT"))
    return whole(call("abs", product))


def _shifted_left(value: Lowered, by: Lowered) -> Lowered:
    """Return ``value · 2^by``; 128 bits hold every such product."""
    factor = binary(exp.BitwiseLeftShift, cast(number(1), "HUGEINT"), by)
    return whole(binary(exp.Mul, cast(value, "HUGEINT"), factor))


def _bitwise(name: str, kind: type[exp.Binary], sign: str) -> Function:
    return Function(
        name,
        (I, J),
        always(INTEGER),
        lambda a, b: cast(binary(kind, a, b), "BIGINT"),
        frozenset({sign}),
        usage=f"i {sign} j",
    )


_WHOLE = (
    _bitwise("bit_and", exp.BitwiseAnd, "&"),
    _bitwise("bit_or", exp.BitwiseOr, "|"),
    Function(
        "xor",
        (I, J),
        always(INTEGER),
        lambda a, b: cast(call("xor", a, b), "BIGINT"),
        frozenset({"xor"}),
    ),
    Function(
        "bit_not",
        (I,),
        always(INTEGER),
        lambda a: cast(exp.Paren(this=exp.BitwiseNot(this=a)), "BIGINT"),
        frozenset({"~"}),
        usage="~i",
    ),
    Function(
        "shift_left",
        (I, constant("bits", at_most=62)),
        always(INTEGER),
        _shifted_left,
        frozenset({"*", "<<"}),
        _TOO_LARGE,
        usage="i << bits",
    ),
    Function(
        "shift_right",
        (I, constant("bits", at_most=63)),
        always(INTEGER),
        lambda a, bits: cast(binary(exp.BitwiseRightShift, a, bits), "BIGINT"),
        frozenset({">>"}),
        usage="i >> bits",
    ),
    Function(
        "bit_count",
        (I,),
        always(INTEGER),
        lambda a: cast(call("bit_count", a), "BIGINT"),
        frozenset({"bit_count"}),
    ),
    Function(
        "gcd",
        (I, J),
        always(INTEGER),
        lambda a, b: call("gcd", _least_apart(a), _least_apart(b)),
        frozenset({"gcd", "nullif"}),
        "NULL for −2^63",
    ),
    Function(
        "lcm",
        (I, J),
        always(INTEGER),
        _lcm,
        frozenset({"gcd", "nullif", "abs", "greatest", "//", "*"}),
        _TOO_LARGE,
    ),
    Function(
        "factorial",
        (I,),
        always(INTEGER),
        lambda n: whole(call("factorial", try_cast(between(n, 0, 20), "INTEGER"))),
        frozenset({"factorial"}),
        "NULL outside 0 … 20",
    ),
)


NUMBERS: tuple[Function, ...] = (
    _arithmetic("add", exp.Add, "+"),
    _arithmetic("subtract", exp.Sub, "-"),
    _arithmetic("multiply", exp.Mul, "*"),
    *_DIVISIONS,
    *_FLOATING,
    *_TESTS,
    *_WHOLE,
)
