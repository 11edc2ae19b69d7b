"""Topics of advice (P…): what `dpquery check` finds in a policy that is valid."""

from __future__ import annotations

from dpquery.errors.codes.topic import Topic

TOPICS = (
    Topic(
        "P101",
        "an epsilon that promises next to nothing",
        "Epsilon bounds by which factor anything that is seen can change the odds of "
        "one unit: e to the power of epsilon. Above 20 that factor is half a billion.",
        "Choose a budget of 1 to 10, and lower the epsilon of queries with it.",
    ),
    Topic(
        "P102",
        "a large delta",
        "Delta is the chance that the promise fails altogether. A mechanism that shows "
        "one row in a thousand has a delta of 0.001, so it must be far below one in "
        "the number of units.",
        "Choose 1e-6 or less. `dpquery check --data` compares it with the data (P194).",
    ),
    Topic(
        "P103",
        "groups use up delta",
        "Half of the budget's delta pays for queries whose groups are not public, each "
        "with `query.delta`. Here it lasts for fewer than a thousand of them.",
        "Lower `query.delta`: 1e-10 costs little accuracy.",
    ),
    Topic(
        "P104",
        "a delta without use",
        "A budget without delta promises pure privacy. Groups whose keys are not "
        "public cannot be shown under it, so the delta of a query is never spent.",
        "Remove `query.delta`, or add `delta` to the budget.",
    ),
    Topic(
        "P105",
        "the usual query costs more than the budget",
        "A query that does not say what it wants to spend takes `query.epsilon`, which "
        "is more than the whole budget: it is always refused.",
        "Lower `query.epsilon`.",
    ),
    Topic(
        "P106",
        "a share above the budget",
        "The budget is shared by all analysts, so nobody can spend more than it.",
        "Lower the analyst's epsilon, or raise the budget, which weakens the promise.",
    ),
    Topic(
        "P107",
        "nobody may ask",
        "The policy lists no analyst, so nobody can use its budget.",
        "Add `analysts: {alice: {epsilon: 1}}`.",
    ),
    Topic(
        "P108",
        "rows that seem to be somebody's",
        "Under `row_privacy` every row is protected alone. A table with references or "
        "identifiers probably has several rows of one unit, which are not protected "
        "together.",
        "Say `privacy_unit_column` or `references` instead, if rows belong to people.",
    ),
    Topic(
        "P109",
        "a key that is not declared",
        "The owner of a row is found through a column of another table that must be "
        "unique. That is checked in the data before the first answer.",
        "Add `key: COLUMN` to that table; `dpquery check --data` counts exceptions.",
    ),
    Topic(
        "P110",
        "rows a unit are not known",
        "Noise covers what one unit can change. Without a hint, many rows are assumed "
        "for each unit, and answers are less accurate than they could be.",
        "Add `max_rows_per_unit`, from what is known in public. It is never trusted: "
        "who has more rows counts for less.",
    ),
    Topic(
        "P111",
        "keys of a public table",
        "The keys of a public table are read from the table, so a list of them in the "
        "policy has no effect.",
        "Remove `values` or `values_from`.",
    ),
    Topic(
        "P112",
        "a list of units",
        "The column says whose row it is. Units are never shown as groups, and a list "
        "of them in a policy may itself expose somebody.",
        "Remove `values` of that column.",
    ),
    Topic(
        "P113",
        "a number without bounds",
        "SUM and AVG need bounds, since one row could change them by any amount. With "
        "`query: {profile: auto}` limits are chosen from a private profile, which "
        "costs budget once; with `never` they are refused. Counts need no bounds.",
        "Add `bounds: [lowest, highest]` from public knowledge, never from the data; "
        "or leave it to profiles.",
    ),
    Topic(
        "P114",
        "bounds wider than the type",
        "Noise grows with the bounds, and no value of the column can lie outside of "
        "what its type holds.",
        "Narrow the bounds to what is possible.",
    ),
    Topic(
        "P115",
        "bounds wider than the values",
        "Noise grows with the bounds, and all values of the column are listed: none "
        "lies outside of the smallest and the largest.",
        "Narrow the bounds to the values, or leave out the list if it is not closed.",
    ),
    Topic(
        "P116",
        "the unit may be missing",
        "The database allows NULL where a row says whose it is. Such rows belong to "
        "nobody and are left out of all answers.",
        "Declare the column NOT NULL; `dpquery check --data` counts such rows (P193).",
    ),
    Topic(
        "P117",
        "a limit without effect",
        "A limit of one query is above another one that holds anyway: that of all "
        "queries, the analyst's share, or the whole budget.",
        "Lower it, or leave it out.",
    ),
    Topic(
        "P118",
        "a budget out of reach",
        "All shares together are a small part of the budget. What is promised to the "
        "people in the data is weaker than what can ever happen.",
        "Lower the budget, or raise the shares of analysts.",
    ),
    Topic(
        "P119",
        "a ledger for a time",
        "A ledger named after a month or a quarter will be replaced by the next one. "
        "The rows that were asked about are still there, and a new ledger does not "
        "know what was spent on them: the budget becomes a rate without a limit.",
        "Keep one ledger for as long as the same people are asked about. `epochs` give "
        "new rows a budget of their own.",
    ),
    Topic(
        "P120",
        "a query costs more than a block may lose",
        "With `epochs` a query is charged to each block that its rows may come from. "
        "The usual query costs more than the budget of a block, so it is refused in "
        "every block.",
        "Lower `query.epsilon`, or raise `epochs.budget`.",
    ),
    Topic(
        "P121",
        "a block may lose more than the whole",
        "Under unit-lifetime the budget limits all blocks together, so what one block "
        "may lose beyond it can never be spent.",
        "Lower `epochs.budget.epsilon`.",
    ),
    Topic(
        "P122",
        "very many blocks",
        "Each block has an account in the ledger, and a query without a condition on "
        "the date is charged to all of them.",
        "Narrow the bounds of the date to what is possible, or choose longer blocks.",
    ),
    Topic(
        "P123",
        "alerts in plain text",
        "An alert says who has spent how much; over http anybody on the way can read "
        "it and send others.",
        "Use an address with https.",
    ),
    Topic(
        "P190",
        "owners are not unique",
        "A column that leads from rows to their owner occurs more than once in the "
        "data. A row could have two owners, so no query is answered.",
        "Mend the data, or give the table a `privacy_unit_column`.",
    ),
    Topic(
        "P191",
        "a key that is none",
        "A column is declared unique, and is not. Answers stay private; what is more "
        "than the key allows counts for less.",
        "Remove `key`, or mend the data.",
    ),
    Topic(
        "P192",
        "a view that cannot be asked about",
        "A view is bound like a query of WITH, and what is in this one has no private "
        "answer, whatever is asked of it.",
        "Change its SELECT as the message says, or remove the view.",
    ),
    Topic(
        "P193",
        "rows of nobody",
        "Some rows do not say whose they are: NULL stands there. They are left out of "
        "all answers, which is private, and perhaps not what is meant.",
        "Fill in whose rows they are, or leave them out on purpose.",
    ),
    Topic(
        "P194",
        "delta is large for this many units",
        "The chance that the promise fails, times the number of units in the data, is "
        "what a failure may cost: here it is not far below one unit.",
        "Lower the budget's delta to a tenth of one in the number of units, or less.",
    ),
)
