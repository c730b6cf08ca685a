package sigma

import (
	"errors"
	"fmt"
)

// ErrClosed is what calls on a closed Ruleset get.
var ErrClosed = errors.New("sigma: the ruleset is closed")

// UnavailableError is what calls get when no sigmac answered for as long as Config.Timeout says.
type UnavailableError struct{ Err error }

func (e *UnavailableError) Error() string { return "sigma: sigmac does not answer: " + e.Err.Error() }

// Unwrap gives the reason.
func (e *UnavailableError) Unwrap() error { return e.Err }

// EventError says why one event could not be evaluated; others are not concerned.
type EventError struct {
	Index  int    // among the events of EvalBatch
	Field  string // whose value is wrong; empty where it is not known
	Reason string
}

func (e *EventError) Error() string {
	if e.Field == "" {
		return "sigma: the event cannot be evaluated: " + e.Reason
	}
	return fmt.Sprintf("sigma: the event cannot be evaluated: field %q: %s", e.Field, e.Reason)
}

// eventErrors are those of several events, in order.
type eventErrors []*EventError

func (e eventErrors) Error() string { return e[0].Error() }

func (e eventErrors) Unwrap() []error {
	each := make([]error, len(e))
	for i := range e {
		each[i] = e[i]
	}
	return each
}

// ErrParseYaml says that a file holds no YAML that is a rule.
type ErrParseYaml struct {
	Path  string
	Err   error
	Count int
}

func (e ErrParseYaml) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Err) }

// Unwrap gives the reason.
func (e ErrParseYaml) Unwrap() error { return e.Err }

// ErrBulkParseYaml has the files of a list that hold no YAML that is a rule.
type ErrBulkParseYaml struct{ Errs []ErrParseYaml }

func (e ErrBulkParseYaml) Error() string {
	return fmt.Sprintf("%d files are no rules in YAML; the first: %s", len(e.Errs), e.Errs[0])
}

// ErrMissingDetection says that a rule has no detection.
type ErrMissingDetection struct{}

func (ErrMissingDetection) Error() string { return "the rule has no detection" }

// ErrEmptyDetection says that a rule's detection holds nothing.
type ErrEmptyDetection struct{}

func (ErrEmptyDetection) Error() string { return "the detection is empty" }

// ErrMissingCondition says that a rule's detection has no condition that is text.
type ErrMissingCondition struct{}

func (ErrMissingCondition) Error() string { return "the detection has no condition" }

// ErrUnsupportedToken says that a rule uses what sigmac refuses by design, as aggregations in conditions.
type ErrUnsupportedToken struct{ Msg string }

func (e ErrUnsupportedToken) Error() string { return "not supported: " + e.Msg }

// ErrInvalidRegex says that a regular expression of a rule is none. Err has the place; Pattern is empty.
type ErrInvalidRegex struct {
	Pattern string
	Err     error
}

func (e ErrInvalidRegex) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e ErrInvalidRegex) Unwrap() error { return e.Err }

// RuleError is why sigmac refuses a rule, where none of the kinds above says it.
type RuleError struct {
	Source  string // file, line and column
	Code    string // of the diagnostic, as docs/checks.md lists them
	Message string
}

func (e *RuleError) Error() string { return fmt.Sprintf("%s: %s [%s]", e.Source, e.Message, e.Code) }
