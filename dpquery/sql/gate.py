"""What stands in front of the parser: size, characters and nesting of the text.

sqlglot is written for friendly input: 20 nested type keywords keep it busy for
minutes, and characters that are white space to DuckDB are letters to it
(threats.md 9). So the text is looked at before it is parsed.
"""

from __future__ import annotations

import re
import unicodedata

from dpquery.errors import Place, SQLSyntaxError

MAX_BYTES = 16 * 1024
MAX_TOKENS = 2_000
MAX_NESTING = 32
MAX_TYPE_NESTING = 2

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_TYPE_WORDS = frozenset(
    [
        "array",
        "bigint",
        "binary",
        "bit",
        "blob",
        "bool",
        "boolean",
        "box2d",
        "bpchar",
        "bytea",
        "bytes",
        "char",
        "char1",
        "character",
        "date",
        "date32",
        "datemultirange",
        "daterange",
        "datetime",
        "datetime2",
        "datetime64",
        "dec",
        "decfloat",
        "decimal",
        "decimal32",
        "decimal64",
        "decimal128",
        "decimal256",
        "double",
        "dynamic",
        "enum",
        "enum16",
        "enum8",
        "fixedstring",
        "float",
        "float4",
        "float8",
        "geography",
        "geographypoint",
        "geometry",
        "hllsketch",
        "hstore",
        "hugeint",
        "image",
        "inet",
        "int",
        "int1",
        "int128",
        "int16",
        "int2",
        "int256",
        "int32",
        "int4",
        "int64",
        "int8",
        "integer",
        "interval",
        "ipaddress",
        "ipprefix",
        "ipv4",
        "ipv6",
        "json",
        "jsonb",
        "linestring",
        "list",
        "long",
        "longblob",
        "longtext",
        "lowcardinality",
        "map",
        "mediumblob",
        "mediumint",
        "mediumtext",
        "money",
        "multilinestring",
        "multipolygon",
        "name",
        "nchar",
        "nested",
        "nothing",
        "null",
        "number",
        "numeric",
        "nullable",
        "nvarchar",
        "nvarchar2",
        "object",
        "point",
        "polygon",
        "real",
        "ring",
        "rowversion",
        "serial",
        "set",
        "short",
        "signed",
        "simpleaggregatefunction",
        "smalldatetime",
        "smallint",
        "smallmoney",
        "smallserial",
        "string",
        "struct",
        "super",
        "text",
        "time",
        "timestamp",
        "timestamp_ltz",
        "timestamp_ms",
        "timestamp_ns",
        "timestamp_ntz",
        "timestamp_s",
        "timestampltz",
        "timestampntz",
        "timestamptz",
        "timetz",
        "tinyblob",
        "tinyint",
        "tinytext",
        "tuple",
        "ubigint",
        "uhugeint",
        "uint",
        "uint128",
        "uint16",
        "uint256",
        "uint32",
        "uint64",
        "uint8",
        "uinteger",
        "unknown",
        "unsigned",
        "usmallint",
        "utinyint",
        "uuid",
        "varbinary",
        "varbit",
        "varchar",
        "varchar2",
        "variant",
        "vector",
        "xml",
        "year",
    ]
)
"""Words after which sqlglot's parser tries a type first, and then once more."""


def check(sql: str) -> None:
    """
    Refuse text that must not reach the parser.

    Raises:
        SQLSyntaxError: too long, too deep, or with characters that two parsers
            could read differently.
    """
    if not isinstance(sql, str):
        msg = f"a query is text, not {type(sql).__name__}"
        raise SQLSyntaxError(msg, code="DPQ001")
    size = len(sql.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        msg = f"the query has {size:,} bytes; at most {MAX_BYTES:,} are read"
        hint = "ask in several queries, or shorten long lists of constants"
        raise SQLSyntaxError(msg, code="DPQ002", hint=hint)
    if not sql.strip():
        hint = "for example: SELECT COUNT(*) FROM visits"
        raise SQLSyntaxError("the query is empty", code="DPQ001", hint=hint)
    _check_tokens(sql)


def _check_tokens(sql: str) -> None:
    tokens = 0
    open_brackets: list[bool] = []
    word = ""
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup, match.group()
        _check_characters(sql, match.start(), kind or "", text)
        if kind in {"space", "comment"}:
            continue
        tokens += 1
        if tokens > MAX_TOKENS:
            msg = f"the query has more than {MAX_TOKENS:,} words and signs"
            raise SQLSyntaxError(msg, code="DPQ002", place=place(sql, match.start()))
        if text in "([{":
            open_brackets.append(word in _TYPE_WORDS)
        elif text in ")]}" and open_brackets:
            open_brackets.pop()
        word = text.lower() if kind == "word" else ""
        deep = len(open_brackets) > MAX_NESTING
        if deep or sum(open_brackets) > MAX_TYPE_NESTING:
            msg = "brackets are nested too deeply"
            hint = f"at most {MAX_NESTING} levels, of which {MAX_TYPE_NESTING} of types"
            where = place(sql, match.start())
            raise SQLSyntaxError(msg, code="DPQ004", place=where, hint=hint)


def _check_characters(sql: str, start: int, kind: str, text: str) -> None:
    """Refuse control, format and exotic white-space characters outside literals."""
    if text.isascii() and text.isprintable():
        return
    for offset, character in enumerate(text):
        if character in " \t\r\n" and kind in {"space", "comment", "text"}:
            continue
        category = unicodedata.category(character)
        harmless = category[0] in "LMNPS" or (kind == "text" and category == "Zs")
        if harmless and (kind != "other" or character.isascii()):
            continue
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        msg = f"the query has a character that SQL parsers disagree on: {name}"
        hint = "delete it (it may be invisible), or put it inside quotes"
        where = place(sql, start + offset)
        raise SQLSyntaxError(msg, code="DPQ003", place=where, hint=hint)


def place(sql: str, start: int, end: int | None = None) -> Place:
    r"""
    Return the place of ``sql[start:end]`` with its line.

    >>> place("SELECT 1\nFROM t", 14).column
    6
    """
    start = min(max(start, 0), len(sql))
    line_start = sql.rfind("\n", 0, start) + 1
    line_end = sql.find("\n", start)
    line = sql[line_start : line_end if line_end >= 0 else len(sql)]
    shown = "".join(c if c.isprintable() else " " for c in line.expandtabs(1))
    length = 1 if end is None else max(1, min(end - start, len(line)))
    return Place(
        line=sql.count("\n", 0, start) + 1,
        column=start - line_start + 1,
        length=length,
        text=shown,
    )
