"""Topics of queries: what is no SELECT (0xx), and what has no private answer (1xx)."""

from __future__ import annotations

from dpquery.errors.codes.topic import Topic

TOPICS = (
    Topic(
        "DPQ001",
        "this is not SQL that can be parsed",
        "The text is empty, or is no complete SELECT in the dialect that was named. "
        "The caret shows where the parser stopped; the mistake is there or one word "
        "before. Nothing was charged.",
        "Look for a missing comma, bracket or quote. The dialect is DuckDB's unless "
        "`--dialect NAME` says otherwise.",
    ),
    Topic(
        "DPQ002",
        "the query is too long",
        "At most 16 KiB and 2,000 words and signs are read, so that no text can keep "
        "the parser busy.",
        "Ask in several queries. Replace a long list of constants by a range, or by a "
        "join to a public table.",
    ),
    Topic(
        "DPQ003",
        "a character that SQL parsers disagree on",
        "Some invisible characters are white space to one parser and part of a word "
        "to another. What is checked must be what runs, so they are refused outside "
        "quotes.",
        "Delete the character at the caret; text copied from a document or a chat "
        "often brings it. Inside quotes, letters of all languages are fine.",
    ),
    Topic(
        "DPQ004",
        "the query is nested too deeply",
        "Brackets go at most 32 levels deep, and at most two directly behind the "
        "name of a type: parsers need exponential time for such text. Divisions, "
        "NULLIF and dates inside each other double with every level, too.",
        "Write the expression flatter, for example as one CASE with several WHEN.",
    ),
    Topic(
        "DPQ005",
        "only one SELECT is answered",
        "A query is one SELECT statement. Nothing else can be asked: the data is "
        "never written, and no setting is changed.",
        "Send several SELECTs one at a time; each has its price.",
    ),
    Topic(
        "DPQ006",
        "privacy parameters that cannot be read",
        "A clause WITH DIFFERENTIAL_PRIVACY, or a contribution bound in an aggregate, "
        "is written in another way than ZetaSQL and BigQuery write it: a word is "
        "unknown, missing, there twice or in the wrong place, or a value is of "
        "another kind. Values are constants.",
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 0.5, delta = 1e-10) "
        "ward, SUM(cost, contribution_bounds_per_group => (0, 500)) FROM visits "
        "GROUP BY ward",
    ),
    Topic(
        "DPQ100",
        "this cannot be answered",
        "The query is SQL, but a part of it is not on the list of what dpquery "
        "answers. What is not listed is refused: a part that nobody has thought "
        "through could show a single person. Nothing was charged.",
        "The hint has a rewrite where there is one. README.md lists what is answered.",
    ),
    Topic(
        "DPQ101",
        "there is no such table",
        "FROM takes tables that the policy lists, by their plain names. What is not "
        "listed does not exist for analysts. A qualifier (`t.x`) is a table of FROM "
        "or its alias.",
        "`dpquery tables` lists what may be asked about. Upper and lower case of "
        "ASCII letters make no difference.",
    ),
    Topic(
        "DPQ102",
        "there is no such column",
        "The tables in FROM have no column of this name that the policy lists, or a "
        "position in GROUP BY or ORDER BY is not one of SELECT's.",
        "`dpquery tables TABLE` lists the columns. Text goes into single quotes; "
        "double quotes are for names.",
    ),
    Topic(
        "DPQ103",
        "a name that could mean two things",
        "Two tables in FROM have a column of this name, or are themselves called the "
        "same.",
        "Write `visits.patient_id`, and give each table an alias of its own: "
        "`JOIN visits AS v`.",
    ),
    Topic(
        "DPQ104",
        "an alias hides a column",
        "GROUP BY names something that is a column of FROM and also an alias in "
        "SELECT. Databases differ in which one they take.",
        "Give the alias another name, or group by its position: GROUP BY 1.",
    ),
    Topic(
        "DPQ105",
        "types that do not fit",
        "Databases convert silently between types, and fail on the rows where that "
        "is impossible. Such a failure would tell something of a row, so nothing is "
        "converted silently here, and a constant must be one of its type.",
        "Write the constant in the column's type, or say TRY_CAST(x AS type): what "
        "does not fit becomes NULL.",
    ),
    Topic(
        "DPQ106",
        "there is no such function",
        "Functions come from a list of those that depend on nothing but their "
        "arguments and that never fail, whatever is in a row.",
        "docs/functions.md lists them. Some functions can be applied to the answer "
        "instead, after it has come.",
    ),
    Topic(
        "DPQ107",
        "a constant is expected here",
        "Patterns, units of time, lengths and digits must be written in the query: "
        "taken from a row, they could make the query fail on that row only, or take "
        "long.",
        "Write the constant.",
    ),
    Topic(
        "DPQ110",
        "a join that separates rows from their unit",
        "Every row that is counted must belong to exactly one privacy unit. Two "
        "private tables joined on something else give rows that belong to two, so "
        "the presence of one person would change what is counted for others.",
        "Join along the foreign keys of the policy, or add an equality of the units "
        "to ON. A table without personal data can be declared `public` by the owner.",
    ),
    Topic(
        "DPQ111",
        "a join that keeps what no private row matches",
        "`public LEFT JOIN private` keeps a public row when nobody matches it: that "
        "is a statement about everybody, and one person can make it false.",
        "Put the private table first, or use JOIN. If you want groups that are empty: "
        "group by columns of the public table, and count a column of the private "
        "one, COUNT(v.cost); then LEFT JOIN is answered, with all groups.",
    ),
    Topic(
        "DPQ113",
        "two kinds of units in one query",
        "One table protects one kind of unit, the other another one; under "
        "`row_privacy` each row is a unit of its own. A joined row would belong to "
        "both.",
        "Ask about one table at a time.",
    ),
    Topic(
        "DPQ114",
        "a window over rows of several units",
        "A rank, a running sum or a neighbour in the order depends on everybody's "
        "rows, unless the window is PARTITION BY the unit. Frames are ROWS or RANGE "
        "with constant numbers of rows.",
        "Add the unit to PARTITION BY. Over groups every window is answered: SELECT "
        "ward, RANK() OVER (ORDER BY COUNT(*) DESC) FROM visits GROUP BY ward.",
    ),
    Topic(
        "DPQ115",
        "a subquery that is not tied to the unit",
        "A private subquery inside a row may only look at rows of the same unit: "
        "otherwise one person could change what is counted for all others. A subquery "
        "that is an aggregate of everybody is released by itself, once, with noise; "
        "it cannot be asked again for each row.",
        "Tie it: WHERE inner.patient_id = outer.patient_id; or make it an aggregate "
        "that stands alone, SELECT AVG(cost) FROM visits; or join an aggregate with "
        "GROUP BY.",
    ),
    Topic(
        "DPQ116",
        "a clause or a join that has no rule",
        "What FROM and GROUP BY may hold is listed; this form is not, or a condition, "
        "a name or a constant is missing in it. A query reads at most 32 tables.",
        "The hint says how to write it; README.md lists what is answered.",
    ),
    Topic(
        "DPQ117",
        "an aggregate inside something of one row",
        "An aggregate cannot be a group key, nor the argument of another aggregate.",
        "Filter groups with HAVING, and compute with two answers where one needs the "
        "other.",
    ),
    Topic(
        "DPQ118",
        "rows that nobody owns",
        "DISTINCT, UNION, INTERSECT and EXCEPT, and GROUP BY inside a subquery, make "
        "one row of many. If these are of different units, the row is nobody's, and "
        "neither a limit for each unit nor noise would protect anyone.",
        "Keep the unit among the columns: SELECT DISTINCT patient_id, ward; or count "
        "values: COUNT(DISTINCT ward).",
    ),
    Topic(
        "DPQ120",
        "a sum without bounds",
        "The noise of a sum must hide the largest value that one person could add. "
        "That is known only if the value has a lower and an upper bound: from the "
        "policy, from WHERE or from the expression itself. Values outside are moved "
        "to the nearer end.",
        "SUM(LEAST(GREATEST(x, 0), 100)), or WHERE x BETWEEN 0 AND 100; or the owner "
        "declares `bounds` for the column, or allows `query: {profile: auto}`, which "
        "chooses limits of a column's sums from a private profile.",
    ),
    Topic(
        "DPQ121",
        "this aggregate is not answered here",
        "An aggregate is on the list, or it is refused: LIST, STRING_AGG, FIRST and "
        "the like show rows. Aggregates stand in SELECT, HAVING, QUALIFY and ORDER "
        "BY.",
        "COUNT, SUM, AVG, variances, correlations, regressions, MIN, MAX, quantiles, "
        "COUNT(DISTINCT x), BOOL_OR and BOOL_AND are answered, each with FILTER.",
    ),
    Topic(
        "DPQ122",
        "this would list rows",
        "Rows of individuals are never shown, with or without noise.",
        "Ask for an aggregate: SELECT ward, COUNT(*) FROM visits GROUP BY ward. "
        "`dpquery tables` shows the columns.",
    ),
    Topic(
        "DPQ123",
        "a group per unit",
        "Grouping by the column that says whose row it is would make a group of each "
        "individual. All of them would be withheld.",
        "Group by what several have in common: a region, a year, a range of ages.",
    ),
    Topic(
        "DPQ124",
        "a column with many values in a group",
        "SELECT, HAVING and ORDER BY show one value per group, so each column in them "
        "is grouped by or aggregated.",
        "Add the column to GROUP BY, or write AVG(x) or SUM(x).",
    ),
    Topic(
        "DPQ126",
        "values of this type cannot be group keys",
        "Fractions that look alike can differ in a hidden digit, or be equal and print "
        "differently; as keys they would show more than their value.",
        "Round to whole numbers: CAST(FLOOR(x) AS INTEGER).",
    ),
    Topic(
        "DPQ127",
        "pure DP has no way to hide groups",
        "A group with unknown key is withheld when too few units are in it. That fails "
        "with a tiny probability, the delta, and this budget has none.",
        "Group by columns whose values the policy or a public table lists. The owner "
        "may give the budget a delta.",
    ),
    Topic(
        "DPQ128",
        "an alias that cannot name a column",
        "Names of columns go into files, spreadsheets and web pages as they are.",
        "Use letters, digits, _ and spaces, at most 64 of them.",
    ),
    Topic(
        "DPQ129",
        "LIMIT and OFFSET take constants",
        "Nothing but a whole number is read there.",
        "For example LIMIT 10.",
    ),
    Topic(
        "DPQ130",
        "LIMIT among rows",
        "Which rows are the first ones depends on everybody's rows. Inside a subquery "
        "that is tied to the unit, and behind aggregates, LIMIT is answered.",
        "The first rows of each unit: QUALIFY ROW_NUMBER() OVER (PARTITION BY "
        "patient_id ORDER BY visited_on) <= 3. Of groups: GROUP BY ward ORDER BY "
        "COUNT(*) DESC LIMIT 3.",
    ),
    Topic(
        "DPQ131",
        "a set operation of different things",
        "Both sides have the same number of columns, of the same types; and rows of "
        "units cannot be mixed with rows that nobody owns.",
        "CAST what differs. Aggregate the private side first if the other one is "
        "public.",
    ),
    Topic(
        "DPQ133",
        "a sample that is no share of the units",
        "A sample takes whole units, each by a hash, so that one person is in it or "
        "not whatever others do. A fixed number of rows is nobody's own property. "
        "Where each row is a unit, there is nothing to choose by.",
        "TABLESAMPLE BERNOULLI (10%), perhaps with REPEATABLE (42).",
    ),
    Topic(
        "DPQ134",
        "a recursive WITH",
        "It has no bounded price, and no bounded number of rows of each unit.",
        "Write the steps out, each as a WITH of its own.",
    ),
    Topic(
        "DPQ135",
        "a privacy parameter that is not supported",
        "ZetaSQL has this parameter, dpquery has not: what it would change is said by "
        "the policy, or follows from other parameters.",
        "Leave it out, or do what the hint says.",
    ),
    Topic(
        "DPQ136",
        "a privacy parameter out of range",
        "An epsilon lies between 1e-6 and 1e9, a delta between 1e-18 and 1, and a "
        "unit counts in at least one group. Groups of public keys are shown whatever "
        "they hold, so they have no minimum of units. ZetaSQL switches the noise off "
        "with an epsilon of 1e20; here nothing switches it off.",
        "Write a value of the range, or leave the option out: the policy has a usual "
        "value.",
    ),
    Topic(
        "DPQ137",
        "contribution bounds that bound nothing",
        "`contribution_bounds_per_group` and `contribution_bounds_per_row` are two "
        "constants, the lower one first, in the brackets of an aggregate. They are "
        "seen in the query, so they must not be taken from the data.",
        "For example SUM(cost, contribution_bounds_per_group => (0, 500)).",
    ),
    Topic(
        "DPQ138",
        "an answer of unknown type among private rows",
        "Private rows are compared with a released answer only where its type is "
        "known: a comparison that fails on one row would tell of that row.",
        "CAST it, under an alias: (SELECT CAST(MAX(n) AS DOUBLE) AS n FROM …).",
    ),
    Topic(
        "DPQ139",
        "privacy_unit_column names another unit",
        "Whom the policy protects is the owner's decision. The option may say it "
        "again; it cannot choose something else.",
        "Leave it out, or name the column that `dpquery tables` shows as the unit.",
    ),
    Topic(
        "DPQ140",
        "too little for so many measurements",
        "The epsilon of a query is shared by all that it measures: each count, each "
        "sum, two for an average. Here a share would be so small that its answer "
        "would be noise and nothing else. Nothing was charged.",
        "Ask with a larger `--epsilon`, or for fewer columns at a time.",
    ),
    Topic(
        "DPQ141",
        "what is made of the answers is no SQL of DuckDB",
        "Above the aggregates any SELECT works that DuckDB can bind, over answers and "
        "public tables only. It was tried before anything was charged: a column or a "
        "function is missing, or types do not fit. Files, settings, the catalogue and "
        "macros are as far away as below.",
        "Correct the part that DuckDB names. `--explain` shows the columns of each "
        "release.",
    ),
    Topic(
        "DPQ142",
        "no accuracy can be asked for here",
        "With `--within` the loss is chosen so that every noisy value is as exact as "
        "asked for. That works for counts, sums, averages, variances, correlations, "
        "regressions and what is computed of them: more noise can be taken away from "
        "what they are made of. A median, another quantile, MIN and MAX are chosen by "
        "rank: how far a value is off depends on rows beside it that nobody may see, "
        "and choices that are made again do not add up to a better one. A query whose "
        "OPTIONS set an epsilon has chosen its loss itself. Nothing was charged.",
        "Leave such columns out, or ask with `--epsilon`: `dpquery price` says how "
        "many rows in rank they will be off. `COUNT_IF(x <= 40) / COUNT(*)`, the share "
        "of the rows up to a value, can be asked for within 5 %.",
    ),
    Topic(
        "DPQ145",
        "no row of what is withheld",
        "`--other` adds the rows of all withheld groups, together, to the groups of "
        "one GROUP BY. It cannot say to which of several releases they belong, and "
        "without an aggregate there is nothing to say of them.",
        "Ask without `--other`, or ask each part by itself.",
    ),
)
