"""
The one place that draws noise: OpenDP's discrete Gaussian and Laplace on integers.

Claim: nothing is drawn before ``confirmation`` agrees. The map that it judges by is
argued in OpenDP's proof documents for ``make_gaussian`` and ``make_laplace``; its
samplers are exact (Canonne-Kamath-Steinke 2020) and take coins from the operating
system only.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

from dpquery.noise.calibration import Additive, Law, float_up
from dpquery.noise.confirmation import confirm, finite, saturated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.accounting.loss import Loss


def measure(noise: Additive, values: Sequence[int], handed_out: Loss) -> list[int]:
    """
    Return *values* plus fresh *noise*, all in grid units.

    *values* is one vector: the noise's sensitivity covers all of its elements
    together. Results beyond 64 bits saturate, which is post-processing.

    Raises:
        CalibrationError: When the noise costs more than *handed_out*; before any draw.
        TypeError: For a value that is no integer; before any draw.
    """
    exact = saturated(values)
    measurement = _measurement(noise)
    confirm(_mapped(noise, measurement), handed_out)
    return list(measurement(exact))


def spent(noise: Additive) -> Loss:
    """
    Return what one use of *noise* costs by OpenDP's map, rounded up.

    Raises:
        CalibrationError: When the map is infinite: that would be no noise.
    """
    return _mapped(noise, _measurement(noise))


def _mapped(noise: Additive, measurement: Any) -> Loss:  # noqa: ANN401 -- OpenDP's
    """Return the loss by *measurement*'s own map at the noise's sensitivity."""
    # the map takes a float: from 2**53 on, the nearest may be below the sensitivity
    return finite(noise, measurement.map(float_up(noise.sensitivity)))


def _measurement(noise: Additive) -> Any:  # noqa: ANN401 -- OpenDP's
    """Return OpenDP's measurement for *noise*."""
    # 0.2 s of import that pricing does not need
    from opendp.measurements import make_gaussian, make_laplace  # noqa: PLC0415

    match noise.law:
        case Law.GAUSSIAN:
            return make_gaussian(*_space(noise.law), scale=noise.scale)
        case Law.LAPLACE:
            return make_laplace(*_space(noise.law), scale=noise.scale)
        case _:
            assert_never(noise.law)


@cache
def _space(law: Law) -> tuple[Any, Any]:
    """Return the domain and metric of *law*: 64-bit vectors, real distances."""
    from opendp.domains import atom_domain, vector_domain  # noqa: PLC0415
    from opendp.metrics import l1_distance, l2_distance  # noqa: PLC0415
    from opendp.mod import enable_features  # noqa: PLC0415

    enable_features("contrib")  # OpenDP's flag for what its own team has not vetted
    # OpenDP's default integer is 32 bits wide
    domain = vector_domain(atom_domain(T="i64"))
    match law:
        case Law.GAUSSIAN:
            return domain, l2_distance(T="f64")
        case Law.LAPLACE:
            return domain, l1_distance(T="f64")
        case _:
            assert_never(law)
