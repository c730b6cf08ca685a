"""Decision programs: what the batch engine's kernels evaluate of a rule, as rows of four int32.

A row is `kind` (perhaps with NEGATED), an argument, and the next row of the same program where the answer is yes and
where it is no; TRUE and FALSE end it. `docs/pack.md` says what the arguments are.
"""

from __future__ import annotations

WIDTH = 4

(
    CONSTANT,  # argument: 0 or 1
    TEXT,  # 4 × literal + place of the question among EQUALS, STARTSWITH, ENDSWITH, CONTAINS
    TEXTUAL,  # field: some value is no null and no object
    COMPARE,  # row of `comparisons`
    EXISTS,  # field
    NULL,  # field
    SAME,  # row of `pairs`
    ADDRESS,  # row of `networks`
    VALUE,  # row of `value_questions`
    UNKNOWN,  # only the record can tell
) = range(10)
# The answer counts the other way round in the whole: what is to be taken as worse where it is not known.
NEGATED = 16
TRUE, FALSE = -1, -2

COMPARISONS = ("eq", "lt", "lte", "gt", "gte")
PLACEMENTS = ("equals", "contains", "startswith", "endswith")
CASED = len(PLACEMENTS)  # added to the place of a placement
# What is asked of one value, by the name of the method of `Event` that answers
VALUE_QUESTIONS = (
    "regex",
    "like",
    "like_cased",
    "equals_cased",
    "contains_cased",
    "startswith_cased",
    "endswith_cased",
    "time",
    "cidr",
)
