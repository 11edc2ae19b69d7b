"""Wrong policies: each gets a code, its exact place, a caret and a hint."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dpquery.errors import PolicyError
from dpquery.errors.codes import TOPICS
from dpquery.policy.load import load, problems

Write = Callable[[str], Path]

EPOCHS = (
    "epochs: {column: visits.seen, every: month, privacy: unit-epoch, "
    "budget: {epsilon: 1, delta: 1e-6}}"
)


def epochs(old: str, new: str) -> tuple[str, str]:
    """Add blocks in time to the good policy, with *new* in place of *old*."""
    assert old in EPOCHS
    return "name: clinic", "name: x\n" + EPOCHS.replace(old, new, 1)


# The mark ¦ stands where the caret must point; it is removed before the file is read.
CASES = {
    # --- not YAML, or not the part of it that policies use
    "an open bracket": ("[female, male, null]", "[female, male¦}", "DPQ303"),
    "a tab": ("  alice: {epsilon: 3}", "¦\talice: {epsilon: 3}", "DPQ303"),
    "two colons": ("privacy_unit: patient\n", "privacy_unit: a¦: b\n", "DPQ303"),
    "an unknown escape": ("name: clinic", 'name: "a\\¦q"', "DPQ303"),
    "a monstrous escape": ("name: clinic", 'name: "\\U¦FFFFFFFF"', "DPQ303"),
    "a NUL": ("name: clinic", "name: a¦\0", "DPQ303"),
    "an anchor": ("budget: {", "budget: ¦&b {", "DPQ304"),
    "an alias": ("query: {epsilon: 0.2, max_epsilon: 1.5}", "query: ¦*b", "DPQ304"),
    "a tag": ("name: clinic", "name: ¦!!str clinic", "DPQ304"),
    "a python tag": ("name: clinic", "name: ¦!!python/name:os.system", "DPQ304"),
    "a second document": ("query: {", "¦--- {a: b}\n--- {", "DPQ304"),
    "a list as key": ("name: clinic", "? ¦[a]\n: b", "DPQ304"),
    "an empty key": ("name: clinic", "name: clinic\n¦'': b", "DPQ304"),
    "a lone surrogate": ("name: clinic", 'name: ¦"\\ud800"', "DPQ313"),
    # --- keys
    "a key twice": ("key: visit_id", "key: visit_id\n    ¦key: visit_id", "DPQ305"),
    "a table twice": ("  regions: {", "  ¦visits: {", "DPQ305"),
    "a table twice in SQL": ("  regions: {", "  ¦Visits: {", "DPQ305"),
    "a column twice in SQL": ("      ward:", "      ¦COST:", "DPQ305"),
    "an alias beside its meaning": (
        "delta: 1e-6}", "delta: 1e-6, ¦delta_budget: 1e-6}", "DPQ305",
    ),
    "an unknown top key": ("name: clinic", "name: clinic\n¦owner: me", "DPQ310"),
    "a misspelled key": ("key: visit_id", "¦kye: visit_id", "DPQ310"),
    "an unknown column key": ("{bounds: [0, 1]}", "{¦bound: [0, 1]}", "DPQ310"),
    "an unknown budget key": ("budget: {", "budget: {¦rho: 1, ", "DPQ310"),
    "an unknown analyst key": ("alice: {", "alice: {¦role: x, ", "DPQ310"),
    "a merge key": ("alice: {", "alice: {¦<<: {epsilon: 1}, ", "DPQ310"),
    "no name": ("# a policy for tests\nversion: 1\nname: clinic\n", "¦version: 1\n",
                "DPQ311"),
    "no budget": ("version: 1", "¦version: 1", "DPQ311",
                  "budget: {epsilon: 8, delta: 1e-6}\n"),
    "no epsilon": ("budget: {epsilon: 8,", "¦budget: {", "DPQ311"),
    "no owner": ("  regions: {public: true}", "  ¦regions: {}", "DPQ311"),
    "not public, so whose": ("regions: {public: true}", "¦regions: {public: false}",
                             "DPQ311"),
    "no source": ("source: {duckdb: data/clinic.duckdb}", "¦source: {}", "DPQ311"),
    "a blank": ("bounds: [0, 1]", "¦bounds: ", "DPQ311"),
    "a blank delta": ("delta: 1e-6", "¦delta: ", "DPQ311"),
    "a view of a table's name": ("name: clinic", "name: x\nviews: {¦visits: SELECT 1}",
                                 "DPQ305"),
    "... in other letters": ("name: clinic", "name: x\nviews: {¦VISITS: SELECT 1}",
                             "DPQ305"),
    "a view twice in SQL": ("name: clinic", "name: x\nviews: {a: SELECT 1, ¦A: b}",
                            "DPQ305"),
    "a view twice": ("name: clinic", "name: x\nviews:\n  a: b\n  ¦a: b", "DPQ305"),
    "no views": ("name: clinic", "name: x\n¦views:", "DPQ311"),
    # --- kinds
    "views as a list": ("name: clinic", "name: x\nviews: ¦[SELECT 1]", "DPQ312"),
    "a blank view": ("name: clinic", "name: x\nviews:\n  ¦a:", "DPQ312"),
    "a number for a view": ("name: clinic", "name: x\nviews: {a: ¦5}", "DPQ312"),
    "a view with keys": ("name: clinic", "name: x\nviews: {¦a: {sql: b}}", "DPQ312"),
    "an empty table": ("regions: {public: true}", "¦regions:", "DPQ312"),
    "a list for a group": ("{epsilon: 3}", "¦[3]", "DPQ312"),
    "tables as a list": ("columns: {amount: {bounds: [0, 100]}}", "columns: ¦[amount]",
                         "DPQ312"),
    "text for a number": ("epsilon: 8", "epsilon: ¦eight", "DPQ312"),
    "a quoted number": ("epsilon: 8", "epsilon: ¦'8'", "DPQ312"),
    "an octal number": ("max_rows_per_unit: 50", "max_rows_per_unit: ¦017", "DPQ312"),
    "a number with underscores": ("epsilon: 8", "epsilon: ¦1_000", "DPQ312"),
    "a number in base 60": ("epsilon: 8", "epsilon: ¦1:00", "DPQ312"),
    "nan in letters": ("epsilon: 8", "epsilon: ¦nan", "DPQ312"),
    "true for a number": ("epsilon: 8", "epsilon: ¦true", "DPQ312"),
    "a date for a number": ("epsilon: 8", "epsilon: ¦2020-01-01", "DPQ312"),
    "yes for true": ("row_privacy: true", "row_privacy: ¦yes", "DPQ312"),
    "a number for text": ("privacy_unit: patient", "privacy_unit: ¦5", "DPQ312"),
    "half a row": ("max_rows_per_unit: 50", "max_rows_per_unit: ¦2.5", "DPQ312"),
    "one bound": ("[0, 1]}", "¦[0]}", "DPQ312"),
    "text as bound": ("[0, 1]}", "[0, ¦high]}", "DPQ312"),
    "a date and a number": ("[0, 1]}", "¦[0, 2020-01-01]}", "DPQ312"),
    "values of two kinds": ("[female, male, null]", "[female, ¦1, null]", "DPQ312"),
    "true is not 1": ("[female, male, null]", "[1, ¦true]", "DPQ312"),
    "a list of lists": ("[female, male, null]", "[female, ¦[male]]", "DPQ312"),
    # --- values
    "another version": ("version: 1", "version: ¦2", "DPQ313"),
    "a name with a slash": ("name: clinic", "name: ¦../clinic", "DPQ313"),
    "an infinite epsilon": ("epsilon: 8", "epsilon: ¦.inf", "DPQ313"),
    "epsilon not a number": ("epsilon: 8", "epsilon: ¦.NaN", "DPQ313"),
    "a zero epsilon": ("epsilon: 8", "epsilon: ¦0", "DPQ313"),
    "a negative epsilon": ("epsilon: 8", "epsilon: ¦-8", "DPQ313"),
    "a huge epsilon": ("epsilon: 8", "epsilon: ¦1e10", "DPQ313"),
    "silly precision": ("epsilon: 8", "epsilon: ¦1.0000000000001", "DPQ313"),
    "a number of a page": ("epsilon: 8", "epsilon: ¦" + "8" * 5000, "DPQ313"),
    "a zero delta": ("delta: 1e-6", "delta: ¦0", "DPQ313"),
    "delta one": ("delta: 1e-6", "delta: ¦1", "DPQ313"),
    "a negative delta": ("delta: 1e-6", "delta: ¦-1e-6", "DPQ313"),
    "a delta below the unit": ("delta: 1e-6", "delta: ¦1e-19", "DPQ313"),
    "bounds upside down": ("[0, 1]}", "¦[1, 0]}", "DPQ313"),
    "bounds of one point": ("[0, 1]}", "¦[1, 1]}", "DPQ313"),
    "dates upside down": (
        "[2020-01-01, 2026-12-31]", "¦[2026-12-31, 2020-01-01]", "DPQ313",
    ),
    "no such date": ("2020-01-01", "¦2020-02-30", "DPQ313"),
    "a bound too far": ("[0, 1]}", "[0, ¦1e31]}", "DPQ313"),
    "a zero grid": ("grid: 0.01", "grid: ¦0", "DPQ313"),
    "no values": ("[female, male, null]", "¦[]", "DPQ313"),
    "a value twice": ("[female, male, null]", "[female, ¦female]", "DPQ313"),
    "null twice": ("[female, male, null]", "[null, ¦~]", "DPQ313"),
    "no rows": ("max_rows_per_unit: 50", "max_rows_per_unit: ¦0", "DPQ313"),
    "empty text": ("privacy_unit: patient", "privacy_unit: ¦''", "DPQ313"),
    "two lines of text": ("privacy_unit: patient", 'privacy_unit: ¦"a\\nb"', "DPQ313"),
    "an analyst with a space": ("  bob: {", "  ¦bo b: {", "DPQ313"),
    "an analyst outside ASCII": ("  bob: {", "  ¦bób: {", "DPQ313"),
    "a table with a dot": ("  sensors: {", "  ¦main.sensors: {", "DPQ313"),
    "a reference without a dot": ("codes.code}", "¦codes}", "DPQ313"),
    "an unknown bounding": ("query: {", "query: {bounding: ¦clip, ", "DPQ313"),
    "memory with a space": ("name: clinic", "name: clinic\nlimits: {memory: ¦4 GB}",
                            "DPQ313"),
    "too many threads": ("name: clinic", "name: clinic\nlimits: {threads: ¦1000}",
                         "DPQ313"),
    "a file of another format": (
        "source: {duckdb: data/clinic.duckdb}", "source: {files: {visits: ¦v.xlsx}}",
        "DPQ313",
    ),
    "an empty view": ("name: clinic", "name: x\nviews: {a: ¦''}", "DPQ313"),
    "a view of blanks": ("name: clinic", "name: x\nviews:\n  a: ¦|\n\n", "DPQ313"),
    "a view with a bell": ("name: clinic", 'name: x\nviews: {a: ¦"b\\a"}', "DPQ313"),
    "a view of a schema": ("name: clinic", "name: x\nviews: {¦main.a: b}", "DPQ313"),
    "a view of a page": ("name: clinic", f"name: x\nviews: {{a: ¦{'é' * 8193}}}",
                         "DPQ313"),
    # --- versions, sharing, alerts, audit
    "a version that looks like a number": (
        "name: clinic", "name: x\ndata_version: ¦7", "DPQ312"),
    "a version that looks like a date": (
        "name: clinic", "name: x\ndata_version: ¦2026-11-01", "DPQ312"),
    "no text for a version": ("name: clinic", "name: x\ndata_version: ¦''", "DPQ313"),
    "a version of a page": (
        "name: clinic", f"name: x\ndata_version: ¦{'a' * 101}", "DPQ313"),
    "an unknown way to share": ("name: clinic", "name: x\nsharing: ¦closed", "DPQ313"),
    "a webhook of a file": (
        "name: clinic", "name: x\nalerts: {webhook: ¦'file:///etc/passwd'}", "DPQ313"),
    "a webhook of no host": (
        "name: clinic", "name: x\nalerts: {webhook: ¦'https:///x'}", "DPQ313"),
    "an alert at nothing": ("name: clinic", "name: x\nalerts: {at: [0.5, ¦0]}",
                            "DPQ313"),
    "an alert in per cent": ("name: clinic", "name: x\nalerts: {at: [¦80]}", "DPQ313"),
    "an alert twice": ("name: clinic", "name: x\nalerts: {at: [1, ¦1.0]}", "DPQ313"),
    "an alert in words": ("name: clinic", "name: x\nalerts: {at: [¦half]}", "DPQ312"),
    "one alert": ("name: clinic", "name: x\nalerts: {at: ¦0.5}", "DPQ312"),
    "no alerts": ("name: clinic", "name: x\nalerts: {at: ¦[]}", "DPQ313"),
    "alerts for nobody": ("name: clinic", "name: x\nalerts: {¦log: false}", "DPQ314"),
    "unknown audit": ("name: clinic", "name: x\naudit: {literals: ¦hash}", "DPQ313"),
    # --- budgets by the calendar
    "a refresh": ("budget: {", "budget: {¦refresh: month, ", "DPQ315"),
    "a period": ("budget: {", "budget: {¦period: 30d, ", "DPQ315"),
    "a renewal": ("alice: {", "alice: {¦renew: weekly, ", "DPQ315"),
    "every month": ("alice: {", "alice: {¦every: month, ", "DPQ315"),
    "a refresh at the top": ("name: clinic", "name: x\n¦budget_refresh: a", "DPQ315"),
    "a refresh of a block": (*epochs("{epsilon", "{¦refresh: x, epsilon"), "DPQ315"),
    # --- blocks in time
    "no date of a row": (*epochs("column: visits.seen, ", ""), "DPQ311", "¦epochs:"),
    "a block of an hour": (*epochs("every: month", "every: ¦hour"), "DPQ313"),
    "no unit of time": (*epochs("every: month, ", ""), "DPQ311", "¦epochs:"),
    "another privacy": (*epochs("privacy: unit-epoch", "privacy: ¦event"), "DPQ313"),
    "no budget of a block": (*epochs(", budget: {epsilon: 1, delta: 1e-6}", ""),
                             "DPQ311", "¦epochs:"),
    "a lifetime without a cap": (*epochs("unit-epoch", "¦unit-lifetime"), "DPQ311"),
    "a cap of an epoch": (*epochs("every: month", "every: day, ¦participation_cap: 4"),
                          "DPQ314"),
    "a cap of nothing": (
        *epochs("unit-epoch", "unit-lifetime, participation_cap: ¦0"), "DPQ313"),
    "blocks of no table": (*epochs("visits.seen", "¦visit.seen"), "DPQ320"),
    "blocks of no column": (*epochs("visits.seen", "¦visits.saw"), "DPQ320"),
    "blocks of a public table": (*epochs("visits.seen", "¦codes.code"), "DPQ322"),
    "blocks without bounds": (*epochs("visits.seen", "¦visits.ward"), "DPQ311"),
    "blocks of numbers": (*epochs("visits.seen", "¦visits.cost"), "DPQ314"),
    "a block without delta": (*epochs("budget: {epsilon: 1, delta: 1e-6}",
                                      "¦budget: {epsilon: 1}"), "DPQ311"),
    "a block with a delta": ("budget: {epsilon: 8, delta: 1e-6}",
                             EPOCHS.replace("1e-6", "¦1e-6")
                             + "\nbudget: {epsilon: 8}", "DPQ314"),
    # --- contradictions
    "two sources": ("{duckdb: data/clinic.duckdb}", "{duckdb: a, ¦files: {b: b.csv}}",
                    "DPQ314"),
    "public and private": ("row_privacy: true", "public: true, ¦row_privacy: true",
                           "DPQ314"),
    "two owners": ("row_privacy: true", "row_privacy: true, ¦privacy_unit_column: a",
                   "DPQ314"),
    "two lists of values": ("{values_from: regions.name}",
                            "{values: [a], ¦values_from: regions.name}", "DPQ314"),
    "a grid for dates": (", 2026-12-31]", ", 2026-12-31], ¦grid: 1", "DPQ314"),
    "a default above the limit": ("epsilon: 0.2,", "epsilon: ¦2,", "DPQ314"),
    # --- references
    "a reference to no table": ("visits.visit_id,", "¦visit.visit_id,", "DPQ320"),
    "a reference to no column": ("codes.code}", "¦codes.cod}", "DPQ320"),
    "values from no table": ("regions.name", "¦region.name", "DPQ320"),
    "values from no column": ("regions.name", "¦codes.name", "DPQ320"),
    "a table without a file": (
        "source: {duckdb: data/clinic.duckdb}",
        """source: {files: {patients: p.csv, visits: v.csv, drugs: d.CSV,
            codes: c.parquet, sensors: s.csv}}""",
        "DPQ320", "  ¦regions: {public",
    ),
    "a reference to itself": ("{visit_id: visits.visit_id,", "{drug: ¦drugs.drug,",
                              "DPQ321"),
    "a circle of two": (
        "    privacy_unit_column: patient_id\n    key: visit_id",
        "    references: {drug_id: ¦drugs.drug_id}", "DPQ321",
    ),
    "values from a private table": ("regions.name", "¦visits.ward", "DPQ322"),
    "a public table of a private one": (
        "regions: {public: true}",
        "regions: {public: true, references: {v: ¦visits.visit_id}}", "DPQ322",
    ),
    "two owners by reference": (
        "references: {visit_id: visits.visit_id,",
        "references: {p: patients.patient_id, visit_id: ¦visits.visit_id,", "DPQ322",
    ),
    "no owner by reference": ("references: {visit_id: visits.visit_id,",
                              "¦references: {", "DPQ322"),
}  # fmt: skip


def marked(good: str, old: str, new: str, extra: str = "") -> tuple[str, int, int]:
    """Edit the good policy; return it with the line and column of the mark."""
    assert good.count(old) == 1, f"{old!r} is not unique"
    text = good.replace(old, new)
    if "¦" in extra:  # the mark is elsewhere
        plain = extra.replace("¦", "")
        assert text.count(plain) == 1
        text = text.replace(plain, extra)
    elif extra:  # to be removed as well
        assert text.count(extra) == 1
        text = text.replace(extra, "")
    before = text[: text.index("¦")]
    line = before.count("\n") + 1
    return text.replace("¦", ""), line, len(before) - before.rfind("\n")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_wrong_file_is_refused_at_its_place(
    case: tuple[str, ...], good: str, write: Write
) -> None:
    old, new, code, *extra = case
    text, line, column = marked(good, old, new, *extra)
    path = write(text)
    with pytest.raises(PolicyError) as caught:
        load(path)
    error = caught.value
    assert (error.code, error.position) == (code, (line, column)), str(error)
    assert error.exit_status == 3
    assert error.place is not None
    assert error.place.file == str(path)
    lines = str(error).splitlines()
    assert f"{path}:{line}:{column}:" in lines[1]
    assert re.fullmatch(r" +\^+", lines[2])
    assert not re.search(r"Input should|pydantic|type=|Traceback|errors\.", str(error))
    assert problems(path)[0].to_dict()["code"] == code


def test_every_code_that_is_raised_has_a_topic() -> None:
    assert {case[2] for case in CASES.values()} < TOPICS.keys()
    assert {"DPQ300", "DPQ301", "DPQ302", "DPQ330", "DPQ333"} < TOPICS.keys()


def test_hints_name_what_was_probably_meant(good: str, write: Write) -> None:
    def hint(old: str, new: str) -> str:
        return problems(write(good.replace(old, new)))[0].hint or ""

    assert hint("key: visit_id", "kye: visit_id") == "did you mean `key`?"
    assert hint("visits.visit_id,", "visit.visit_id,") == "did you mean `visits`?"
    assert hint("codes.code}", "codes.titel}") == "did you mean `title`?"
    assert hint("name: clinic", "name: clinic\nzzz: 1").startswith("known keys here: ")
    assert hint("[0, 1]", "[1, 0]") == "swap them"


def test_a_refresh_is_refused_with_the_reason_and_the_way(
    good: str, write: Write
) -> None:
    path = write(good.replace("budget: {", "budget: {refresh: monthly, "))
    (error,) = problems(path)
    hint = error.hint or ""
    assert "is a rate of loss, not a limit" in hint
    assert "epochs: {column: TABLE.DATE, every: month" in hint


def test_a_misspelled_key_is_told_before_the_key_it_was_meant_to_be(
    good: str, write: Write
) -> None:
    path = write(good.replace("privacy_unit: patient", "privacy_uint: patient"))
    found = problems(path)
    assert [error.code for error in found] == ["DPQ310", "DPQ311"]
    assert found[0].hint == "did you mean `privacy_unit`?"


def test_all_problems_are_found_and_the_first_tells_how_many(
    good: str, write: Write
) -> None:
    text = good.replace("epsilon: 8", "epsilon: 0").replace("[0, 1]", "[1, 0]")
    path = write(text.replace("regions.name", "nowhere.name").replace("1.5", "x"))
    found = problems(path)
    # what refers to other parts is checked once every part is right
    assert [error.code for error in found] == ["DPQ313", "DPQ313", "DPQ312"]
    lines = [error.position for error in found if error.position is not None]
    assert lines == sorted(lines)
    assert len(lines) == 3
    with pytest.raises(PolicyError, match=r"\(and 2 more problems: see"):
        load(path)


def test_cross_references_are_all_found(good: str, write: Write) -> None:
    text = good.replace("regions.name", "nowhere.name").replace("codes.code", "a.b")
    assert [error.code for error in problems(write(text))] == ["DPQ320", "DPQ320"]


def test_files_that_cannot_be_read(tmp_path: Path, write: Write) -> None:
    large = write("#" + "x" * (1 << 20))
    for path in (tmp_path, tmp_path / "missing.yaml", tmp_path / "a\0b", large):
        with pytest.raises(PolicyError) as caught:
            load(path)
        assert caught.value.code == "DPQ301"
        assert caught.value.hint
        assert caught.value.position is None
        assert "Errno" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "position", "words"),
    [
        (b"name: caf\xe9\n", (1, 10), "not UTF-8"),
        ("# é\nname: ".encode() + b"\xff", (2, 7), "not UTF-8"),
        ("name: x\n".encode("utf-16"), (1, 1), "UTF-16"),
        (b"\xef\xbb\xbfname: \xc3\x28", (1, 7), "not UTF-8"),
        (b"name: \xed\xa0\x80", (1, 7), "not UTF-8"),
    ],
)
def test_other_encodings(
    tmp_path: Path, content: bytes, position: tuple[int, int], words: str
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    with pytest.raises(PolicyError, match=words) as caught:
        load(path)
    assert (caught.value.code, caught.value.position) == ("DPQ302", position)
    assert caught.value.hint == "save the file with the encoding UTF-8"


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "word\n", "null"])
def test_a_file_that_is_no_group_of_keys(text: str, write: Write) -> None:
    with pytest.raises(PolicyError, match="the policy must be a group of keys"):
        load(write(text))
