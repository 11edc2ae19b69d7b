"""Other spellings that policies accept: BigQuery's names for the same promises."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from dpquery.errors import PolicyError

if TYPE_CHECKING:
    from dpquery.policy.document import Document

_NAMES = {
    "epsilon_budget": ("budget", "epsilon"),
    "delta_budget": ("budget", "delta"),
    "max_epsilon_per_query": ("query", "max_epsilon"),
    "delta_per_query": ("query", "delta"),
    "max_groups_contributed": ("query", "max_groups_per_unit"),
    "min_privacy_units_per_group": ("query", "min_group_units"),
}

ALIASES: dict[tuple[str, ...], tuple[str, str]] = {
    where: meant
    for name, meant in _NAMES.items()
    for where in ((name,), (meant[0], name))
}
"""Where another spelling may stand, at the top or in its part, and what it means."""


def respell(document: Document) -> Document:
    """
    Return *document* with dpquery's own names, each still at its place in the text.

    Raises:
        PolicyError: DPQ305 when a promise is there under two of its names.
    """
    if not isinstance(document.data, dict):
        return document
    data = copy.deepcopy(document.data)
    values, keys = dict(document.values), dict(document.keys)
    for where, meant in ALIASES.items():
        part, name = meant
        if where not in keys or not isinstance(data.setdefault(part, {}), dict):
            continue  # a part that is no group of keys is reported as such
        if meant in keys:
            message = f"`{where[-1]}` and `{part}.{name}` mean the same"
            place = document.place(where, key=True)
            raise PolicyError(message, code="DPQ305", hint="keep one", place=place)
        section = data if len(where) == 1 else data[part]
        data[part][name] = section.pop(where[-1])
        for spans in (values, keys):
            spans[meant] = spans[where]
            spans.setdefault((part,), spans[where])
    return replace(document, data=data, values=values, keys=keys)
