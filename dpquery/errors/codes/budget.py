"""Topics of budgets and access (2xx)."""

from __future__ import annotations

from dpquery.errors.codes.topic import Topic

TOPICS = (
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
    Topic(
        "DPQ203",
        "more than one query may cost",
        "The owner limits what a single query may spend, for everybody and perhaps "
        "more tightly for you. Nothing was charged.",
        "Ask with a smaller `--epsilon`. Several small answers can be asked for, and "
        "the message says how much one may cost.",
    ),
    Topic(
        "DPQ204",
        "a block of time has too little left for this query",
        "Under `epochs:` each block of time has a budget of its own, and a query is "
        "charged to every block whose rows it may read. This query would go past the "
        "budget of one of them. Nothing was charged.",
        "Ask about other dates with a filter on the column of the blocks, or ask for "
        "less with a smaller `--epsilon`.",
    ),
    Topic(
        "DPQ205",
        "the budget was lowered below what is spent",
        "The owner has lowered a budget in the policy, or what was granted beside it "
        "has come to its end, and more than that is spent already. What was spent "
        "stays spent, so nothing new is answered; earlier answers can still be had "
        "again. Nothing was charged.",
        "Ask the owner for more: `dpquery request --epsilon E --reason TEXT`. Owners "
        "see in `dpquery budget --all` what is spent, and may raise the budget again.",
    ),
    Topic(
        "DPQ206",
        "too many requests are open",
        "An analyst may have 20 requests for more budget that wait for an answer.",
        "Wait until the owner has decided some: `dpquery requests` shows them.",
    ),
    Topic(
        "DPQ207",
        "this accuracy needs more than it may cost",
        "The error of counts and sums follows from the privacy loss alone, so that "
        "the price of an accuracy is known before anything is measured. This one "
        "needs more than `--max-epsilon`, or than the owner lets one query spend; a "
        "profile that has to be measured first counts too. Nothing was charged.",
        "Ask for the accuracy that the hint names, or allow more with "
        "`--max-epsilon`, up to the policy's limit.",
    ),
    Topic(
        "DPQ250",
        "this analyst is not listed",
        "Only analysts that the policy names under `analysts:` may ask, each with a "
        "budget. Names are compared letter by letter.",
        "Check --as and DPQUERY_ANALYST, or ask the owner to add you.",
    ),
)
