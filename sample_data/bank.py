"""The bank: monitoring of money laundering, whose privacy unit is one customer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from draw import HOME, Dice, Row, Weights, cents, codes, falling, fill, public

if TYPE_CHECKING:
    import duckdb

BANK = {
    "countries": "code VARCHAR NOT NULL, name VARCHAR NOT NULL, "
    "continent VARCHAR NOT NULL, listed BOOLEAN NOT NULL",
    "customers": "customer_id VARCHAR NOT NULL, segment VARCHAR, country VARCHAR, "
    "risk VARCHAR, opened_on DATE",
    "accounts": "account_id BIGINT NOT NULL, customer_id VARCHAR, kind VARCHAR, "
    "currency VARCHAR",
    "transfers": "transfer_id BIGINT NOT NULL, account_id BIGINT, "
    "amount DECIMAL(14,2), booked_at TIMESTAMP, country VARCHAR, channel VARCHAR, "
    "counterparty VARCHAR, alert BOOLEAN",
}
SEGMENTS = {
    "retail": 0.74,
    "student": 0.13,
    "private": 0.05,
    "sme": 0.07,
    "trust": 0.01,
}
BUSY = {"retail": 1.0, "student": 0.6, "private": 1.6, "sme": 6.0, "trust": 3.0}
MEDIAN_AMOUNT = {
    "retail": 62.0,
    "student": 28.0,
    "private": 640.0,
    "sme": 410.0,
    "trust": 5200.0,
}
RISKS = {"low": 0.86, "medium": 0.12, "high": 0.02}
KINDS = {"current": 0.62, "savings": 0.24, "card": 0.13, "custody": 0.01}
CURRENCIES = {"EUR": 0.93, "USD": 0.04, "GBP": 0.02, "CHF": 0.0099, "ISK": 0.0001}
CHANNELS = {"mobile": 0.44, "online": 0.3, "card": 0.18, "branch": 0.05, "cash": 0.03}
# fmt: off
HOURS = (
    1, 1, 1, 1, 1, 2, 5, 9, 14, 16, 16, 15, 17, 14, 13, 13, 14, 15, 13, 10, 7, 5, 3, 2,
)
# fmt: on
TRANSFERS = 60_000
REPORTING_THRESHOLD = 10_000  # euro of cash above which a bank must report
COUNTERPARTIES = (
    "Épicerie Müller",
    "Stadtwerke",
    "Łódź Handel",
    "Café Zénith",
    "Boulangerie Weber",
    "Señor Pérez e Hijos",
    "Çelik Tekstil",
    "Ångström Energi",
    "Žemė ir Ko",
    "Ørsted Kiosk",
    "Straßenbau Groß",
    "Naïve Records",
)


@dataclass
class Bank:
    """The private rows of the bank so far."""

    dice: Dice
    countries: Weights
    names: Weights
    customers: list[Row] = field(default_factory=list)
    accounts: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)

    def transfer(
        self,
        account: int | None,
        amount: Decimal,
        country: str,
        channel: str,
        *,
        alert: bool,
    ) -> None:
        """Add one transfer, at an hour when people are awake."""
        dice = self.dice
        day = dice.day(dt.date(2023, 1, 1), dt.date(2025, 12, 31))
        hour = dice.choices(range(24), HOURS)[0]
        time = dt.time(hour, dice.randrange(60), dice.randrange(60))
        self.transfers.append(
            (
                7_000_001 + len(self.transfers),
                account,
                dice.or_null(amount, 0.003),
                dice.or_null(dt.datetime.combine(day, time), 0.002),
                dice.or_null(country),
                dice.or_null(channel, 0.02),
                dice.or_null(dice.pick(self.names), 0.05),
                alert,
            )
        )


@dataclass(frozen=True)
class Account:
    """What an account's transfers depend on."""

    number: int
    segment: str
    risk: str
    activity: float
    structures: bool


def add_customer(bank: Bank, number: int) -> list[Account]:
    """Add one customer and their accounts; return what their transfers need."""
    dice = bank.dice
    customer = f"C{number:05}"
    segment, risk = dice.pick(SEGMENTS), dice.pick(RISKS)
    country = HOME if dice.chance(0.7) else dice.pick(bank.countries)
    opened = dice.day(dt.date(1985, 1, 1), dt.date(2025, 6, 30))
    known = (dice.or_null(segment, 0.006), dice.or_null(country), dice.or_null(risk))
    bank.customers.append((customer, *known, dice.or_null(opened, 0.008)))
    structures = dice.chance(0.008)
    accounts = []
    for _ in range(1 + int(dice.heavy(2.2, 9) * 0.55)):
        account = add_account(bank, customer)
        activity = dice.heavy(1.1, 300) * BUSY[segment]
        accounts.append(Account(account, segment, risk, activity, structures))
    return accounts


def add_account(bank: Bank, customer: str | None) -> int:
    """Add one account and return its id."""
    dice = bank.dice
    number = 30_001 + len(bank.accounts)
    currency = dice.or_null(dice.pick(CURRENCIES), 0.004)
    bank.accounts.append((number, customer, dice.pick(KINDS), currency))
    return number


def add_transfers(bank: Bank, account: Account, listed: set[str], count: int) -> None:
    """Add the transfers of one account; alerts follow what monitoring looks for."""
    dice = bank.dice
    for _ in range(count):
        if account.structures and dice.chance(0.25):  # cash just below the threshold
            amount = cents(REPORTING_THRESHOLD - dice.uniform(20, 900))
            bank.transfer(account.number, amount, HOME, "cash", alert=dice.chance(0.3))
            continue
        abroad = 0.35 if account.risk == "high" else 0.12
        country = dice.pick(bank.countries) if dice.chance(abroad) else HOME
        amount = dice.money(MEDIAN_AMOUNT[account.segment], 1.5)
        suspicion = 0.008 + 0.03 * (account.risk == "high") + 0.09 * (country in listed)
        suspicion += 0.05 * (amount > REPORTING_THRESHOLD)
        channel, alert = dice.pick(CHANNELS), dice.chance(suspicion)
        bank.transfer(account.number, amount, country, channel, alert=alert)


def add_oddities(bank: Bank) -> None:
    """Add what reconciliation never finished."""
    for number in range(6):  # internal accounts, without an owner
        account = add_account(bank, None)
        for _ in range(4 + number):
            bank.transfer(account, Decimal("1000.00"), HOME, "branch", alert=False)
    for number in range(8):  # owners who are not in customers: closed, not archived
        account = add_account(bank, f"X{number:05}")
        bank.transfer(account, Decimal("250.00"), HOME, "online", alert=False)
    for lost in (*range(1, 15), None):  # transfers of accounts that do not exist
        bank.transfer(lost, Decimal("75.50"), "DE", "online", alert=lost == 1)
    account = 30_001
    bank.transfer(account, Decimal("98000000.00"), "KP", "branch", alert=True)
    bank.transfer(account, Decimal("-98000000.00"), HOME, "branch", alert=False)
    bank.transfer(account, Decimal("12.00"), "YU", "telex", alert=False)  # no such code
    bank.customers.append(("C90001", "trust", "TV", "pep", dt.date(1899, 12, 31)))


def make(database: duckdb.DuckDBPyConnection) -> None:
    """Fill the bank's database."""
    countries = public("countries", ("code", "name", "continent", "listed"))
    listed = {str(code) for code, _, _, flag in countries if flag == "true"}
    names = [f"{name} {n}" for n in range(1, 31) for name in COUNTERPARTIES]
    abroad = [code for code in codes("countries") if code != HOME]
    bank = Bank(Dice(1989), falling(abroad, 1.05), falling(names, 1.3))
    accounts = [a for number in range(1, 5001) for a in add_customer(bank, number)]
    total = sum(account.activity for account in accounts)
    for account in accounts:
        count = round(TRANSFERS * account.activity / total)
        add_transfers(bank, account, listed, count)
    add_oddities(bank)
    tables = {
        "countries": countries,
        "customers": bank.customers,
        "accounts": bank.accounts,
        "transfers": bank.transfers,
    }
    fill(database, BANK, tables)
