// Package sigma evaluates events with Sigma rules through a sigmac process.
//
// Its types and functions are those of go-sigma-rule-engine, so that a program changes its import path and goes on.
// The rules are compiled by sigmac, which runs beside the program and is asked over a Unix socket: NewRuleset starts
// one, or connects to one that runs. README.md says what differs.
package sigma

// Keyworder gives the texts that keywords of rules are looked for in; false where an event has none.
type Keyworder interface {
	Keywords() ([]string, bool)
}

// Selector gives the value of a field; false where an event does not have it.
//
// It is asked only for fields that a rule asks for, once for each event. A value is what encoding/json makes JSON of.
type Selector interface {
	Select(string) (interface{}, bool)
}

// Event is what rules are matched with. It is not changed, and not kept once it is evaluated.
type Event interface {
	Keyworder
	Selector
}

// Matcher says of an event whether it matches, and whether what it has can be decided on at all.
type Matcher interface {
	Match(Event) (matched, applicable bool)
}

// Branch is a Matcher: the root of a Tree.
type Branch interface {
	Matcher
}
