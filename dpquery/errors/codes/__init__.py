"""What each error code means and what to do about it: the text of `dpquery docs`."""

from __future__ import annotations

from dpquery.errors.codes import advice, backend, budget, policy, query, setting
from dpquery.errors.codes.topic import Topic

TOPICS: dict[str, Topic] = {
    topic.code: topic
    for part in (query, budget, policy, setting, backend, advice)
    for topic in part.TOPICS
}
"""All codes, in the order of the numbers; advice (P…) comes last."""

__all__ = ["TOPICS", "Topic"]
