"""The API of go-sigma-rule-engine over compiled packs: the same concepts, under Python's names and under Go's.

    from sigmac.compat.go import Config, MapEvent, new_ruleset

    ruleset = new_ruleset(Config(directory=["rules"]))
    results, matched = ruleset.eval_all(MapEvent({"Image": "C:\\\\cmd.exe"}, texts=["started cmd.exe"]))

What rules mean is what they mean everywhere in sigmac; where the Go engine says otherwise, `docs/migration.md` tells.
Source: the public API of module github.com/markuskont/go-sigma-rule-engine, version 0.3.0.
"""

from __future__ import annotations

from sigmac.compat.go.faults import (
    BulkParseYaml,
    EmptyDetection,
    InvalidCondition,
    InvalidDetection,
    InvalidRegex,
    MissingDetection,
    ParseYaml,
    RuleFault,
    Unsupported,
)
from sigmac.compat.go.rule_handles import RuleHandle, RuleList, new_rule_file_list, new_rule_list
from sigmac.compat.go.selected_fields import Event, MapEvent
from sigmac.compat.go.trees import (
    Config,
    Result,
    Results,
    Ruleset,
    Tree,
    Truth,
    new_ruleset,
    new_tree,
)

# As the Go package names them; where it tells more kinds of errors apart, several names are one kind.
NewRuleset = new_ruleset
NewTree = new_tree
NewRuleList = new_rule_list
NewRuleFileList = new_rule_file_list
ErrParseYaml = ParseYaml
ErrBulkParseYaml = BulkParseYaml
ErrMissingDetection = MissingDetection
ErrEmptyDetection = EmptyDetection
ErrMissingCondition = InvalidCondition
ErrMissingConditionItem = InvalidCondition
ErrInvalidTokenSeq = InvalidCondition
ErrIncompleteTokenSeq = InvalidCondition
ErrIncompleteDetection = InvalidDetection
ErrInvalidKeywordConstruct = InvalidDetection
ErrInvalidSelectionConstruct = InvalidDetection
ErrInvalidKind = InvalidDetection
ErrUnableToReflect = InvalidDetection
ErrInvalidRegex = InvalidRegex
ErrUnsupportedToken = Unsupported
ErrUnsupportedExpression = Unsupported
ErrWip = Unsupported

__all__ = [
    "BulkParseYaml",
    "Config",
    "EmptyDetection",
    "Event",
    "InvalidCondition",
    "InvalidDetection",
    "InvalidRegex",
    "MapEvent",
    "MissingDetection",
    "ParseYaml",
    "Result",
    "Results",
    "RuleFault",
    "RuleHandle",
    "RuleList",
    "Ruleset",
    "Tree",
    "Truth",
    "Unsupported",
    "new_rule_file_list",
    "new_rule_list",
    "new_ruleset",
    "new_tree",
]
