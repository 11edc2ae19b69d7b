"""Every code that is raised is explained, and every explanation is of a code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from dpquery import errors
from dpquery.errors.codes import TOPICS

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"(?:DPQ|P)\d{3}")
DEFAULTS = {
    kind.default_code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.DPQueryError)
}


@cache
def codes_in_the_product() -> dict[str, set[str]]:
    """Return each code that is written as a constant, with the files it is in."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "dpquery").rglob("*.py")):
        if path.is_relative_to(ROOT / "dpquery/errors/codes"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and CODE.fullmatch(value):
                found.setdefault(value, set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_every_code_has_a_topic() -> None:
    assert sorted(codes_in_the_product().keys() - TOPICS.keys()) == []


def test_every_topic_is_of_a_code() -> None:
    assert sorted(TOPICS.keys() - codes_in_the_product().keys()) == []


def test_a_code_of_the_command_line_means_one_thing() -> None:
    """DPQ401 is about epsilon wherever it is given; others have one owner."""
    shared = {
        code: files
        for code, files in codes_in_the_product().items()
        if "400" < code[3:] < "500" and len({name.split("/")[1] for name in files}) > 1
    }
    assert set(shared) <= {"DPQ401", "DPQ403"}, shared


def test_defaults_are_the_round_codes() -> None:
    assert {
        *("DPQ001", "DPQ100", "DPQ200", "DPQ250", "DPQ300", "DPQ400", "DPQ500"),
        *("DPQ550", "DPQ600", "DPQ999"),
    } == DEFAULTS


@pytest.mark.parametrize("code", TOPICS)
def test_topics_read_well(code: str) -> None:
    topic = TOPICS[code]
    assert topic.code == code
    assert list(TOPICS) == sorted(TOPICS)
    assert not topic.title.endswith(".")
    assert len(topic.title) <= 60
    for text in (topic.meaning, topic.remedy):
        assert text.strip() == text
        assert "  " not in text
        assert text.isprintable()
        assert 10 < len(text) < 600
    assert topic.meaning.endswith(".")


def test_titles_tell_topics_apart() -> None:
    assert len({topic.title for topic in TOPICS.values()}) == len(TOPICS)
