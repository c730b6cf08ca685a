package sigma

import (
	"context"
	"errors"
)

// A Tree is a rule that can be matched by itself.
type Tree struct {
	Root Branch
	Rule *RuleHandle

	alone *Ruleset // of a tree that NewTree made
}

// Match says whether the rule matches an event; and, of one that it does not match, whether the event has anything that
// the rule asks for.
func (t Tree) Match(e Event) (matched, applicable bool) { return t.Root.Match(e) }

// Eval is Match with what EvalAll would give.
func (t Tree) Eval(e Event) (*Result, bool) {
	if matched, _ := t.Match(e); !matched {
		return nil, false
	}
	if t.Rule == nil {
		return &Result{}, true
	}
	return &Result{Tags: t.Rule.Tags, ID: t.Rule.ID, Title: t.Rule.Title}, true
}

// Close ends the sigmac of a tree that NewTree made; it is that of all rules which one NewRuleList gave.
func (t Tree) Close() error {
	if t.alone == nil {
		return nil
	}
	return t.alone.Close()
}

// matcher matches one rule, as long as a pack in service has it.
type matcher struct {
	client *client
	key    ruleKey
}

func (m *matcher) Match(e Event) (matched, applicable bool) {
	var place uint32
	want := func(p *pack) *asked {
		found, ok := p.place(m.key)
		if !ok {
			return nil // another pack was taken up, and it lacks the rule
		}
		place = found
		return p.askedBy(place)
	}
	err := m.client.evaluate(context.Background(), []Event{e}, want, func(_ *pack, found *call) {
		applicable = found.hasAny
		for _, each := range found.matches {
			if each.rule == place {
				matched, applicable = true, true
			}
		}
	})
	if err != nil {
		m.client.config.OnError(err)
	}
	return matched, applicable
}

// NewTree makes a rule that can be matched by itself, or says why it cannot be.
//
// All rules of a NewRuleList share one sigmac, which the first call starts; a rule from anywhere else has one of its
// own. Close ends it. For many rules a Ruleset is what is quick.
func NewTree(r RuleHandle) (*Tree, error) {
	if r.Detection == nil {
		return nil, ErrMissingDetection{}
	}
	if r.Detection["condition"] == nil {
		return nil, ErrMissingCondition{}
	}
	list := r.list
	if list == nil {
		list = &ruleList{noCollapseWS: r.NoCollapseWS, alone: &r.Rule}
	}
	set, err := list.ruleset()
	if err != nil {
		return nil, err
	}
	name := list.name(r.Path)
	for _, each := range set.client.pack.Load().refused {
		if fileName(each.GetSource()) == name {
			set.closeIf(list.alone != nil)
			return nil, refusal(each)
		}
	}
	for i, each := range set.client.pack.Load().rules {
		if fileName(each.GetSource()) == name {
			return &Tree{Root: set.Rules[i].Root, Rule: &r, alone: set}, nil
		}
	}
	set.closeIf(list.alone != nil)
	return nil, errors.New("sigma: " + r.Path + " holds no rule that can be matched by itself")
}

func (r *Ruleset) closeIf(alone bool) {
	if alone {
		r.Close()
	}
}
