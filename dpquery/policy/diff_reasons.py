"""Why a difference of two policies is weaker, stronger or neutral: a sentence each."""

UNKNOWN = "nothing is known of this difference, so it counts as weaker"

NAME = "a name, in messages only"
SOURCE = "other data under the same promise; what is spent stays spent"
DATA_VERSION = (
    "answers stored for the old state are not given again; what is spent stays spent"
)
SAME_WORD = "the same word"
OTHER_UNIT = (
    "others are protected than before: answers already given do not keep the new "
    "promise, and the old one ends; it needs a new ledger"
)

MORE_TABLES = "rows can be asked about that did not exist for analysts"
FEWER_TABLES = "its rows can no longer be asked about"
NOW_PUBLIC = "its rows are shown exactly, and no unit in them is protected"
NOW_PRIVATE = "its rows are protected; what was shown before stays known"
FOLLOWS_PUBLIC = "goes with the table being public, or no longer"
ROWS_NOT_UNITS = (
    "single rows are protected in place of units with all their rows; it needs a new "
    "ledger"
)
UNITS_NOT_ROWS = (
    "units are protected in place of rows: what was spent protected rows only, so the "
    "new promise needs a new ledger"
)
OTHER_UNIT_COLUMN = (
    "rows belong to others than before: answers already given were protected for "
    "other units; it needs a new ledger"
)
OTHER_WAY = (
    "the owner of a row is found in another way: unless it leads to the same owner for "
    "every row, it needs a new ledger"
)
REFERENCE_OF_A_JOIN = "whose row it is stays the same; only joins and noise change"
HINT = "a hint for noise, never trusted: accuracy changes, the promise does not"

ALL_COLUMNS = "all columns can be used, also those that were not listed"
LISTED_COLUMNS = "only the columns that are listed can be used"
MORE_COLUMNS = "a column can be asked about that did not exist for analysts"
FEWER_COLUMNS = "the column can no longer be asked about"
BOUNDS = (
    "noise grows with the bounds, and what lies outside is moved to them: accuracy "
    "changes, the promise does not, if the bounds are not taken from the data"
)
GRID = "sums are rounded differently: accuracy changes, the promise does not"
KEYS_PUBLIC = (
    "keys are public that were not, and shown however few units are behind them; they "
    "must not be taken from the data"
)
FEWER_KEYS = "fewer keys are public"
KEYS_NOT_PUBLIC = "keys are no longer public: small groups are withheld"
OTHER_ORDER = "the same keys in another order"
VIEW = "a view promises nothing of its own; its tables decide"

LARGER_EPSILON = "more may be learned of each unit"
SMALLER_EPSILON = "less may be learned of each unit; what is spent stays spent"
NO_LONGER_PURE = (
    "the promise was pure and may now fail with this chance; it needs a new ledger"
)
PURE = "the promise becomes pure; it needs a new ledger, as losses add up differently"
LARGER_DELTA = "the chance that the promise fails is larger"
SMALLER_DELTA = "the chance that the promise fails is smaller"

UNIT_EPOCH = (
    "what a unit did in one block is protected, not all that it ever did: the whole "
    "budget no longer limits"
)
NO_UNIT_EPOCH = "all that a unit ever did is protected, not one block alone"
BLOCKS_LIMITED = "each block is limited as well as the whole"
BLOCKS_NOT_LIMITED = "single blocks are no longer limited, only the whole"
OTHER_BLOCKS = (
    "other blocks: what was spent on the old ones says nothing of the new ones; it "
    "needs a new ledger"
)
FOLLOWS_PRIVACY = "goes with what `privacy` says"
MORE_BLOCKS = "a unit counts in more blocks, each of which may lose its budget"
FEWER_BLOCKS = "a unit counts in fewer blocks"

USUAL_EPSILON = "what a query spends when it does not say; limits stay as they are"
LARGER_QUERY = "one query may tell more at once"
SMALLER_QUERY = "one query may tell less at once"
QUERY_NOT_LIMITED = "single queries are limited by the general limit only"
QUERY_LIMITED = "single queries are limited"
SMALLER_GROUPS = "groups of fewer units may be shown, where their keys are not public"
LARGER_GROUPS = (
    "groups need more units to be shown, where their keys are not public; what was "
    "shown before stays known"
)
BOUNDING = (
    "contributions are bounded differently: accuracy changes, the promise does not"
)

MORE_ANALYSTS = "one more person may ask"
FEWER_ANALYSTS = "this person may no longer ask; what they know they know"
LARGER_QUOTA = "this person may learn more"
SMALLER_QUOTA = "this person may learn less"
OPEN = (
    "what one analyst paid for is free for the others, so shares of analysts are "
    "quotas and no longer promises"
)
ISOLATED = (
    "each analyst learns only what they pay for; of answers given before that holds "
    "with a new ledger only"
)

ALERTS = "whom the owner's alerts reach, and when; nothing that is promised"
LITERALS_KEPT = "constants in queries, which may name people, are stored"
LITERALS_REDACTED = "constants in queries are no longer stored"
LEDGER = (
    "another ledger does not know what was spent: two ledgers on the same people are "
    "two promises, and add up"
)
LIMITS = "what one query may use of the machine"
