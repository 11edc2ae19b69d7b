"""What each error code means and what to do about it: the text of `dpquery docs`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """One code, explained to a person who has just met it."""

    code: str
    title: str
    meaning: str
    """Why dpquery stops here; a few sentences."""
    remedy: str
    """What to do next; a few sentences, with an example where one helps."""


_TOPICS = (
    # --- 0xx: the text is not one SELECT -------------------------------------
    # --- 1xx: the query has no private answer, or is not supported ------------
    # --- 2xx: budgets and access ----------------------------------------------
    Topic(
        "DPQ200",
        "the budget does not allow this",
        "An answer would cost more than a budget has left. Nothing was charged.",
        "`dpquery budget` shows what is left, `dpquery price SQL` what it would cost.",
    ),
    Topic(
        "DPQ201",
        "your budget is too small for this query",
        "Every answer adds to what you can learn about a single person, and the owner "
        "has set how much that may become for you. This query would go past it. "
        "Nothing was charged.",
        "Ask for less: a smaller `--epsilon` costs less and has wider intervals; "
        "`dpquery price SQL --epsilon 0.05` shows both before you pay. Asking an "
        "earlier question again is free. Or ask the owner for more.",
    ),
    Topic(
        "DPQ202",
        "the dataset's budget is used up for this query",
        "The owner has promised a limit on everything that all analysts together ever "
        "learn about a single person. This query would go past it, whoever asks. "
        "Nothing was charged.",
        "Ask for less with a smaller `--epsilon`, or repeat an earlier question, which "
        "is free. Only the owner can raise the budget, and that weakens the promise "
        "made to the people in the data.",
    ),
    # --- 3xx: the policy --------------------------------------------------------
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
        "A key, a table or a column is named twice, or a promise is made under both "
        "of its names. Other YAML readers silently keep the last one; a promise must "
        "not depend on that. Names that differ only in the case of ASCII letters are "
        "one name in SQL.",
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
    # --- 4xx: flags, environment, paths -----------------------------------------
    Topic(
        "DPQ400",
        "a setting is missing or wrong",
        "A flag, an environment variable or a path that dpquery needs is not there "
        "or makes no sense. Most often no policy is named: the policy says where the "
        "data is, what may be asked and at what price.",
        "Add -p FILE, or set DPQUERY_POLICY once for the whole shell session.",
    ),
    Topic(
        "DPQ401",
        "--epsilon is not a number above zero",
        "The price of a query is written in plain digits, such as 0.2 or 1e-3, with at "
        "most twelve digits after the point. Signs, nan, inf and units are not read.",
        "Write for example --epsilon 0.2, or leave it out for the policy's default.",
    ),
    Topic(
        "DPQ402",
        "a confidence level lies between 0 and 1",
        "A confidence level is the probability with which an interval covers the "
        "answer without noise. It is a fraction, not a percentage.",
        "For 95 %, say 0.95.",
    ),
    Topic(
        "DPQ403",
        "an optional library is missing",
        "Data frames and Parquet files need libraries that dpquery itself does not.",
        "pip install 'dpquery[frames]', or choose another format such as csv.",
    ),
    Topic(
        "DPQ404",
        "the SQL cannot be read",
        "The file of -f, or stdin for -, is missing, unreadable, far too long or not "
        "UTF-8 text. Nothing was asked and nothing was charged.",
        "Check the path, and save the file as UTF-8.",
    ),
    Topic(
        "DPQ405",
        "the output file cannot be written",
        "The file of -o is opened before the query is charged, so nothing was charged.",
        "Name a file in an existing folder that you may write to.",
    ),
    Topic(
        "DPQ406",
        "no SQL, or more than one",
        "A query is given in one of three ways: as text on the command line, in a file "
        "with -f FILE, or on stdin with -.",
        "Give exactly one of them. SQL that begins with -- goes into a file or stdin.",
    ),
    Topic(
        "DPQ407",
        "the output was lost on its way",
        "The answer was made, charged and stored, but writing it failed, for example "
        "because the disk is full.",
        "Make room and ask exactly the same again: the stored answer is shown again "
        "and nothing more is charged.",
    ),
    Topic(
        "DPQ408",
        "parquet needs a file",
        "Parquet is binary, so it is not written to a terminal or a pipe.",
        "Add -o answer.parquet; the suffix alone then chooses the format.",
    ),
    Topic(
        "DPQ409",
        "who asks?",
        "Each analyst has a budget, and this policy names several analysts.",
        "Add --as NAME, or set DPQUERY_ANALYST.",
    ),
    Topic(
        "DPQ410",
        "no such table",
        "The policy lists no table of this name. What is not listed does not exist "
        "for analysts.",
        "`dpquery tables` lists what may be asked about.",
    ),
    Topic(
        "DPQ411",
        "no such error code",
        "Codes are DPQ and three digits, as printed at the start of each error.",
        "`dpquery docs` lists all codes.",
    ),
    # --- 5xx: engine (500-549) and ledger (550-599) -----------------------------
    Topic(
        "DPQ500",
        "the data cannot be opened",
        "DuckDB could not open the file that the policy names, for a reason that "
        "is none of DPQ503 to DPQ509: most often this process may not read it, or"
        " the memory limit is too small to load it.",
        "As the owner, check the file's permissions and the policy's memory "
        "limit, then try to open the file with DuckDB itself, read-only.",
    ),
    Topic(
        "DPQ501",
        "the database took too long",
        "The statement was interrupted at the owner's time limit. Whether a query"
        " is that slow can depend on private rows, so a charge that was made "
        "stands.",
        "Ask for less: fewer tables, fewer groups, a narrower WHERE. Or ask the "
        "owner to allow more seconds.",
    ),
    Topic(
        "DPQ502",
        "the database did not answer",
        "DuckDB failed while it ran the query: it ran out of memory, or something"
        " that dpquery did not foresee. Why can depend on private rows, so it is "
        "not shown, and a charge that was made stands. The next query works.",
        "Ask for less at once, or ask the owner for a higher memory limit. If it "
        "happens to every query, the owner should check the data file.",
    ),
    Topic(
        "DPQ503",
        "the data changed",
        "The files were replaced while they were being opened or read. An answer "
        "must belong to one version of the data, so there is none; a charge that "
        "was made stands.",
        "Ask again: the next query reads the new data. Owners replace files when "
        "nobody is asking, or use a DuckDB file, which stays readable while it is"
        " replaced.",
    ),
    Topic(
        "DPQ504",
        "a data file is missing",
        "The policy names a file that is not there.",
        "Paths in a policy are relative to the policy's own file. Check the "
        "`source:` section.",
    ),
    Topic(
        "DPQ505",
        "a data file cannot be read",
        "The file exists, but it is not what it should be: not a DuckDB database,"
        " or damaged; or, under `files:`, neither .parquet nor .csv, without a "
        "header, with a column named rowid or file_row_number (dpquery uses these"
        " names to tell rows apart), or with one of * ? [ in its path.",
        "Open it with DuckDB itself to see what is wrong, rename such a column, "
        "or export the data again.",
    ),
    Topic(
        "DPQ506",
        "the DuckDB file is too new",
        "A newer DuckDB than the one that dpquery uses wrote the file.",
        "Upgrade dpquery, or with the newer DuckDB copy the tables into a file "
        "that was created with an older STORAGE_VERSION.",
    ),
    Topic(
        "DPQ507",
        "the DuckDB file is being written",
        "Another process holds the file open for writing, and DuckDB admits "
        "readers or one writer, not both.",
        "Close that program, or point the policy to a copy of the file.",
    ),
    Topic(
        "DPQ508",
        "the DuckDB file is open with other settings",
        "This Python process already has the file open with other settings: "
        "through its own duckdb.connect, through a service with other limits, or "
        "through one that still reads the version from before the file was "
        "replaced.",
        "Close that connection. Services on one file in one process need the same"
        " limits.",
    ),
    Topic(
        "DPQ509",
        "a limit that limits nothing",
        "The memory limit is not a positive number with a unit, there is no "
        "thread, or the time limit is not between 0 and 7 days. DuckDB would take"
        " some of these for `unlimited`.",
        "Write for example memory 4GB, threads 2, seconds 60.",
    ),
    Topic(
        "DPQ510",
        "the generated SQL failed its last check",
        "Before dpquery runs the SQL that it generated, DuckDB's parser lists the"
        " tables and functions in it. They were not exactly those of the plan. No"
        " row was read.",
        "This is a fault of dpquery, not of your query. Please report the query "
        "and the version from `dpquery --version`.",
    ),
    Topic(
        "DPQ520",
        "the released values could not be shaped",
        "The noisy answers exist, but the arithmetic, ordering or filtering that "
        "you asked for on top of them failed, or took too long. No private value "
        "was involved; a charge that was made stands.",
        "Ask for the aggregates alone. If you asked before, the same question is "
        "answered from the stored release.",
    ),
    Topic(
        "DPQ550",
        "the ledger cannot be opened",
        "The ledger remembers what was spent; without it nothing may be answered. Its "
        "directory is missing, or not accessible, or the name is no file.",
        "Check `ledger:` in the policy (a path beside the policy or "
        "`sqlite:///FILE`), and that this user may write to that directory: SQLite "
        "keeps a -wal and a -shm file beside the ledger. A ledger that does not exist "
        "is created; its directory is not.",
    ),
    Topic(
        "DPQ551",
        "the ledger is damaged",
        "The file is empty, is no ledger, lacks tables, or its accounts do not match "
        "its releases. dpquery does not repair it: a wrong balance would be a wrong "
        "promise.",
        "Restore the newest backup (`sqlite3 FILE '.backup COPY'` makes one safely). "
        "Do not start with an empty ledger: the people in the data were promised the "
        "sum of everything released so far.",
    ),
    Topic(
        "DPQ552",
        "the ledger is locked",
        "Another process held the ledger for longer than dpquery waits. Nothing was "
        "charged.",
        "Try again. dpquery itself needs the lock for milliseconds: look for a backup "
        "or an open `sqlite3` session that holds the file.",
    ),
    Topic(
        "DPQ553",
        "the ledger's disk is full",
        "A debit must be on disk before any data is read, and there is no room.",
        "Free some space or raise the quota. If this happened while an answer was "
        "stored, its charge stands and the answer is not shown.",
    ),
    Topic(
        "DPQ554",
        "the ledger is read-only",
        "A debit must be written before any data is read, and this file cannot be "
        "written by this user.",
        "Make the file and its directory writable, or mount the disk for writing.",
    ),
    Topic(
        "DPQ555",
        "the ledger was written by another version of dpquery",
        "Its tables are of a version that this dpquery does not know, so it cannot add "
        "up what was spent.",
        "Use a dpquery that is at least as new as the ledger.",
    ),
    Topic(
        "DPQ556",
        "the ledger's file was moved or replaced",
        "The file at the ledger's path is not the one that this process opened. What "
        "is debited to a moved file would be lost.",
        "Put the file back, together with its -wal file, and start again.",
    ),
    Topic(
        "DPQ557",
        "a release is not waiting for its answer",
        "An answer is stored once for each debit. This one was stored before, or the "
        "debit is in another ledger.",
        "This is an error inside dpquery; please report it.",
    ),
    Topic(
        "DPQ558",
        "the ledger counts by another definition of privacy",
        "A budget with a delta is kept in zCDP, one without in pure DP. The policy and "
        "the ledger disagree, and the two do not add up.",
        "Restore the kind of budget that the ledger was made for. To change it, start "
        "a new ledger, knowing that what was spent from the old one still counts for "
        "the people in the data.",
    ),
    Topic(
        "DPQ559",
        "the ledger cannot be read or written",
        "The disk or the file system failed in a way that has no name here. A charge "
        "that was made stands; nothing is answered.",
        "Check the disk and the system's log, then try again.",
    ),
    Topic(
        "DPQ999",
        "an error inside dpquery",
        "Something happened that dpquery did not foresee. No data is shown, and a "
        "charge that was made stands.",
        "Please report it with the command you ran and the version from "
        "`dpquery --version`; leave out anything private.",
    ),
)

TOPICS: dict[str, Topic] = {topic.code: topic for topic in _TOPICS}
"""All codes, in the order of the numbers."""
