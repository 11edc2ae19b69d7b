"""The owner's first verb: init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpquery.cli import talk
from dpquery.cli.options import ColourOption  # noqa: TC001 -- typer reads annotations
from dpquery.cli.output import to_stdout
from dpquery.cli.talk import Colour


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write it.")
    ] = Path(),
    *,
    stores: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="STORE",
            show_default=False,
            help="A DuckDB file, a .parquet or .csv file (repeat it for more), or a "
            "folder of these.",
        ),
    ] = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Write a first policy for your data, with blanks to fill.

    It is made from names, types, keys and comments; no value is taken from any row
    (CSV files declare no types: DuckDB tells them from all rows). Nothing is
    overwritten. Without --from, the tables are those of an example.
    """
    from dpquery.service.starting import start  # noqa: PLC0415 -- --help needs no data

    talk.choose_colour(color)
    started = start(stores or [], folder)
    to_stdout(f"{started.path}\n".encode())
    made = started.starter
    if stores and made.unit is not None:
        talk.say(f"guess   whom you protect: {talk.printable(made.unit)}; {made.why}")
    elif stores:
        talk.say(f"note    {made.why}: fill in privacy_unit")
    for each in made.left_out:
        talk.say(f"note    left out, as a policy cannot name it: {each}")
    talk.say(f"to do   fill the {made.blanks} blanks marked FILL IN, check each GUESS")
    talk.say(f"then    dpquery check {started.path}")
