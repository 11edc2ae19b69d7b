"""Random questions: everything that the binder accepts, on the tables of ``clinic``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clinic import NAMES

if TYPE_CHECKING:
    from .choices import Choices

_PUBLIC = ("regions", "codes")
_FIRST = (
    *("people", "people", "visits", "visits", "visits", "visits"),
    *("bills", "bills", "exams", "exams", "findings", "sensors"),
)
_TIES = (
    ("visits", "{0}.person = {1}.id", "people"),
    ("bills", "{0}.person = {1}.id", "people"),
    ("bills", "{0}.person = {1}.person", "visits"),
    ("bills", "{0}.person = {1}.person AND {0}.visit = {1}.visit", "visits"),
    ("exams", "{0}.visit = {1}.visit", "visits"),
    ("findings", "{0}.exam = {1}.exam", "exams"),
    ("exams", "{0}.visit = {1}.visit", "exams"),
    ("findings", "{0}.exam = {1}.exam", "findings"),
    ("visits", "{0}.person = {1}.person", "visits"),
)
"""Joins of private tables: along the owner's path, on the unit, to itself."""
_UNTIED = (
    ("bills", "{0}.visit = {1}.visit", "visits"),
    ("bills", "{0}.visit = {1}.visit", "exams"),
    ("people", "{0}.region = {1}.region", "people"),
    ("visits", "{0}.person = {1}.person OR {0}.urgent", "visits"),
)
"""Rows of two people: refused, or else the test sees it."""
_TO_PUBLIC = {
    "people": [("regions", "{0}.region = {1}.name"), ("regions", "{1}.area > 1")],
    "visits": [
        ("codes", "{0}.code = {1}.code"),
        ("codes", "{0}.stay <= {1}.code AND {1}.label IS NOT NULL"),
    ],
    "bills": [("regions", "{1}.land LIKE 'N%'")],
    "exams": [("codes", "{0}.dose BETWEEN 0 AND {1}.factor")],
    "findings": [("codes", "{0}.note = {1}.label")],
    "sensors": [("codes", "{0}.code = {1}.code"), ("codes", "{0}.reading < {1}.code")],
}

_BOUNDED = {
    "people": ["born", "score"],
    "visits": ["cost", "stay", "weight"],
    "bills": ["amount"],
    "exams": ["dose", "n"],
    "findings": ["size"],
    "sensors": ["reading"],
}
_WHOLE = {"visits": ["stay"], "people": ["born"], "exams": ["n"]}
_UNBOUNDED = {
    "people": ["id"],
    "visits": ["big", "visit"],
    "bills": ["visit"],
    "sensors": ["code"],
    "regions": ["area"],
    "codes": ["code", "factor"],
}
_TEXTS = {
    "people": ["sex", "region"],
    "visits": ["ward"],
    "exams": ["kind", "exam"],
    "findings": ["note"],
    "sensors": ["room"],
    "regions": ["name", "land"],
    "codes": ["label"],
}
_TIMES = {"visits": ["seen"], "bills": ["due"], "findings": ["taken"]}
_BOUNDED_TIMES = {"visits": ["seen"], "findings": ["taken"]}
_KEYS = {
    "people": ["sex", "born", "region"],
    "visits": ["ward", "urgent", "stay", "seen", "big"],
    "bills": ["due", "visit"],
    "exams": ["kind", "n"],
    "findings": ["note"],
    "sensors": ["room", "code"],
    "regions": ["name", "land", "area"],
    "codes": ["label", "code"],
}
_UNITS = {"people": "id", "visits": "person", "bills": "person"}
_UNIT_NAMES = ("second", "hour", "day", "week", "month", "quarter", "year")
_ROUNDING = ("ABS", "FLOOR", "CEIL", "ROUND", "SIGN", "-", "TRUNC")
_PARTS = ("month", "dayofweek", "day", "quarter", "week", "isodow", "dayofyear")
_SHAPES = (
    *("{}", "LOWER({})", "LEFT({}, 2)", "COALESCE({}, 'none')", "{} || 'ß'"),
    *("REVERSE({})", "REGEXP_REPLACE({}, '[ab]', 'x')", "LPAD({}, 3, '*')"),
    *("SPLIT_PART({}, 'a', 1)", "REPEAT({}, 2)", "CONCAT_WS('-', {}, 'x')"),
)
_OF_A_NUMBER = (
    *("SQRT(ABS({}))", "ROUND({}, -1)", "WIDTH_BUCKET({}, -2, 4, 3)", "EVEN({})"),
    *("EXP(LEAST({}, 3))", "ATAN({})", "({} ^ 2)", "CAST({} AS DECIMAL(10, 1))"),
    *("(CAST({} AS INTEGER) & 6)", "(CAST({} AS INTEGER) << 1)"),
)
_OF_A_TIME = (
    *(
        "DATE_DIFF('day', DATE '2020-02-25', {})",
        "DATE_SUB('week', {}, DATE '2020-03-01')",
    ),
    *("DATE_DIFF('hour', {}, DATE '2020-03-01')", "ISOYEAR({})", "DAYS_IN_MONTH({})"),
    *("EXTRACT(day FROM {} + INTERVAL 20 DAY)", "YEAR({} - INTERVAL 1 MONTH)"),
)
_OF_A_TEXT = (
    *("LEVENSHTEIN({}, 'abc')", "LENGTH(LEFT({}, 3))", "ASCII({})"),
    *("JARO_SIMILARITY({}, 'abc')", "LEAST(STRPOS({}, 'a'), 3)"),
)
_OF_TEXTS = (
    *("REGEXP_MATCHES({}, '^[a-c]+$')", "{} SIMILAR TO '.*a'", "{} GLOB '*a'"),
    *("LIST_CONTAINS(STRING_SPLIT({}, 'a'), '')", "{} LIKE ANY ('a%', '%b')"),
    *("TRY_CAST({} AS TIME) > TIME '12:00:00'", "{} IS DISTINCT FROM 'a'"),
)
_OF_TIMES = (
    *("{} + INTERVAL 1 MONTH > DATE '2020-03-28'", "YEAR({}) = 2020"),
    *(
        "DATE_TRUNC('week', {}) = DATE '2020-02-24'",
        "CAST({} AS TIMESTAMP) - DATE '2020-02-29' < INTERVAL 1 DAY",
    ),
    *("STRFTIME({}, '%d') > '15'", "LAST_DAY({}) = DATE '2020-02-29'"),
)
_OF_NUMBERS = (
    *("{} BETWEEN SYMMETRIC 4 AND {}", "{} IN (1, 2, {})", "{} IS DISTINCT FROM {}"),
    *("ABS({}) + 1 < {}", "({}, 1) = ({}, 1)", "LIST_MAX([{}, {}]) > 1"),
)
_KEYS_OF_TIMES = (
    *("YEAR({})", "LAST_DAY({})", "STRFTIME({}, '%m')", "CAST({} AS DATE) + 3"),
    "CAST({} - INTERVAL 1 WEEK AS DATE)",
)


class Writer:
    """Writes one question."""

    def __init__(self, choices: Choices) -> None:
        self.one_of = choices.one_of
        self.tables: list[tuple[str, str]] = []
        """(alias, table), in the order of FROM."""

    def question(self) -> str:
        source = self.source()
        where = self.one_of(["", "", f" WHERE {self.condition(2)}"])
        keys = [self.key() for _ in range(self.one_of([0, 1, 1, 2, 2, 3]))]
        asked = [self.aggregate() for _ in range(self.one_of([1, 1, 2, 3]))]
        items = ", ".join([*keys, *asked])
        by = f" GROUP BY {', '.join(keys)}" if keys else ""
        return f"SELECT {items} FROM {source}{where}{by}"

    # --- FROM --------------------------------------------------------------------

    def source(self) -> str:
        first = self.one_of(_FIRST)
        if first == "people" and self.one_of([True, False, False]):
            public, alias = self._add("regions"), self._add(first)
            on = f"{alias}.region = {public}.name"
            return f"regions {public} JOIN people {alias} ON {on}"
        text = f"{first} {self._add(first)}"
        for _ in range(self.one_of([0, 0, 1, 1, 2])):
            text += self._join()
        return text

    def _add(self, table: str) -> str:
        alias = f"{table[0]}{len(self.tables)}"
        self.tables.append((alias, table))
        return alias

    def _join(self) -> str:
        ties = _TIES if self.one_of([True] * 7 + [False]) else _UNTIED
        private = [
            (condition.format(alias, "{0}"), other)
            for alias, table in self.tables
            for one, condition, other in ties
            if one == table
        ] + [
            (condition.format("{0}", alias), one)
            for alias, table in self.tables
            for one, condition, other in ties
            if other == table
        ]
        public = [
            (alias, *pair)
            for alias, table in self.tables
            for pair in _TO_PUBLIC.get(table, [])
        ]
        if private and (not public or self.one_of([True, False])):
            condition, table = self.one_of(private)
            kind = self.one_of(["JOIN"] * 11 + ["LEFT JOIN"])  # the last is refused
            more = [f" AND {self.condition(1)}", "", ""]
            condition = condition.format(self._add(table)) + self.one_of(more)
            return f" {kind} {table} {self.tables[-1][0]} ON {condition}"
        left, table, condition = self.one_of(public)
        right = self._add(table)
        kind = self.one_of(["JOIN", "LEFT JOIN"])
        return f" {kind} {table} {right} ON {condition.format(left, right)}"

    def _column(self, of: dict[str, list[str]]) -> str | None:
        options = [
            f"{alias}.{name}"
            for alias, table in self.tables
            for name in of.get(table, [])
        ]
        return self.one_of(options) if options else None

    # --- expressions -------------------------------------------------------------

    def number(self, depth: int) -> str:
        """Write a number that has bounds."""
        column = self._column(_BOUNDED)
        if depth == 0 or self.one_of([False, False, True]):
            return column or self.one_of(["1", "2.5"])
        match self.one_of(range(17)):
            case 0:
                loose = self._column(_UNBOUNDED) or "7"
                return f"LEAST(GREATEST({loose}, -4), 6)"
            case 1 | 2:
                sign = self.one_of(["+", "-", "*"])
                return f"({self.number(depth - 1)} {sign} {self.number(depth - 1)})"
            case 3:
                sign = self.one_of(["/ 4", "// 2", "% 3", "/ -0.5"])
                number = f"CAST({self.number(depth - 1)} AS INTEGER)"
                return f"({number} {sign})"
            case 4:
                return f"{self.one_of(_ROUNDING)}({self.number(depth - 1)})"
            case 5:
                return f"ROUND({self.number(depth - 1)}, 1)"
            case 6:
                default = self.one_of(["", " ELSE 3"])
                when = self.condition(depth - 1)
                return f"CASE WHEN {when} THEN {self.number(depth - 1)}{default} END"
            case 7:
                return f"COALESCE({self.number(depth - 1)}, -2)"
            case 8:
                to = self.one_of(["INTEGER", "DOUBLE"])
                cast = self.one_of(["CAST", "TRY_CAST"])
                return f"{cast}({self.number(depth - 1)} AS {to})"
            case 9:
                time = self._column(_TIMES) or "DATE '2020-02-29'"
                return f"{self.one_of(_PARTS)}({time})"
            case 10:
                time = self._column(_BOUNDED_TIMES) or "DATE '2020-02-29'"
                return f"EXTRACT(year FROM {time})"
            case 11:
                return f"CAST({self.condition(depth - 1)} AS INTEGER)"
            case 12:
                return self.one_of(_OF_A_NUMBER).format(self.number(depth - 1))
            case 13:
                time = self._column(_BOUNDED_TIMES) or "DATE '2020-02-29'"
                return self.one_of(_OF_A_TIME).format(time)
            case 14:
                return self.one_of(_OF_A_TEXT).format(self.text())
            case 15:
                inner = [self.number(depth - 1), self.number(depth - 1)]
                return (
                    f"([{inner[0]}, {inner[1]}])[2]"
                    if self.one_of([0, 1])
                    else (
                        f"GCD(CAST({inner[0]} AS INTEGER), CAST({inner[1]} AS INTEGER))"
                    )
                )
            case _:
                return f"NULLIF({self.number(depth - 1)}, 0)"

    def text(self) -> str:
        column = self._column(_TEXTS) or "'a'"
        return self.one_of(_SHAPES).format(column)

    def condition(self, depth: int) -> str:
        """Write a condition."""
        if depth and self.one_of([False, True]):
            one, other = self.condition(depth - 1), self.condition(depth - 1)
            shape = self.one_of(["NOT ({0})", "({0} OR {1})", "({0} AND {1})"])
            return shape.format(one, other)
        match self.one_of(range(12)):
            case 0 | 1:
                sign = self.one_of(["=", "<>", "<", "<=", ">", ">="])
                return f"{self.number(1)} {sign} {self.number(1)}"
            case 2:
                return f"{self._column(_BOUNDED) or '1'} BETWEEN 0 AND 4"
            case 3:
                needle = self._column(_UNBOUNDED) or "1"
                return f"{needle} IN (1, 2, -7, 9223372036854775807)"
            case 4:
                pattern = self.one_of(["'%a%'", "'_'", "''", "'ß%'"])
                return f"{self.text()} {self.one_of(['LIKE', 'ILIKE'])} {pattern}"
            case 5:
                of = self.one_of([_BOUNDED, _TEXTS, _TIMES, _UNBOUNDED])
                test = self.one_of(["IS NULL", "IS NOT NULL"])
                return f"{self._column(of) or '1'} {test}"
            case 6:
                sign = self.one_of(["=", "<>", "<", "IN"])
                values = "('a', '', 'b')" if sign == "IN" else "'a'"
                return f"{self.text()} {sign} {values}"
            case 7:
                time = self._column(_TIMES) or "DATE '2020-02-29'"
                return f"{time} {self.one_of(['<', '>='])} DATE '2020-03-01'"
            case 8:
                return self.one_of(_OF_TEXTS).format(self.text())
            case 9:
                time = self._column(_TIMES) or "DATE '2020-02-29'"
                return self.one_of(_OF_TIMES).format(time)
            case 10:
                shape = self.one_of(_OF_NUMBERS)
                return shape.format(self.number(1), self.number(1))
            case _:
                flags = self._column({"visits": ["urgent"]})
                return flags or f"{self._column(_BOUNDED) or '1'} > 1"

    # --- the boundary ------------------------------------------------------------

    def key(self) -> str:
        match self.one_of(range(10)):
            case 0:
                time = self._column(_TIMES)
                if time:
                    return f"date_trunc('{self.one_of(_UNIT_NAMES)}', {time})"
            case 1:
                one, other = self.condition(1), self.condition(1)
                return f"CASE WHEN {one} THEN 'yes' WHEN {other} THEN 'maybe' END"
            case 2:
                return f"({self.condition(1)})"
            case 3:
                whole = self._column(_WHOLE)
                if whole:
                    return f"{whole} {self.one_of(['+ 1', '// 2', '% 3', '* -1'])}"
            case 4:
                return self.text()
            case 5:
                return f"CAST(FLOOR({self.number(1)}) AS INTEGER)"
            case 6:
                time = self._column(_TIMES)
                if time:
                    return self.one_of(_KEYS_OF_TIMES).format(time)
        return self._column(_KEYS) or "1 = 1"

    def aggregate(self) -> str:
        match self.one_of(range(7)):
            case 0:
                return "COUNT(*)"
            case 1:
                return f"COUNT({self.one_of([self.number, self.condition])(1)})"
            case 2:
                units = [f"{a}.{_UNITS[t]}" for a, t in self.tables if t in _UNITS]
                return f"COUNT(DISTINCT {self.one_of(units)})" if units else "COUNT(*)"
            case 3:
                return f"AVG({self.number(2)})"
            case 4:
                return f"SUM({self.condition(1)})"
            case _:
                return f"SUM({self.number(2)})"


def write_question(choices: Choices) -> tuple[str, bool]:
    """Return a question, and whether it is about sensors."""
    writer = Writer(choices)
    text = writer.question()
    return text, any(table == "sensors" for _, table in writer.tables)


assert set(_KEYS) == set(NAMES)
