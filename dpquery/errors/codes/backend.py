"""Topics of engine (500-549), ledger (550-599), server (6xx), the rest."""

from __future__ import annotations

from dpquery.errors.codes.topic import Topic

TOPICS = (
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
        "DPQ521",
        "the answer is too large",
        "An answer may have five million cells, what is inside of lists and maps "
        "counted, and 128 MiB of text. No private value was involved; a charge that "
        "was made stands.",
        "Add LIMIT, ask for fewer columns, or aggregate.",
    ),
    Topic(
        "DPQ522",
        "public tables are too large",
        "Public tables that are read beside noisy answers are held in the memory of a "
        "small process of their own: half of the policy's memory limit, at most twenty "
        "million cells. A charge that was made stands.",
        "Ask for fewer of their columns, or join them to the private tables, where "
        "their size does not matter. As the owner, raise the memory limit.",
    ),
    Topic(
        "DPQ530",
        "the data does not pass the owner's checks",
        "Before the first answer on each version of the data, every key that leads "
        "from a row to its unit is checked to be unique. One of them is not: a row "
        "would have two owners, and no limit per unit would hold. Analysts see this "
        "one text, whatever is wrong. Nothing was charged.",
        "As the owner, run `dpquery check --data POLICY`: it names the table and the "
        "column and counts the values that occur more than once. Mend the data; "
        "dpquery repairs nothing, for dropping rows would depend on several units.",
    ),
    Topic(
        "DPQ550",
        "the ledger cannot be opened",
        "The ledger remembers what was spent; without it nothing may be answered. Its "
        "directory is missing, or not accessible, the name is no file, or the server "
        "does not answer.",
        "Check `ledger:` in the policy (a path beside the policy, `sqlite:///FILE` or "
        "`postgresql://…`), and that this user may write to that directory: SQLite "
        "keeps a -wal and a -shm file beside the ledger, and dpquery a .head file. A "
        "ledger that does not exist is created; its directory is not.",
    ),
    Topic(
        "DPQ551",
        "the ledger is damaged",
        "The file is empty, is no ledger, lacks tables, or its accounts, debits and "
        "releases do not match; or the .head file beside it cannot be understood. "
        "dpquery does not repair it: a wrong balance would be a wrong promise.",
        "`dpquery audit verify` says what is wrong. Restore the newest backup ("
        "`sqlite3 FILE '.backup COPY'` makes one safely), then `dpquery audit accept` "
        "what was spent since. Never start with an empty ledger: the people in the "
        "data were promised the sum of everything released so far.",
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
        "DPQ560",
        "the ledger is older than it was known to be",
        "Beside the ledger, a .head file remembers how far its audit had come. The "
        "ledger does not have that event any more, or the file is missing: somebody "
        "put an older copy back, or a new ledger in its place. What was spent since "
        "would be spent again, so nothing is answered.",
        "Put the newest copy back, together with its .head file. If it is lost, "
        "`dpquery audit accept` charges what the .head file knows to have been spent, "
        "writes down that you accepted the loss, and goes on. Backups need the .head "
        "file of the moment they are put back, not of the moment they were made.",
    ),
    Topic(
        "DPQ561",
        "the audit has no such release",
        "A receipt is made of a release's events in the audit. There are none for this "
        "id: it is misspelled, of another ledger, or older than the audit.",
        "`dpquery history` lists releases with their ids.",
    ),
    Topic(
        "DPQ562",
        "the signing key cannot be used",
        "Receipts are signed with an Ed25519 key in a .key file beside the ledger, "
        "which is made when it is first needed, and checked with the .pub file beside "
        "it. One of them cannot be read, or is no such key.",
        "Restore the .key file, or, if it is lost, delete what is left of it: a new "
        "one is made. Receipts that were signed with the old one need the old .pub.",
    ),
    Topic(
        "DPQ600",
        "the server did not answer",
        "A dpquery server could not be reached, or what answered is none. This "
        "version has no remote sessions, so it never says so.",
        "Use a policy file on the machine that has the data.",
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
