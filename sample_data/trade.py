"""Trade: customs declarations by good and country; the privacy unit is one firm."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING

from draw import DAY, HOME, Dice, Row, Weights, codes, falling, fill, public

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

TRADE = {
    "countries": "code VARCHAR NOT NULL, name VARCHAR NOT NULL, bloc VARCHAR NOT NULL",
    "goods": "code VARCHAR NOT NULL, chapter VARCHAR NOT NULL, "
    "section VARCHAR NOT NULL",
    "firms": "firm_id INTEGER NOT NULL, size VARCHAR, sector VARCHAR",
    "declarations": "declaration_id BIGINT NOT NULL, firm_id INTEGER, "
    "good_code VARCHAR, country VARCHAR, office VARCHAR, declared_on DATE, "
    "value_eur DECIMAL(14,2), weight_kg DOUBLE, direction VARCHAR",
}
DECLARATIONS = 40_000
SIZES = {"micro": 0.62, "small": 0.25, "medium": 0.1, "large": 0.03}
SIZE_FACTOR = {"micro": 1.0, "small": 2.5, "medium": 7.0, "large": 18.0}
SECTORS = {
    "wholesale": 0.44,
    "manufacturing": 0.27,
    "retail": 0.17,
    "transport": 0.06,
    "agriculture": 0.04,
    "other": 0.02,
}
# fmt: off
COMMON_GOODS = (
    "84", "85", "87", "39", "30", "27", "72", "73", "90", "94", "22",
    "44", "48", "62", "61", "29", "40", "33", "76", "04", "21", "95",
)
# fmt: on
RARE_GOODS = ("36", "43", "93", "97")
ABSENT_GOODS = ("46", "67")
OFFICES = {
    "Flughafen": 0.37,
    "Port-de-Mertert": 0.24,
    "Gare centrale": 0.18,
    "Autobahn Süd": 0.15,
    "Straße nach Łąkowo": 0.06,
    "Château de Vianden": 0.0001,
}
MONTHS = (0.9, 0.93, 1.08, 0.98, 1.02, 1.05, 0.97, 0.72, 1.08, 1.12, 1.1, 0.85)
PANDEMIC = {(2020, 3): 0.8, (2020, 4): 0.5, (2020, 5): 0.62, (2020, 6): 0.85}
YEARS = range(2019, 2026)


@dataclass
class Trade:
    """The private rows of the customs office so far, and what they are drawn from."""

    dice: Dice
    countries: Weights
    goods: Weights
    price_per_kg: Mapping[str, float]
    months: tuple[dt.date, ...]
    months_up_to: tuple[float, ...]
    firms: list[Row] = field(default_factory=list)
    declarations: list[Row] = field(default_factory=list)

    def declare(
        self, firm: int | None, good: str, country: str, value: Decimal, direction: str
    ) -> None:
        """Add one declaration; its weight follows from the value and the good."""
        dice = self.dice
        month = dice.choices(self.months, cum_weights=self.months_up_to)[0]
        price = self.price_per_kg[good] * dice.lognormvariate(0, 0.4)
        self.declarations.append(
            (
                200_001 + len(self.declarations),
                firm,
                dice.or_null(good, 0.004),
                dice.or_null(country, 0.006),
                dice.or_null(dice.pick(OFFICES), 0.02),
                dice.or_null(month + DAY * dice.randrange(28), 0.002),
                dice.or_null(value, 0.005),
                dice.or_null(round(float(value) / price, 1), 0.02),
                direction,
            )
        )


def add_firm(trade: Trade, firm: int) -> tuple[int, str, float]:
    """Add one firm; return its id, size and how much it trades."""
    dice = trade.dice
    size, sector = dice.pick(SIZES), dice.pick(SECTORS)
    trade.firms.append((firm, dice.or_null(size), dice.or_null(sector, 0.02)))
    return firm, size, dice.heavy(1.2, 60) * SIZE_FACTOR[size]


def add_declarations(trade: Trade, firm: int, size: str, count: int) -> None:
    """Add the declarations of one firm: few goods, few partners, again and again."""
    dice = trade.dice
    goods = [dice.pick(trade.goods) for _ in range(1 + int(dice.heavy(1.4, 8)))]
    partners = [dice.pick(trade.countries) for _ in range(1 + int(dice.heavy(1.1, 12)))]
    exports = dice.betavariate(0.6, 0.9)
    for _ in range(count):
        usual = dice.chance(0.92)
        good = dice.choice(goods) if usual else dice.pick(trade.goods)
        country = dice.choice(partners) if usual else dice.pick(trade.countries)
        direction = "export" if dice.chance(exports) else "import"
        value = dice.money(1800 * SIZE_FACTOR[size] ** 0.8, 1.3)
        trade.declare(firm, good, country, value, direction)


def add_oddities(trade: Trade) -> None:
    """Add private importers, unregistered firms, broken scales and an airliner."""
    dice = trade.dice
    for _ in range(30):  # private persons: no firm
        trade.declare(None, "62", "CN", dice.money(90, 0.5), "import")
    for firm in range(70_001, 70_011):  # foreign firms, not in the register
        trade.declare(firm, "87", "DE", dice.money(9000, 0.5), "import")
    price = Decimal("40000.00")
    for good in RARE_GOODS:  # one firm alone in its chapter
        trade.declare(11, good, "TV", price, "import")
    trade.declare(12, "88", "FR", Decimal("98000000.00"), "import")
    trade.declare(12, "88", "FR", Decimal("-98000000.00"), "import")  # its correction
    trade.declare(13, "84", "YU", price, "import")  # no such country any more
    for position, weight in enumerate((math.nan, math.nan, math.inf, -math.inf, -5.0)):
        *before, _, direction = trade.declarations[3000 * position]
        trade.declarations[3000 * position] = (*before, weight, direction)


def weigh_goods(dice: Dice) -> dict[str, float]:
    """Weigh the chapters: few are most of trade, the rare ones are added by hand."""
    others = {*COMMON_GOODS, *RARE_GOODS, *ABSENT_GOODS}
    rest = [code for code in codes("goods") if code not in others]
    dice.shuffle(rest)
    return falling([*COMMON_GOODS, *rest], 1.0)


def make(database: duckdb.DuckDBPyConnection) -> None:
    """Fill the customs office's database."""
    dice = Dice(1957)
    partners = [code for code in codes("countries") if code not in (HOME, "TV")]
    months = tuple(dt.date(year, month, 1) for year in YEARS for month in range(1, 13))
    busy = [MONTHS[m.month - 1] * PANDEMIC.get((m.year, m.month), 1) for m in months]
    price_per_kg = {code: dice.lognormvariate(1.8, 1.1) for code in codes("goods")}
    trade = Trade(
        dice,
        falling(partners, 1.2),
        weigh_goods(dice),
        price_per_kg,
        months,
        tuple(accumulate(busy)),
    )
    firms = [add_firm(trade, firm) for firm in range(1, 2001)]
    total = sum(activity for _, _, activity in firms)
    for firm, size, activity in firms:
        count = round(DECLARATIONS * activity / total)
        add_declarations(trade, firm, size, count)
    add_oddities(trade)
    tables = {
        "countries": public("countries", ("code", "name", "bloc")),
        "goods": public("goods", ("code", "chapter", "section")),
        "firms": trade.firms,
        "declarations": trade.declarations,
    }
    fill(database, TRADE, tables)
