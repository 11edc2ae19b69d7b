"""SQL that nobody wrote: texts and trees with parts deleted, moved and exchanged."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.errors import DPQueryError
from dpquery.sql.parsing.parse import parse
from dpquery.sql.queries.trees import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\w+|\s+|=>|<=|>=|<>|::|\|\||->>|->|[^\w\s]")
_WORDS = """
    SELECT FROM WHERE ( ) , * . ; GROUP BY HAVING ORDER LIMIT OFFSET UNION ALL EXCEPT
    INTERSECT WITH RECURSIVE AS VALUES EXISTS OVER PARTITION ROWS RANGE PRECEDING
    FOLLOWING CURRENT ROW UNBOUNDED FILTER DISTINCT ON USING NATURAL LEFT RIGHT FULL
    OUTER INNER CROSS JOIN LATERAL UNNEST SEMI ANTI ASOF POSITIONAL TABLESAMPLE PIVOT
    UNPIVOT QUALIFY WINDOW GROUPING SETS ROLLUP CUBE CASE WHEN THEN ELSE END CAST
    TRY_CAST IS NOT NULL TRUE IN LIKE ILIKE SIMILAR TO ESCAPE BETWEEN AND OR INTERVAL
    DATE TIMESTAMP STRUCT ARRAY MAP ANY SOME FOR FETCH FIRST NEXT ONLY TIES PERCENT
    WITHIN IGNORE NULLS RESPECT COLLATE AT ZONE EXCLUDE REPLACE RENAME COLUMNS LAMBDA
    OPTIONS DIFFERENTIAL_PRIVACY epsilon kappa contribution_bounds_per_group
    COUNT SUM AVG MIN MAX MEDIAN row_number rank lag first_value list string_agg
    arg_max quantile_cont generate_series range read_csv date( int( decimal(
    1 0 -1 1.5 1e400 1_000 0x1F '' 'x' "" $1 $$ ? :x @x # -> ->> => := == != <> || ::
    [ ] { } ! ~ ^ & | % // / - + << >> \\ e' x'41' -- /* */ ' " `
"""
_LETTERS = (
    *("\u0663", "²", "\uff2b", "\u212a", "é", "🙂", "\u200b", "\x00", "9" * 400),
)
_FUNCTIONS = """
    ABS SUM COUNT AVG MIN MAX LOWER LENGTH ROUND COALESCE UNNEST ROW_NUMBER RANK LAG
    MEDIAN STRING_AGG DATE_TRUNC GREATEST LIST FIRST CONCAT YEAR NULLIF IF GROUPING
    EXISTS BOOL_OR ANY_VALUE QUANTILE_CONT CORR COUNT_IF ARRAY_AGG LIST_VALUE ROW
    generate_series ntile percentile_cont date_diff epoch strftime regexp_matches
    split_part hash uuid now APPROX_QUANTILE MODE STRUCT_PACK
"""
WORDS = [*_WORDS.split(), *_LETTERS]
FUNCTIONS = _FUNCTIONS.split()
LONGEST = 4_000


def mutated_text(random: Random, pool: Sequence[str]) -> str:
    """Return a text of *pool* with some of its tokens changed."""
    tokens = TOKEN.findall(random.choice(pool))
    for _ in range(random.choice([1, 1, 1, 2, 2, 3, 5])):
        if not tokens:
            break
        at = random.randrange(len(tokens))
        end = min(len(tokens), at + random.randrange(1, 20))
        match random.randrange(8):
            case 0:
                del tokens[at]
            case 1:
                other = random.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 2:
                tokens.insert(at, tokens[at])
            case 3:
                tokens.insert(at, f" {random.choice(WORDS)} ")
            case 4:
                tokens[at] = random.choice(WORDS)
            case 5:  # a piece of another query
                others = TOKEN.findall(random.choice(pool)) or [""]
                start = random.randrange(len(others))
                tokens[at : random.choice([at, end])] = others[start : start + 20]
            case 6:
                del tokens[at:end]
            case _:
                tokens[at:at] = ["(", *tokens[at:end], ")"]
    return "".join(tokens)


def _kind(node: exp.Expr) -> str:
    """Return what a node can stand for."""
    for kind in (exp.Query, exp.Table, exp.Join, exp.Condition):
        if isinstance(node, kind):
            return kind.__name__
    return type(node).__name__


@dataclass
class Grove:
    """Trees of queries, and their parts by what they can stand for."""

    trees: list[exp.Expr] = field(default_factory=list)
    parts: dict[str, list[exp.Expr]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def planted(cls, texts: Iterable[str]) -> Grove:
        grove = cls()
        for text in texts:
            with suppress(DPQueryError):
                tree = parse(text)
                grove.trees.append(tree)
                for node in tree.walk():
                    grove.parts[_kind(node)].append(node)
        return grove

    def mutated(self, random: Random) -> str:
        """Return a tree with some of its parts changed, as text."""
        tree = random.choice(self.trees).copy()
        for _ in range(random.choice([1, 1, 2, 2, 3, 4])):
            node = random.choice(list(tree.walk()))
            with suppress(AttributeError, IndexError, TypeError, ValueError, KeyError):
                self._change(random, node)
        return text_of(tree) or ""

    def _any(self, random: Random, kind: str) -> exp.Expr:
        return random.choice(self.parts[kind]).copy()

    def _change(self, random: Random, node: exp.Expr) -> None:
        kinds = sorted(self.parts)
        match random.randrange(9):
            case 0 | 1:
                node.replace(self._any(random, _kind(node)))
            case 2:
                node.replace(self._any(random, random.choice(kinds)))
            case 3:
                node.set(random.choice([k for k, v in node.args.items() if v]), None)
            case 4 if isinstance(node, exp.Condition):
                more = [self._any(random, "Condition")] * random.randrange(2)
                name = random.choice(FUNCTIONS)
                node.replace(exp.Anonymous(this=name, expressions=[node.copy(), *more]))
            case 5:
                lists = [k for k, v in node.args.items() if isinstance(v, list) and v]
                key = random.choice(lists)
                found = [each.copy() for each in node.args[key]]
                node.set(key, [*found, random.choice(found).copy()])
            case 6 if isinstance(node, exp.Query):
                kind = random.choice([exp.Union, exp.Intersect, exp.Except])
                other, distinct = self._any(random, "Query"), bool(random.randrange(2))
                node.replace(
                    kind(this=node.copy(), expression=other, distinct=distinct)
                )
            case 7 if isinstance(node, exp.Condition):
                self._inside(random, node)
            case _:
                select = node.find_ancestor(exp.Select) or node
                other = self._any(random, "Query")
                key = random.choice([k for k, v in other.args.items() if v])
                select.set(key, other.args[key])

    def _inside(self, random: Random, node: exp.Expr) -> None:
        """Put a subquery for *node*, or a window around it."""
        if random.randrange(2):
            node.replace(exp.Subquery(this=self._any(random, "Query")))
            return
        partition = [self._any(random, "Condition")] * random.randrange(2)
        by = exp.Ordered(this=self._any(random, "Condition"))
        order = exp.Order(expressions=[by]) if random.randrange(2) else None
        window = exp.Window(this=node.copy(), partition_by=partition, order=order)
        node.replace(window)
