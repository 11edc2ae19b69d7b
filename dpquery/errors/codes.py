"""What each error code means and what to do about it: the text of `dpquery docs`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """One code, explained to a person who has just met it."""

    code: str
    title: str
    meaning: str
    """Why dpquery stops here; a few sentences."""
    remedy: str
    """What to do next; a few sentences, with an example where one helps."""


_TOPICS = (
    # --- 0xx: the text is not one SELECT -------------------------------------
    # --- 1xx: the query has no private answer, or is not supported ------------
    # --- 2xx: budgets and access ----------------------------------------------
    # --- 3xx: the policy --------------------------------------------------------
    # --- 4xx: flags, environment, paths -----------------------------------------
    # --- 5xx: engine (500-549) and ledger (550-599) -----------------------------
    Topic(
        "DPQ999",
        "an error inside dpquery",
        "Something happened that dpquery did not foresee. No data is shown, and a "
        "charge that was made stands.",
        "Please report it with the command you ran and the version from "
        "`dpquery --version`; leave out anything private.",
    ),
)

TOPICS: dict[str, Topic] = {topic.code: topic for topic in _TOPICS}
"""All codes, in the order of the numbers."""
