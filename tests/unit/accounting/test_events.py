"""Events survive storage exactly; what is not understood is not guessed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.accounting.events import (
    ExponentialMechanism,
    GaussianNoise,
    LaplaceNoise,
    PermuteAndFlip,
    Withholding,
    from_json,
    to_json,
)

if TYPE_CHECKING:
    from dpquery.accounting.events import Event

POSITIVE = st.floats(5e-324, allow_infinity=False)
EVENTS = st.lists(
    st.one_of(
        st.builds(GaussianNoise, POSITIVE, POSITIVE),
        st.builds(LaplaceNoise, POSITIVE, POSITIVE),
        st.builds(ExponentialMechanism, st.integers(0) | POSITIVE, POSITIVE),
        st.builds(PermuteAndFlip, st.integers(0) | POSITIVE, POSITIVE),
        st.builds(Withholding, st.floats(0, 1, exclude_max=True)),
    )
)


@given(EVENTS)
def test_events_come_back_as_they_were(events: list[Event]) -> None:
    assert from_json(to_json(events)) == tuple(events)


def test_the_stored_form_never_changes() -> None:
    events = [
        GaussianNoise(1.0, 2.5),
        LaplaceNoise(3.0, 0.1),
        Withholding(1e-10),
        ExponentialMechanism(38, 268.5),
        PermuteAndFlip(2, 40.0),
    ]
    assert to_json(events) == (
        '[{"event":"gaussian_noise","sensitivity":1.0,"scale":2.5},'
        '{"event":"laplace_noise","sensitivity":3.0,"scale":0.1},'
        '{"event":"withholding","delta":1e-10},'
        '{"event":"exponential_mechanism","sensitivity":38,"scale":268.5},'
        '{"event":"permute_and_flip","sensitivity":2,"scale":40.0}]'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "[[]]",
        '[{"delta":1e-10}]',
        '[{"event":"noise_of_tomorrow","scale":1.0}]',
        '[{"event":["withholding"],"delta":1e-10}]',
        '[{"event":"withholding"}]',
        '[{"event":"withholding","delta":1e-10,"more":1}]',
        '[{"event":"withholding","delta":true}]',
        '[{"event":"withholding","delta":"0"}]',
        '[{"event":"withholding","delta":NaN}]',
        '[{"event":"withholding","delta":1}]',
        '[{"event":"gaussian_noise","sensitivity":1.0,"scale":Infinity}]',
        '[{"event":"gaussian_noise","sensitivity":1.0,"scale":1e999}]',
        '[{"event":"gaussian_noise","sensitivity":1.0,"scale":0.0}]',
        '[{"event":"laplace_noise","sensitivity":-1.0,"scale":1.0}]',
        '[{"event":"exponential_mechanism","sensitivity":-1,"scale":1.0}]',
        '[{"event":"permute_and_flip","sensitivity":1,"scale":0}]',
        '[{"event":"permute_and_flip","sensitivity":1,"scale":1.0,"delta":0}]',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, True, "1", None], ids=repr)
def test_parameters_that_describe_no_noise_are_refused(bad: float) -> None:
    for kind in (GaussianNoise, LaplaceNoise, ExponentialMechanism, PermuteAndFlip):
        with pytest.raises(ValueError, match="sensitivity"):
            kind(bad, 1.0)
        with pytest.raises(ValueError, match="scale"):
            kind(1.0, bad)
    with pytest.raises(ValueError, match="scale"):
        GaussianNoise(1.0, 0.0)
    with pytest.raises(ValueError, match="delta"):
        Withholding(bad)
