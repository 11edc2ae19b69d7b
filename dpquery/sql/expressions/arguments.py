"""Arguments of the allow-list's functions: how many, of which type, constant or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.expressions import (
    NUMERIC,
    RELEASABLE,
    Call,
    Cast,
    Expression,
    Literal,
)
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.literals import as_type, coerced

if TYPE_CHECKING:
    from dpquery.sql.functions import Function, Parameter
    from dpquery.sql.functions.signature import Types

MAX_VARIADIC = 50
"""Arguments of a function that takes any number of them."""


class MisfitError(Exception):
    """Arguments that a function does not take; the binder adds the position."""

    def __init__(self, message: str, code: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


def fit(function: Function, arguments: list[Expression]) -> tuple[Expression, ...]:
    """
    Return *arguments* as the parameters of *function* want them.

    Raises:
        MisfitError: they are too many or too few, of a wrong type, or not constant.
    """
    parameters = list(function.parameters)
    if function.variadic:
        parameters += parameters[-1:] * (MAX_VARIADIC - len(parameters))
    most = len(parameters)
    least = len(function.parameters) - function.optional
    if not least <= len(arguments) <= most:
        takes = str(most) if least == most else f"{least} to {most}"
        plural = "" if most == 1 else "s"
        msg = f"{function.name} takes {takes} argument{plural}, not {len(arguments)}"
        hint = f"write {signature(function)}"
        raise MisfitError(msg, "DPQ105", hint)
    fitted: list[Expression] = []
    for parameter, argument in zip(parameters, arguments, strict=False):
        first = fitted[0] if fitted else argument
        fitted.append(_argument(function.name, parameter, argument, first))
    if function.check is not None:
        complaint = function.check(fitted)
        if complaint is not None:
            raise MisfitError(complaint, "DPQ107", f"write {signature(function)}")
    return tuple(fitted)


def signature(function: Function) -> str:
    """Return how a function is written, e.g. ``round(x[, digits])``."""
    if function.usage:
        return function.usage
    names = [parameter.name for parameter in function.parameters]
    if function.variadic:
        names.append("…")
    needed = len(names) - function.optional
    inner = ", ".join(names[:needed])
    for name in names[needed:]:
        inner += f"[, {name}]"
    return f"{function.name}({inner})"


def _argument(
    name: str, parameter: Parameter, argument: Expression, first: Expression
) -> Expression:
    """Return one argument with a type that the parameter has."""
    fitted = argument
    types = _types(parameter, first)
    if argument.type not in types:
        fitted = _converted(name, parameter, argument, types)
    if parameter.one_of is not None and isinstance(fitted, Literal):
        fitted = Literal(fold(str(fitted.value)), fitted.type)
    if parameter.constant:
        _check_constant(name, parameter, fitted)
    return fitted


def _types(parameter: Parameter, first: Expression) -> Types:
    """Return the types that a parameter has beside the first argument."""
    if parameter.same:
        return frozenset({first.type})
    if parameter.element and first.type.element is not None:
        return frozenset({first.type.element})
    return parameter.types


def _converted(
    name: str, parameter: Parameter, argument: Expression, types: Types
) -> Expression:
    """Return an argument as one of *types*, if that changes no value."""
    if isinstance(argument, Literal):
        for type_ in sorted(types):
            literal = coerced(argument, type_)
            if literal is not None:
                return literal
    if parameter.as_text and argument.type in RELEASABLE:
        return Cast(argument, SqlType.VARCHAR)
    if SqlType.DOUBLE in types and argument.type in NUMERIC:
        return as_type(argument, SqlType.DOUBLE)
    if SqlType.TIMESTAMP in types and argument.type is SqlType.DATE:
        return as_type(argument, SqlType.TIMESTAMP)
    if isinstance(argument, Call) and argument.function == "list_value":
        for type_ in sorted(types):
            wider = as_type(argument, type_)
            if wider.type is type_ and isinstance(wider, Call):
                return wider
    wanted = " or ".join(sorted(types))
    msg = f"{name} takes {wanted} here, not {argument.type}"
    hint = "use TRY_CAST to convert; what does not fit becomes NULL"
    raise MisfitError(msg, "DPQ105", hint)


def _check_constant(name: str, parameter: Parameter, argument: Expression) -> None:
    if not isinstance(argument, Literal) or argument.null:
        msg = f"this argument of {name} must be a constant"
        raise MisfitError(msg, "DPQ107", _example(parameter))
    value = argument.value
    if parameter.one_of is not None and value not in parameter.one_of:
        allowed = ", ".join(sorted(filter(None, parameter.one_of)))
        raise MisfitError(f"{value!r} is not one of {allowed}", "DPQ107")
    most = parameter.at_most
    least = parameter.at_least
    if most is not None and not (isinstance(value, int) and least <= value <= most):
        msg = f"{name} takes a constant from {least} to {most} here, not {value}"
        raise MisfitError(msg, "DPQ107")
    if isinstance(value, str):
        _check_text(name, parameter, value)


def _check_text(name: str, parameter: Parameter, value: str) -> None:
    if parameter.longest is not None and len(value) > parameter.longest:
        most = parameter.longest
        msg = f"{name} takes at most {most} characters here, not {len(value)}"
        raise MisfitError(msg, "DPQ107")
    if parameter.complaint is not None:
        complaint = parameter.complaint(value)
        if complaint is not None:
            msg = f"this argument of {name} is not taken: {complaint}"
            raise MisfitError(msg, "DPQ107", _TAKEN.get(parameter.name))


_TAKEN = {
    "pattern": "characters, [classes], (groups), repetitions; see docs/functions.md",
    "format": "for example '%Y-%m-%d %H:%M:%S'",
    "escape": "for example ESCAPE '!'",
    "fill": "for example '*'",
}
"""What constants of these parameters may be."""


def _example(parameter: Parameter) -> str:
    """Return what would be accepted where a constant is missing."""
    if parameter.one_of:
        return "one of " + ", ".join(f"'{each}'" for each in sorted(parameter.one_of))
    if parameter.at_most is not None:
        return f"a whole number from {parameter.at_least} to {parameter.at_most}"
    if parameter.types == frozenset({SqlType.INTERVAL}):
        return "for example INTERVAL 7 DAY"
    return (
        f"write the {parameter.name} out, e.g. 'A%'"
        if parameter.name == "pattern"
        else f"write the {parameter.name} into the query"
    )
