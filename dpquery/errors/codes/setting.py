"""Topics of flags, environment and paths (4xx)."""

from __future__ import annotations

from dpquery.errors.codes.topic import Topic

TOPICS = (
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
        "Data frames and Parquet files need libraries that dpquery itself does not, "
        "and so do charts and pages of HTML.",
        "pip install 'dpquery[frames]' for frames and Parquet, 'dpquery[plot]' for "
        "charts; or choose another format such as csv.",
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
    Topic(
        "DPQ412",
        "no remote sessions in this version",
        "This dpquery answers on the machine that has the data. A URL names a server, "
        "and there is none to speak to yet.",
        "Give the path of a policy file.",
    ),
    Topic(
        "DPQ413",
        "no such SQL dialect",
        "The dialect says how the text of a query is read. Its name is one of those "
        "that the parser, sqlglot, knows.",
        "Leave it out for DuckDB's, or use a name from the hint, such as postgres.",
    ),
    Topic(
        "DPQ414",
        "no analyst is named",
        "Every answer is charged to an analyst of the policy, so a session needs one.",
        'Name one: dpquery.connect(policy, analyst="alice").',
    ),
    Topic(
        "DPQ415",
        "the session is closed",
        "A closed session asks no more questions.",
        "Open another one: service.session(…) or dpquery.connect(…).",
    ),
    Topic(
        "DPQ416",
        "this question has no answer from then",
        "`--as-of` shows an answer that was given before, whatever has become of the "
        "data since. The same analyst must have asked the same question, at the same "
        "price, until the time that is named.",
        "`dpquery history` lists what you asked and when. Write a time in UTC or its "
        "beginning, 2026-11 or 2026-11-24T18:00, or `last`.",
    ),
    Topic(
        "DPQ417",
        "within is an amount or a percentage",
        "An answer by accuracy is asked for with half the width of its intervals: "
        "25 is plus or minus 25 on every noisy value, in the value's own unit, and 5% "
        "is 5 % of every value. A percentage lies between 0 and 100.",
        "Write for example --within 25 or --within 5%.",
    ),
    Topic(
        "DPQ418",
        "options of accuracy that do not go together",
        "`--within` finds the epsilon that it needs, so that it excludes `--epsilon`; "
        "`--confidence` and `--max-epsilon` belong to it. It answers in rounds, each "
        "with its own line in the history, so that `--as-of` cannot show its answer.",
        "Use --within with --confidence and --max-epsilon, or --epsilon alone.",
    ),
    Topic(
        "DPQ428",
        "there is nothing to make non-negative or monotone",
        "`--nonnegative` and `--monotone` are for counts, and for sums of values whose "
        "bounds begin at 0 or above; `--monotone` also needs an order, which is the "
        "one date or number of GROUP BY. Averages and other columns stay as they are "
        "measured. Nothing was charged.",
        "Leave the option out, give the value bounds from 0, or group by one date or "
        "number and otherwise by texts.",
    ),
    Topic(
        "DPQ430",
        "a policy is there already",
        "`dpquery init` writes a new policy and never touches one that is there: it "
        "may hold promises that were made.",
        "Name another folder, or move the file away.",
    ),
    Topic(
        "DPQ431",
        "there is nothing to start from",
        "`dpquery init --from STORE` reads names and types of a DuckDB file, or of "
        "Parquet and CSV files, one a table. This store is not there, or holds none, "
        "or two files would be the same table.",
        "Give a file or a folder that has the data: `dpquery init --from "
        "clinic.duckdb`. Without --from, an example is written.",
    ),
    Topic(
        "DPQ432",
        "the folder cannot be written",
        "The policy could not be written where it should be.",
        "Name a folder that you may write to: `dpquery init --from STORE FOLDER`.",
    ),
    Topic(
        "DPQ440",
        "there is no such request",
        "Requests for more budget are numbered 1, 2, 3, … in each ledger.",
        "`dpquery requests --all` lists them, open and decided.",
    ),
    Topic(
        "DPQ441",
        "this request was decided before",
        "A request is approved or denied once, and the audit keeps what was said. "
        "Somebody else may have been faster.",
        "`dpquery requests --all` shows the decision. The analyst may ask again, and "
        "the policy's own budgets can be changed at any time.",
    ),
    Topic(
        "DPQ442",
        "a reason is missing, or is no text",
        "Who asks for more, and who declines, says why in a sentence or two of plain "
        "text: at most 1000 characters, no control characters. The audit keeps it.",
        "Add --reason 'final figures for the report of March'.",
    ),
    Topic(
        "DPQ443",
        "this is no end of a grant",
        "What is granted may end: after a span of hours, days or weeks, with a day in "
        "UTC, which still counts, or at a time. The end lies in the future by the "
        "ledger's time, which is never earlier than the newest event in its audit, "
        "even when the clock was set back.",
        "Write --expires 30d, 12h, 2w, 2027-01-31 or 2027-01-31T18:00+01:00; without "
        "it, a grant does not end.",
    ),
    Topic(
        "DPQ444",
        "this is no pause between two looks",
        "`dpquery budget --watch` shows the budget again after a number of seconds, "
        "from 0.1 to 86400. A number without --watch means nothing.",
        "Write --watch, or --watch 10.",
    ),
    Topic(
        "DPQ446",
        "there is nothing to profile",
        "A profile says how large single units are in a private table, or in the rows "
        "of a query. Public tables have no units.",
        "Name a table that `dpquery tables` lists, or write one SELECT.",
    ),
    Topic(
        "DPQ447",
        "analysts share nothing under this policy",
        "With `sharing: isolated` no analyst learns what was measured for another, and "
        "a profile measured for everybody would be in nobody's own budget.",
        "Measure it for one analyst: dpquery profile visits --as alice.",
    ),
    Topic(
        "DPQ450",
        "this is no date",
        "`dpquery audit export --since` takes a day, in UTC: year, month and day.",
        "Write it as 2026-01-31.",
    ),
    Topic(
        "DPQ451",
        "a receipt or a key cannot be read",
        "The file that was named is not there, is a directory, or may not be read by "
        "this user.",
        "Check the path; `-` reads a receipt from stdin.",
    ),
    Topic(
        "DPQ460",
        "this cannot be drawn",
        "A chart draws columns of numbers along columns of keys. `x` and `y` name "
        "columns of the answer, as `release.columns` has them, and a column of `y` "
        "has numbers only.",
        "Leave x and y out, and the columns decide; or name columns of the answer.",
    ),
)
