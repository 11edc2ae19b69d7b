"""The verb that measures how large units are: profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli.options import (
    AnalystOption,
    ColourOption,
    FormatOption,
    OutputOption,
    PolicyOption,
    open_service,
    target,
)
from dpquery.cli.render import PEOPLE, Format, Sheet
from dpquery.cli.talk import Colour, number, say

if TYPE_CHECKING:
    from dpquery.results import Cell, Profile, SizeHistogram

SHORT = PEOPLE | {Format.MARKDOWN}
"""Formats for people, markdown too."""
STANDS_OUT = 4.0
"""Deviations of noise above which a bin hardly is noise alone."""


def profile(
    of: Annotated[
        str, typer.Argument(metavar="TABLE|SQL", help="A table, or one SELECT.")
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the price; charge nothing.")
    ] = False,
    policy: PolicyOption = None,
    analyst: AnalystOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Measure how large single units are, once, so that limits fit them.

    Noisy histograms of rows and sums per unit. Later queries choose from them, for
    nothing, where to clip: less noise, and no bounds to declare. Without --as the
    owner measures for everybody and the dataset pays alone.
    """
    where = target(form, output, color)
    with open_service(policy) as service, where.open() as write:
        if analyst is None:
            found = service.profile(of, dry_run=dry_run)
        else:
            with service.session(analyst) as session:
                found = session.profile(of, dry_run=dry_run)
        sheet = _sheet(found, where.form)
        if sheet.rows or not dry_run:
            write(sheet)
    cost = f"ε {number(found.price.epsilon)}"
    if dry_run:
        say(f"price   {cost}; nothing was charged")
    elif found.price.epsilon == 0:
        say("price   nothing: it was measured before")
    else:
        say(f"price   {cost}")
    for note in found.price.notes:
        say(f"note    {note}")


def _sheet(found: Profile, form: Format) -> Sheet:
    """
    Lay out the bins up to the highest that is surely not empty.

    For people, those below the first that stands out of the noise are left out.
    """
    rows: list[tuple[Cell, ...]] = []
    for each in found.histograms:
        first = _first(each) if form in SHORT else 0
        deviation = float(f"{each.deviation:.3g}") if form in SHORT else each.deviation
        rows += [
            (each.size_of, up_to, round(units), deviation)
            for up_to, units in list(zip(each.up_to, each.units, strict=True))[first:]
            if each.highest is not None and up_to <= each.highest
        ]
    return Sheet(("size_of", "up_to", "units", "deviation"), rows)


def _first(histogram: SizeHistogram) -> int:
    """Return the first bin that is hardly noise alone."""
    least = STANDS_OUT * histogram.deviation
    found = [at for at, units in enumerate(histogram.units) if units > least]
    return found[0] if found else 0
