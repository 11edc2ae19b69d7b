"""What is asked: one query a line, as SQL for us and as flat rows for the peers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is measured of the rows of a group."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MEDIAN = "median"
    UNITS = "units"
    """Different units."""
    DISTINCT = "distinct"
    """Different values."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One aggregate of a value, which lies within public bounds."""

    kind: Kind
    value: str = "1"
    low: float = 0.0
    high: float = 1.0

    @property
    def sql(self) -> str:
        """The aggregate as an analyst writes it."""
        match self.kind:
            case Kind.COUNT:
                return "COUNT(*)"
            case Kind.UNITS | Kind.DISTINCT:
                return f"COUNT(DISTINCT {self.value})"
            case _:
                return f"{self.kind.upper()}({self.value})"

    @property
    def flat(self) -> str:
        """The value of one row as a number."""
        match self.kind:
            case Kind.COUNT | Kind.UNITS:
                return "1.0::DOUBLE"
            case Kind.DISTINCT:
                return f"(dense_rank() OVER (ORDER BY {self.value}))::DOUBLE"
            case _:
                return f"CAST({self.value} AS DOUBLE)"


@dataclass(frozen=True, slots=True)
class Line:
    """One query on one set of data."""

    name: str
    data: str
    source: str
    """What is read, as an analyst writes it."""
    unit: str
    keys: tuple[str, ...]
    measures: tuple[Measure, ...]
    public: bool = True
    """Whether the keys are public: listed by the policy, or in a public table."""
    to_unit: str = ""
    """The joins to the unit that dpquery adds by itself."""
    where: str = ""

    @property
    def sql(self) -> str:
        """The query; DuckDB alone gives its exact answer."""
        keys = [f"{key} AS k{at}" for at, key in enumerate(self.keys)]
        values = [f"{each.sql} AS a{at}" for at, each in enumerate(self.measures)]
        grouped = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        where = f" WHERE {self.where}" if self.where else ""
        return f"SELECT {', '.join(keys + values)} FROM {self.source}{where}{grouped}"

    @property
    def flat(self) -> str:
        """Rows (u, g, v0, …): unit, all keys as one text, and the values."""
        texts = [f"coalesce(CAST({key} AS VARCHAR), 'None')" for key in self.keys]
        key = f"concat_ws('|', {', '.join(texts)})" if texts else "'all'"
        values = [f", {each.flat} AS v{at}" for at, each in enumerate(self.measures)]
        where = f" WHERE {self.where}" if self.where else ""
        return (
            f"SELECT {self.unit} AS u, {key} AS g{''.join(values)} "
            f"FROM {self.source}{self.to_unit}{where}"
        )


COUNT = (Measure(Kind.COUNT),)
_ITEMS = "lineitem AS l"
_ORDERS = "orders AS o"
_VIA_ORDERS = " JOIN orders AS o ON l.l_orderkey = o.o_orderkey"
_PARTS = "lineitem AS l JOIN part AS p ON l.l_partkey = p.p_partkey"
_NATIONS = (
    "lineitem AS l JOIN orders AS o ON l.l_orderkey = o.o_orderkey "
    "JOIN customer AS c ON o.o_custkey = c.c_custkey "
    "JOIN nation AS n ON c.c_nationkey = n.n_nationkey"
)
_PRICE = Measure(Kind.SUM, "l.l_extendedprice", 0, 110000)
_FLAGS = ("l.l_returnflag", "l.l_linestatus")


def _tpch(
    name: str,
    source: str,
    keys: tuple[str, ...],
    measures: tuple[Measure, ...],
    *,
    public: bool = True,
    where: str = "",
) -> Line:
    """Return a line of TPC-H; its unit is the customer."""
    to_unit = (
        _VIA_ORDERS if "orders AS o" not in source and "lineitem" in source else ""
    )
    unit = "c.c_custkey" if source == "customer AS c" else "o.o_custkey"
    return Line(name, "tpch", source, unit, keys, measures, public, to_unit, where)


TPCH = (
    _tpch("orders by priority", _ORDERS, ("o.o_orderpriority",), COUNT),
    _tpch("lines by flag and status", _ITEMS, _FLAGS, COUNT),
    _tpch(
        "pricing summary (Q1), 4 columns",
        _ITEMS,
        _FLAGS,
        (
            *COUNT,
            Measure(Kind.SUM, "l.l_quantity", 1, 50),
            _PRICE,
            Measure(Kind.AVG, "l.l_discount", 0, 0.1),
        ),
    ),
    _tpch(
        "revenue by nation, 1994 (Q5)",
        _NATIONS,
        ("n.n_name",),
        (_PRICE,),
        where="o.o_orderdate BETWEEN DATE '1994-01-01' AND DATE '1994-12-31'",
    ),
    _tpch("orders by month", _ORDERS, ("date_trunc('month', o.o_orderdate)",), COUNT),
    _tpch(
        "spending by month",
        _ORDERS,
        ("date_trunc('month', o.o_orderdate)",),
        (Measure(Kind.SUM, "o.o_totalprice", 0, 600000),),
    ),
    _tpch(
        "lines by mode and quarter",
        _ITEMS,
        ("l.l_shipmode", "date_trunc('quarter', l.l_shipdate)"),
        COUNT,
    ),
    _tpch("revenue by brand", _PARTS, ("p.p_brand",), (_PRICE,)),
    _tpch("lines by type of part", _PARTS, ("p.p_type",), COUNT),
    _tpch(
        "customers by ship mode",
        f"{_ITEMS}{_VIA_ORDERS}",
        ("l.l_shipmode",),
        (Measure(Kind.UNITS, "o.o_custkey"),),
    ),
    _tpch(
        "orders by clerk and quarter",
        _ORDERS,
        ("o.o_clerk", "date_trunc('quarter', o.o_orderdate)"),
        COUNT,
        public=False,
    ),
    _tpch(
        "mean order by priority",
        _ORDERS,
        ("o.o_orderpriority",),
        (Measure(Kind.AVG, "o.o_totalprice", 0, 600000),),
    ),
    _tpch(
        "mean quantity by brand",
        _PARTS,
        ("p.p_brand",),
        (Measure(Kind.AVG, "l.l_quantity", 1, 50),),
    ),
    _tpch(
        "median order by priority",
        _ORDERS,
        ("o.o_orderpriority",),
        (Measure(Kind.MEDIAN, "o.o_totalprice", 0, 600000),),
    ),
    _tpch(
        "clerks with orders, distinct",
        _ORDERS,
        (),
        (Measure(Kind.DISTINCT, "o.o_clerk"),),
    ),
)

_VISITS = "visits AS v"
_CARDS = (
    "transfers AS t JOIN accounts AS a ON t.account_id = a.account_id "
    "JOIN customers AS c ON a.customer_id = c.customer_id"
)
_OF_ACCOUNT = " JOIN accounts AS a ON t.account_id = a.account_id"
_PAID = (Measure(Kind.SUM, "t.amount", 0, 50000),)

SAMPLES = (
    Line(
        "clinic: visits by ward",
        "clinic",
        _VISITS,
        "v.patient_id",
        ("v.ward",),
        COUNT,
        public=False,
    ),
    Line(
        "clinic: cost by month",
        "clinic",
        _VISITS,
        "v.patient_id",
        ("date_trunc('month', v.visited_on)",),
        (Measure(Kind.SUM, "v.cost", 0, 5000),),
        where="v.visited_on BETWEEN DATE '2016-01-01' AND DATE '2025-12-31' "
        "AND v.cost BETWEEN 0 AND 5000",
    ),
    Line(
        "bank: transfers by month, channel",
        "bank",
        "transfers AS t",
        "a.customer_id",
        ("date_trunc('month', t.booked_at)", "t.channel"),
        COUNT,
        to_unit=_OF_ACCOUNT,
        where="t.booked_at BETWEEN TIMESTAMP '2023-01-01' AND TIMESTAMP '2025-12-31' "
        "AND t.channel IN ('mobile', 'online', 'card', 'branch', 'cash')",
    ),
    Line(
        "bank: by counterparty",
        "bank",
        "transfers AS t",
        "a.customer_id",
        ("t.counterparty",),
        COUNT,
        public=False,
        to_unit=_OF_ACCOUNT,
    ),
    Line(
        "trade: value by chapter",
        "trade",
        "declarations AS d",
        "d.firm_id",
        ("d.good_code",),
        (Measure(Kind.SUM, "d.value_eur", 0, 200000),),
        where="d.good_code IN (SELECT code FROM goods) "
        "AND d.value_eur BETWEEN 0 AND 200000",
    ),
    Line(
        "trade: declarations by office",
        "trade",
        "declarations AS d",
        "d.firm_id",
        ("d.office",),
        COUNT,
        public=False,
    ),
)

ZIPF = (
    Line(
        "zipf: events by item",
        "zipf",
        "events AS e",
        "e.user_id",
        ("e.item",),
        COUNT,
        public=False,
    ),
    Line(
        "zipf: spending by category",
        "zipf",
        "events AS e",
        "e.user_id",
        ("e.category",),
        (Measure(Kind.SUM, "e.amount", 0, 500),),
    ),
)

LINES: tuple[Line, ...] = (*TPCH, *SAMPLES, *ZIPF)
