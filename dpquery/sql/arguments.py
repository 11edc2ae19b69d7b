"""Arguments of the allow-list's functions: how many, of which type, constant or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.expressions import Expression, Literal
from dpquery.policy.catalog import fold
from dpquery.sql.literals import coerced

if TYPE_CHECKING:
    from dpquery.sql.functions import Function, Parameter


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
    most = len(function.parameters)
    if not most - function.optional <= len(arguments) <= most:
        msg = f"{function.name} takes {most} arguments, not {len(arguments)}"
        raise MisfitError(msg, "DPQ105")
    return tuple(
        _argument(function.name, parameter, argument)
        for parameter, argument in zip(function.parameters, arguments, strict=False)
    )


def _argument(name: str, parameter: Parameter, argument: Expression) -> Expression:
    """Return one argument with a type that the parameter has."""
    fitted = argument
    if argument.type not in parameter.types:
        fitted = _coerced(name, parameter, argument)
    if parameter.one_of is not None and isinstance(fitted, Literal):
        fitted = Literal(fold(str(fitted.value)), fitted.type)
    if parameter.constant:
        _check_constant(name, parameter, fitted)
    return fitted


def _coerced(name: str, parameter: Parameter, argument: Expression) -> Expression:
    """Return a constant as one of the parameter's types; columns keep theirs."""
    for type_ in sorted(parameter.types):
        literal = coerced(argument, type_) if isinstance(argument, Literal) else None
        if literal is not None:
            return literal
    wanted = " or ".join(sorted(parameter.types))
    msg = f"{name} takes {wanted} here, not {argument.type}"
    hint = "use TRY_CAST to convert; what does not fit becomes NULL"
    raise MisfitError(msg, "DPQ105", hint)


def _check_constant(name: str, parameter: Parameter, argument: Expression) -> None:
    if not isinstance(argument, Literal) or argument.null:
        msg = f"this argument of {name} must be a constant"
        raise MisfitError(msg, "DPQ107")
    value = argument.value
    if parameter.one_of is not None and value not in parameter.one_of:
        allowed = ", ".join(sorted(parameter.one_of))
        raise MisfitError(f"{value!r} is not one of {allowed}", "DPQ107")
    most = parameter.at_most
    if most is not None and not (isinstance(value, int) and 0 <= value <= most):
        msg = f"{name} takes a constant from 0 to {most} here, not {value}"
        raise MisfitError(msg, "DPQ107")
