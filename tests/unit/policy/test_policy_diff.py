"""Two policies: every difference is told, as weaker, stronger or neutral."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from dpquery.policy import diff_reasons
from dpquery.policy.diff import _RULES, Difference, Effect, _rule, changes
from dpquery.policy.load import LoadedPolicy, load
from dpquery.policy.model import Analyst, Column, Policy, Table

Write = Callable[[str], Path]
Load = Callable[..., LoadedPolicy]

EPOCHS = (
    "\nepochs: {column: visits.seen, every: month, privacy: unit-epoch, "
    "budget: {epsilon: 1, delta: 1e-6}}"
)
LIFETIME = EPOCHS.replace("unit-epoch", "unit-lifetime, participation_cap: 3")

# Old text of the good policy, new text, what is said: effect, key, words of the reason.
REFERENCE = "    key: visit_id\n    references: {p: patients.patient_id}"
W, S, N = "weaker", "stronger", "neutral"
PAIRS = {
    # --- budgets
    "a larger epsilon": ("epsilon: 8", "epsilon: 9", (W, "budget.epsilon", "more may")),
    "a larger delta": ("delta: 1e-6", "delta: 2e-6", (W, "budget.delta", "is larger")),
    "no delta": (", delta: 1e-6", "", (S, "budget.delta", "pure; it needs a new")),
    "a larger quota": ("{epsilon: 3}", "{epsilon: 4}",
                       (W, "analysts.alice.epsilon", "may learn more")),
    "one more analyst": ("  bob:", "  carol: {epsilon: 1}\n  bob:",
                         (W, "analysts.carol", "one more person")),
    "a larger limit of one": ("query: 0.1", "query: 0.2",
                              (W, "analysts.bob.max_epsilon_per_query", "tell more")),
    "no limit of one": (", max_epsilon_per_query: 0.1", "",
                        (W, "analysts.bob.max_epsilon_per_query", "general limit")),
    "a larger limit of all": ("max_epsilon: 1.5", "max_epsilon: 2",
                              (W, "query.max_epsilon", "more at once")),
    "a larger default": ("{epsilon: 0.2", "{epsilon: 0.3",
                         (N, "query.epsilon", "when it does not say")),
    "a larger delta of one": ("query: {", "query: {delta: 1e-9, ",
                              (W, "query.delta", "is larger")),
    "other groups": ("query: {", "query: {max_groups_per_unit: 4, ",
                     (N, "query.max_groups_per_unit", "accuracy")),
    "larger groups": ("query: {", "query: {min_group_units: 4, ",
                      (S, "query.min_group_units", "more units")),
    "another bounding": ("query: {", "query: {bounding: truncate, ",
                         (N, "query.bounding", "accuracy")),
    # --- whom and what
    "another unit": ("unit: patient", "unit: visit", (W, "privacy_unit", "new ledger")),
    "the same unit": ("unit: patient", "unit: Patient", (N, "privacy_unit", "same")),
    "another owner": ("    privacy_unit_column: patient_id\n    key: visit_id",
                      "    privacy_unit_column: doctor_id\n    key: visit_id",
                      (W, "tables.visits.privacy_unit_column", "new ledger")),
    "rows in place of units": (
        "    privacy_unit_column: patient_id\n    key: visit_id",
        "    row_privacy: true\n    key: visit_id",
        (W, "tables.visits.row_privacy", "single rows"),
        (W, "tables.visits.privacy_unit_column", "single rows")),
    "an owner found elsewhere": (
        "    privacy_unit_column: patient_id\n    key: visit_id",
        "    references: {p: patients.patient_id}\n    key: visit_id",
        (W, "tables.visits.privacy_unit_column", "another way"),
        (W, "tables.visits.references.p", "another way")),
    "another way": ("{visit_id: visits.visit_id,", "{visit: visits.visit_id,",
                    (W, "tables.drugs.references.visit_id", "another way"),
                    (W, "tables.drugs.references.visit", "another way")),
    "a join more": ("    key: visit_id", REFERENCE,
                    (N, "tables.visits.references.p", "stays the same")),
    "a public table": ("{row_privacy: true", "{public: true",
                       (W, "tables.sensors.public", "shown exactly"),
                       (N, "tables.sensors.row_privacy", "goes with")),
    "a table more": ("  regions:", "  more: {public: true}\n  regions:",
                     (W, "tables.more", "did not exist")),
    "a column more": ("      ward:", "      nurse:\n      ward:",
                      (W, "tables.visits.columns.nurse", "did not exist")),
    "all columns": (", columns: {code: {}, title: {}}", "",
                    (W, "tables.codes.columns", "not listed")),
    "a table in capitals": ("  regions: {", "  REGIONS: {"),
    "an analyst in capitals": ("  alice:", "  Alice:",
                               (W, "analysts.Alice", "one more"),
                               (S, "analysts.alice", "no longer")),
    # --- columns
    "wider bounds": ("[1900, 2026]", "[1800, 2026]",
                     (N, "tables.patients.columns.born.bounds", "accuracy")),
    "no bounds": ("{bounds: [1900, 2026]}", "{}",
                  (N, "tables.patients.columns.born.bounds", "accuracy")),
    "another grid": ("grid: 0.01", "grid: 1",
                     (N, "tables.visits.columns.cost.grid", "accuracy")),
    "a key more": ("[female, male, null]", "[female, male, other, null]",
                   (W, "tables.patients.columns.sex.values", "not be taken from")),
    "keys in another order": ("[female, male, null]", "[male, female, null]",
                              (N, "tables.patients.columns.sex.values", "order")),
    "a list of keys": ("      ward:", "      ward: {values: [A]}",
                       (W, "tables.visits.columns.ward.values", "were not")),
    "another list": ("regions.name", "codes.title",
                     (W, "tables.patients.columns.region.values_from", "were not")),
    "no list": ("{values_from: regions.name}", "{}",
                (S, "tables.patients.columns.region.values_from", "withheld")),
    "a hint": ("max_rows_per_unit: 50", "max_rows_per_unit: 60",
               (N, "tables.visits.max_rows_per_unit", "never trusted")),
    "a key": ("    key: visit_id\n", "", (N, "tables.visits.key", "never trusted")),
    # --- the rest
    "blocks": ("delta: 1e-6}", "delta: 1e-6}" + EPOCHS, (W, "epochs", "no longer lim")),
    "limited blocks": ("delta: 1e-6}", "delta: 1e-6}" + LIFETIME,
                       (S, "epochs", "as well as the whole")),
    "isolated": ("name: clinic", "name: clinic\nsharing: isolated",
                 (S, "sharing", "only what they pay for")),
    "redacted": ("name: clinic", "name: clinic\naudit: {literals: redact}",
                 (S, "audit.literals", "no longer stored")),
    "alerts": ("name: clinic", "name: clinic\nalerts: {}", (N, "alerts", "alerts")),
    "a state of the data": ("name: clinic", "name: clinic\ndata_version: a",
                            (N, "data_version", "stays spent")),
    "a view": ("name: clinic", "name: clinic\nviews: {a: SELECT 1}",
               (N, "views.a", "its tables decide")),
    "other data": ("data/clinic.duckdb", "data/new.duckdb",
                   (N, "source.duckdb", "stays spent")),
    "another ledger": ("name: clinic", "name: clinic\nledger: new.ledger",
                       (W, "ledger", "two promises")),
    "another name": ("name: clinic", "name: ward", (W, "ledger", "two promises"),
                     (N, "name", "name")),
    "a reference in capitals": ("visits.visit_id,", "Visits.VISIT_ID,"),
    "a list in capitals": ("regions.name", "Regions.NAME"),
    "more time": ("name: clinic", "name: clinic\nlimits: {seconds: 5}",
                  (N, "limits.seconds", "machine")),
    "comments and layout": ("# a policy for tests\n", "\n\n"),
}  # fmt: skip

BLOCKS = {
    "larger blocks": ("month", "quarter", (W, "epochs.every", "new ledger")),
    "the same date": ("visits.seen", "Visits.SEEN"),
    "blocks of more": ("epsilon: 1,", "epsilon: 2,", (W, "epochs.budget.epsilon", "m")),
    "a cap": ("unit-epoch", "unit-lifetime, participation_cap: 3",
              (S, "epochs.privacy", "ever did"),
              (N, "epochs.participation_cap", "goes with")),
}  # fmt: skip

OPPOSITE = {W: S, S: W, N: N}


def told(old: LoadedPolicy, new: LoadedPolicy) -> list[tuple[str, str, str]]:
    return [(each.effect.value, each.where, each.reason)
            for each in changes(old.policy, new.policy)]  # fmt: skip


def agree(
    found: list[tuple[str, str, str]], expected: tuple[tuple[str, str, str], ...]
) -> None:
    assert [each[:2] for each in found] == [each[:2] for each in expected]
    for (_, _, reason), (_, _, words) in zip(found, expected, strict=True):
        assert words in reason


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_pairs(load_edited: Load, pair: tuple[str, str, tuple[str, str, str]]) -> None:
    old, new, *expected = pair
    agree(told(load_edited(), load_edited((old, new))), tuple(expected))


@pytest.mark.parametrize("pair", BLOCKS.values(), ids=BLOCKS.keys())
def test_pairs_of_blocks(
    load_edited: Load, pair: tuple[str, str, tuple[str, str, str]]
) -> None:
    old, new, *expected = pair
    before = load_edited(("delta: 1e-6}", "delta: 1e-6}" + EPOCHS))
    after = load_edited(("delta: 1e-6}", "delta: 1e-6}" + EPOCHS.replace(old, new, 1)))
    agree(told(before, after), tuple(expected))


ONE_WAY = {
    "another unit", "another owner", "rows in place of units", "another way",
    "an owner found elsewhere", "another list", "another ledger", "another name",
    "an analyst in capitals",
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_the_way_back_is_the_opposite(load_edited: Load, name: str) -> None:
    """... but for what is weaker in both directions: another promise."""
    old, new, *expected = PAIRS[name]
    back = {where: effect for effect, where, _ in
            told(load_edited((old, new)), load_edited())}  # fmt: skip
    for effect, where, _ in expected:
        found = next(back[key] for key in back if key.lower() == where.lower())
        if name in ONE_WAY and effect == W:
            assert found in {W, S}
        else:
            assert found == OPPOSITE[effect]


def leaves(
    model: type[BaseModel], at: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    for name in model.model_fields:
        yield (*at, name)


def test_every_key_of_the_language_has_a_rule() -> None:
    """What no rule knows counts as weaker, but nothing should."""
    known = {pattern[0] for pattern, _ in _RULES}
    assert {at[0] for at in leaves(Policy)} - known == {"version"}
    for part in ("source", "budget", "epochs", "query", "alerts", "audit", "limits"):
        kind = Policy.model_fields[part].annotation
        if kind is not None and not isinstance(kind, type):
            kind = next(each for each in kind.__args__ if each is not type(None))
        assert kind is not None
        keys = {pattern[1] for pattern, _ in _RULES if pattern[:1] == (part,)
                and len(pattern) > 1}  # fmt: skip
        assert keys == set(kind.model_fields)
    for cls, start in ((Table, 2), (Column, 4), (Analyst, 2)):
        top = {Table: "tables", Column: "tables", Analyst: "analysts"}[cls]
        keys = {pattern[start] for pattern, _ in _RULES if pattern[0] == top
                and len(pattern) > start}  # fmt: skip
        assert keys == set(cls.model_fields)


def test_reasons_are_sentences_that_are_used() -> None:
    source = Path(diff_reasons.__file__).with_name("diff.py").read_text("utf-8")
    for name, text in vars(diff_reasons).items():
        if name.isupper():
            assert f"why.{name}" in source
            assert text[0].islower() or text[0] == "`"
            assert not text.endswith(".")


def test_what_is_unknown_is_weaker() -> None:
    effect, _ = _rule(("budget", "rho"))(Difference((), 1, 2), None, None)  # type: ignore[arg-type]
    assert effect is Effect.WEAKER


def test_the_sample_against_itself() -> None:
    root = Path(__file__).parents[3] / "policies"
    for path in root.glob("*.yaml"):
        policy = load(path).policy
        assert changes(policy, policy) == []
    assert changes(load(root / "bank.yaml").policy, load(root / "trade.yaml").policy)
