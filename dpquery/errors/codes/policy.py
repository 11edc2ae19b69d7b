"""Topics of the policy (3xx)."""

from __future__ import annotations

from dpquery.errors.codes.topic import Topic

TOPICS = (
    Topic(
        "DPQ300",
        "the policy is wrong",
        "The policy is the owner's promise; dpquery answers nothing while any part of "
        "it is unclear.",
        "`dpquery check POLICY` lists everything that is wrong with it.",
    ),
    Topic(
        "DPQ301",
        "the policy file cannot be read",
        "There is no such file, or it is a directory, or this user may not read it, or "
        "it is larger than any policy should be (1 MiB).",
        "Name it with `--policy FILE` or the environment variable DPQUERY_POLICY.",
    ),
    Topic(
        "DPQ302",
        "the policy file is not UTF-8 text",
        "Policies are text files in the encoding UTF-8. The place shown is the first "
        "byte that is something else.",
        "Save the file again with the encoding UTF-8; every editor can.",
    ),
    Topic(
        "DPQ303",
        "the policy file is not YAML",
        "The text cannot be read as YAML from the place shown on, or shortly before "
        "it: often a missing bracket, quote or space, or a wrong indentation.",
        "Indent with spaces, keep keys of one group in one column, put a space behind "
        "every colon, and quote text that contains `: ` or ` #`.",
    ),
    Topic(
        "DPQ304",
        "a part of YAML that policies do without",
        "Anchors, aliases, tags, several documents in one file, keys that are not "
        "words and very deep nesting make a promise hard to read, and a small file "
        "large. dpquery refuses them.",
        "Write the value out where it is needed.",
    ),
    Topic(
        "DPQ305",
        "something is there twice",
        "A key, a table or a column is named twice, a view has the name of a table, or "
        "a promise is made under both of its names. Other YAML readers silently keep "
        "the last one; a promise must not depend on that. Names that differ only in "
        "the case of ASCII letters are one name in SQL.",
        "Keep one of them.",
    ),
    Topic(
        "DPQ310",
        "an unknown key",
        "A key that dpquery does not know is probably misspelled, and what it was "
        "meant to promise would not hold.",
        "Correct it, or remove it. Editors complete the keys of a file whose first "
        "line is `# yaml-language-server: $schema=policy.schema.json`.",
    ),
    Topic(
        "DPQ311",
        "something is missing",
        "A key that every policy needs is not there, or nothing is written behind it, "
        "or a table does not say whose rows it holds.",
        "Add it. A table has one of `privacy_unit_column: COLUMN` (this column says "
        "whose row it is), `references: {COLUMN: TABLE.COLUMN}` (the row that it "
        "points to knows), `row_privacy: true` (every row is its own unit) or "
        "`public: true` (the content depends on no private row).",
    ),
    Topic(
        "DPQ312",
        "a value of the wrong kind",
        "A number is expected and there is text, for example. `017`, `1_000` and `no` "
        "are text; `1e-6` is a number and 2026-01-31 a date.",
        "Write numbers plainly, and put text that looks like a number in quotes.",
    ),
    Topic(
        "DPQ313",
        "a value that cannot be",
        "A budget must be positive and finite, delta below 1, a lower bound below the "
        "upper one, a name plain. Amounts have at most 12 significant digits.",
        "Correct the value that is marked; the message says what is possible.",
    ),
    Topic(
        "DPQ314",
        "two parts that contradict each other",
        "Two keys exclude each other: a table cannot be public and private, a "
        "column's values cannot come from two lists.",
        "Keep the one that is meant.",
    ),
    Topic(
        "DPQ315",
        "a budget that comes back by the calendar",
        "A key such as `refresh` or `period` would give the budget again every month. "
        "But the rows that were asked about are still there: what was learned of them "
        "adds up, month after month, without a limit. A refresh over data that does "
        "not change is a rate of loss and no guarantee, so dpquery has none.",
        "Choose a budget that lasts for as long as the data is asked about. For data "
        "that grows, `epochs` gives each block of time a budget of its own, so that "
        "new rows bring new budget: `epochs: {column: visits.visited_on, every: month, "
        "privacy: unit-epoch, budget: {epsilon: 1, delta: 1e-6}}`. It promises "
        "something else: what one unit did in any one block is protected.",
    ),
    Topic(
        "DPQ320",
        "a reference to nothing",
        "`references` and `values_from` name a table and a column of this policy, and "
        "there is none of that name. What a policy does not list does not exist.",
        "Correct the name, or list the table or column that is meant.",
    ),
    Topic(
        "DPQ321",
        "references go round in a circle",
        "The owner of a row is found by following references to a table with a "
        "`privacy_unit_column`. These lead back to where they began.",
        "Give one of the tables on the way a `privacy_unit_column`.",
    ),
    Topic(
        "DPQ322",
        "a reference that cannot be",
        "Every row of a private table belongs to one unit, found in one way; a public "
        "table depends on no private row, and public lists of values come from public "
        "tables only.",
        "Keep exactly one reference to a private table, or add a "
        "`privacy_unit_column` that settles whose row it is.",
    ),
    Topic(
        "DPQ330",
        "no such table in the database",
        "The policy lists a table that the database does not have. Upper and lower "
        "case of ASCII letters make no difference.",
        "Correct the name, or `source:` if this is another database.",
    ),
    Topic(
        "DPQ331",
        "no such column in the database",
        "The policy names a column that the table does not have.",
        "Correct the name. Upper and lower case of ASCII letters make no difference.",
    ),
    Topic(
        "DPQ332",
        "this does not fit the type of the column",
        "Bounds are numbers for columns of numbers and dates for dates and "
        "timestamps; values are constants of the column's own type; a list of values "
        "in another table has the same type as the column.",
        "Correct the policy, or store the column in the type that is meant.",
    ),
    Topic(
        "DPQ333",
        "this column cannot identify units",
        "Rows are attributed to their unit by equality, which must be exact and mean "
        "the same in all tables. That holds for whole numbers of at most 64 bits, "
        "text and dates, if every table stores the unit in the same type. Under "
        "`row_privacy` a column called `rowid` would hide the number of the row.",
        "Store the column in one of these types, the same everywhere.",
    ),
)
