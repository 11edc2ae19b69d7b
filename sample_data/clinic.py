"""The clinic: a breast-screening programme, whose privacy unit is one patient."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from draw import DAY, Dice, Row, Weights, fill, public

if TYPE_CHECKING:
    import duckdb

CLINIC = {
    "regions": "name VARCHAR NOT NULL, population INTEGER NOT NULL, "
    "urban BOOLEAN NOT NULL",
    "patients": "patient_id INTEGER NOT NULL, sex VARCHAR, birth_year INTEGER, "
    "region VARCHAR",
    "visits": "visit_id BIGINT NOT NULL, patient_id INTEGER, ward VARCHAR, "
    "visited_on DATE, cost DECIMAL(10,2), emergency BOOLEAN",
    "mammograms": "mammogram_id BIGINT NOT NULL, visit_id BIGINT, finding VARCHAR, "
    "birads INTEGER, density VARCHAR, dose_mgy DOUBLE, recalled BOOLEAN",
    "biopsies": "biopsy_id BIGINT NOT NULL, mammogram_id BIGINT, taken_on DATE, "
    "result VARCHAR, size_mm DOUBLE",
}
SEXES = {"female": 0.945, "male": 0.05, "other": 0.005}
WARDS = {
    "General medicine": 0.34,
    "Gynäkologie": 0.22,
    "Orthopaedics": 0.14,
    "Cardiology": 0.12,
    "Emergency": 0.11,
    "Dermatology": 0.05,
    "Hématologie": 0.018,
    "Palliative care": 0.002,
}
SCREENING_WARDS = {"Screening": 0.8, "Mobile screening": 0.2}
ATTENDANCE = {"0.1": 0.3, "0.6": 0.28, "0.92": 0.42}
DENSITIES = {"A": 0.12, "B": 0.42, "C": 0.37, "D": 0.09}
HEALTHY = {"none": 0.62, "cyst": 0.25, "calcification": 0.13}
SUSPICIOUS = {"mass": 0.45, "asymmetry": 0.3, "calcification": 0.2, "distortion": 0.05}
BIRADS_IF_CLEAR = {"1": 0.64, "2": 0.352, "3": 0.008}
BIRADS_IF_RECALLED = {"0": 0.83, "3": 0.05, "4": 0.12}
BIRADS_IF_CANCER = {"0": 0.4, "4": 0.35, "5": 0.25}
FIRST_DAY, LAST_DAY = dt.date(2016, 1, 1), dt.date(2025, 12, 31)
SCREENED_AGES = range(50, 75)
FIRST_AGES = range(50, 52)


@dataclass
class Clinic:
    """The private rows of the clinic so far."""

    dice: Dice
    patients: list[Row] = field(default_factory=list)
    visits: list[Row] = field(default_factory=list)
    mammograms: list[Row] = field(default_factory=list)
    biopsies: list[Row] = field(default_factory=list)

    def visit(self, patient: int | None, ward: str, day: dt.date, cost: Decimal) -> int:
        """Add one visit and return its id."""
        number = 100_001 + len(self.visits)
        emergency = ward == "Emergency" or self.dice.chance(0.02)
        known_emergency = self.dice.or_null(emergency, 0.005)
        known_cost = self.dice.or_null(cost, 0.02)
        known_ward = self.dice.or_null(ward, 0.004)
        known_day = self.dice.or_null(day, 0.003)
        self.visits.append(
            (number, patient, known_ward, known_day, known_cost, known_emergency)
        )
        return number

    def mammogram(
        self, visit: int | None, finding: str, birads: str, *, recalled: bool
    ) -> int:
        """Add one mammogram of *visit* and return its id."""
        number = 500_001 + len(self.mammograms)
        dose = round(self.dice.lognormvariate(math.log(2.9), 0.3), 3)
        self.mammograms.append(
            (
                number,
                visit,
                self.dice.or_null(finding, 0.004),
                self.dice.or_null(int(birads), 0.006),
                self.dice.or_null(self.dice.pick(DENSITIES), 0.03),
                self.dice.or_null(dose, 0.015),
                recalled,
            )
        )
        return number

    def biopsy(self, mammogram: int, day: dt.date, result: str | None) -> None:
        """Add one biopsy that *mammogram* led to."""
        size = round(self.dice.lognormvariate(math.log(14), 0.5), 1)
        known_size = self.dice.or_null(size, 0.08)
        number = 900_001 + len(self.biopsies)
        self.biopsies.append((number, mammogram, day, result, known_size))


def add_patient(clinic: Clinic, patient: int, regions: Weights) -> None:
    """Add one patient and everything that happens to them."""
    dice = clinic.dice
    sex = dice.pick(SEXES)
    old = dice.normalvariate(1959, 8) if dice.chance(0.75) else dice.uniform(1928, 2007)
    born = min(int(old), 2007)
    region = dice.or_null(dice.pick(regions))
    known = (dice.or_null(sex, 0.004), dice.or_null(born, 0.003), region)
    clinic.patients.append((patient, *known))
    for _ in range(int(dice.heavy(1.2, 110)) - 1):
        cost = dice.money(140, 0.9)
        clinic.visit(patient, dice.pick(WARDS), any_day(dice), cost)
    if sex != "male":
        add_screening(clinic, patient, born)


def any_day(dice: Dice) -> dt.date:
    """Draw a day in the years on record."""
    return dice.day(FIRST_DAY, LAST_DAY)


def add_screening(clinic: Clinic, patient: int, born: int) -> None:
    """Invite every second year between 50 and 74, until a cancer is found."""
    dice = clinic.dice
    attendance = float(dice.pick(ATTENDANCE))
    for year in range(FIRST_DAY.year, LAST_DAY.year + 1):
        age = year - born
        due = age in SCREENED_AGES and (year - born) % 2 == 0
        if not due or not dice.chance(attendance):
            continue
        day = dice.day(dt.date(year, 1, 8), dt.date(year, 12, 20))
        visit = clinic.visit(
            patient, dice.pick(SCREENING_WARDS), day, dice.money(95, 0.12)
        )
        # detection grows with age: about 0.35 % at 50, 0.8 % at 74
        if dice.chance(0.0035 + 0.0002 * (age - 50)):
            add_cancer(clinic, patient, visit, day)
            return
        add_all_clear(clinic, visit, day, first=age in FIRST_AGES)


def add_all_clear(clinic: Clinic, visit: int, day: dt.date, *, first: bool) -> None:
    """Read a mammogram without cancer: a few are recalled, more on a first visit."""
    dice = clinic.dice
    if not dice.chance(0.062 if first else 0.028):
        finding, birads = dice.pick(HEALTHY), dice.pick(BIRADS_IF_CLEAR)
        clinic.mammogram(visit, finding, birads, recalled=False)
        return
    finding, birads = dice.pick(SUSPICIOUS), dice.pick(BIRADS_IF_RECALLED)
    mammogram = clinic.mammogram(visit, finding, birads, recalled=True)
    if dice.chance(0.3):
        taken = day + DAY * dice.randrange(7, 40)
        clinic.biopsy(mammogram, taken, "benign" if dice.chance(0.9) else None)


def add_cancer(clinic: Clinic, patient: int, visit: int, day: dt.date) -> None:
    """Find a cancer, then treat it: these patients become heavy units."""
    dice = clinic.dice
    birads = dice.pick(BIRADS_IF_CANCER)
    mammogram = clinic.mammogram(visit, "cancer", birads, recalled=True)
    result = "in situ" if dice.chance(0.2) else "invasive"
    clinic.biopsy(mammogram, day + DAY * dice.randrange(5, 21), result)
    for round_ in range(dice.randrange(10, 40)):
        treated = day + DAY * (30 + 14 * round_ + dice.randrange(5))
        if treated > LAST_DAY:
            return
        visit = clinic.visit(patient, "Oncology", treated, dice.money(620, 0.8))
        if dice.chance(0.03):
            clinic.mammogram(visit, "cancer", "6", recalled=False)


def add_oddities(clinic: Clinic) -> None:
    """Add what a real extract holds and its documentation does not mention."""
    dice = clinic.dice
    day, price = dt.date(2024, 5, 6), Decimal("120.00")
    clinic.patients.append((9001, "female", 1066, "Hauptstadt"))  # mistyped year
    clinic.patients.append((9002, "female", 2062, "Hauptstadt"))
    clinic.patients.append((9003, "female", 1961, "Altmark"))  # region no longer exists
    for _ in range(25):  # nobody wrote down whose visit it was
        visit = clinic.visit(None, "Screening", any_day(dice), price)
        clinic.mammogram(visit, "none", "1", recalled=False)
    for patient in range(8001, 8013):  # visits of patients who are not in patients
        visit = clinic.visit(patient, "Screening", any_day(dice), price)
        clinic.mammogram(visit, "none", "1", recalled=False)
    for lost in (*range(1, 9), None):  # mammograms of visits that do not exist
        clinic.mammogram(lost, "mass", "4", recalled=True)
    clinic.visit(17, "Tropical medicine", day, price)  # groups of one and two people
    clinic.visit(18, "Tropical medicine", day, price)
    clinic.visit(19, "Caisson hyperbare", day, price)
    clinic.visit(20, "Cardiology", day, Decimal("187450.00"))  # beyond the bounds
    clinic.visit(20, "Cardiology", day, Decimal("-187450.00"))
    clinic.visit(21, "Screening", dt.date(1970, 1, 1), price)  # the epoch, not a visit
    clinic.visit(22, "Screening", dt.date(2106, 2, 7), price)
    doses = (math.nan, math.nan, math.inf, -math.inf, -1.0, 9999.0)
    for position, dose in enumerate(doses):  # a broken dosimeter
        *before, _, recalled = clinic.mammograms[1000 * position]
        clinic.mammograms[1000 * position] = (*before, dose, recalled)


def make(database: duckdb.DuckDBPyConnection) -> None:
    """Fill the screening programme's database."""
    clinic = Clinic(Dice(1895))
    regions = public("regions", ("name", "population", "urban"))
    weights = {str(name): float(str(people)) for name, people, _ in regions}
    for patient in range(1, 6001):
        add_patient(clinic, patient, weights)
    add_oddities(clinic)
    tables = {
        "regions": regions,
        "patients": clinic.patients,
        "visits": clinic.visits,
        "mammograms": clinic.mammograms,
        "biopsies": clinic.biopsies,
    }
    fill(database, CLINIC, tables)
