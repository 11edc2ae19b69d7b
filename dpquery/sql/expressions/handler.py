"""What a handler of one kind of node is: a function of the binder and the node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression
    from dpquery.sql.expressions.binder import RowBinder

Handler: TypeAlias = "Callable[[RowBinder, Any], Expression]"
"""The node is of the kind that the handler's table says."""
