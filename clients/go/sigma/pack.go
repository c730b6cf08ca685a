package sigma

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sigmac/clients/go/sigma/internal/wire"
)

const rulesMethod = "/sigmac.control.v1.Control/ListRules"

// A pack is the rules that a sigmac evaluates with, as one connection knows them.
type pack struct {
	asked

	generation uint32
	digest     string
	rules      []*wire.Rule
	results    []Result // by rule
	refused    []*wire.RefusedRule

	mutex  sync.Mutex
	single map[uint32]*asked  // what one rule asks
	places map[ruleKey]uint32 // of rules, where they were looked for by their keys
}

// ruleKey is a rule in whichever pack.
type ruleKey struct{ id, title, source string }

func keyOf(rule *wire.Rule) ruleKey {
	// A rule with an id is the same wherever it stands.
	if rule.GetId() != "" {
		return ruleKey{id: rule.GetId()}
	}
	file, _, _ := strings.Cut(rule.GetSource(), ":")
	return ruleKey{title: rule.GetTitle(), source: file}
}

func askedByAll(p *pack) *asked { return &p.asked }

// resultsOf are the results of rules that match one event.
func (p *pack) resultsOf(matches []match) Results {
	if len(matches) == 0 {
		return nil
	}
	results := make(Results, len(matches))
	for i, each := range matches {
		results[i] = p.results[each.rule]
	}
	return results
}

// askedBy is what one rule asks of an event.
func (p *pack) askedBy(rule uint32) *asked {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	known := p.single[rule]
	if known == nil {
		found := newAsked(p.rules[rule].GetAsks(), p.rules[rule].GetKeywords(), p.collapse)
		known = &found
		p.single[rule] = known
	}
	return known
}

// place is where a rule stands in this pack.
func (p *pack) place(key ruleKey) (uint32, bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.places == nil {
		p.places = make(map[ruleKey]uint32, len(p.rules))
		for i, rule := range p.rules {
			p.places[keyOf(rule)] = uint32(i)
		}
	}
	place, ok := p.places[key]
	return place, ok
}

// loadPack asks for the rules of a pack that is said to run; an error where another one runs by then.
func loadPack(
	ctx context.Context, to *grpc.ClientConn, name string, running *wire.EvaluateResponse_Running, collapse bool,
) (*pack, error) {
	made := &pack{
		asked:      newAsked(running.GetFields(), running.GetKeywords(), collapse),
		generation: running.GetGeneration(),
		digest:     running.GetDigest(),
		single:     map[uint32]*asked{},
	}
	for token := ""; ; {
		request := &wire.ListRulesRequest{Pack: name, PageSize: 1000, PageToken: token}
		page := &wire.ListRulesResponse{}
		if err := to.Invoke(ctx, rulesMethod, request, page); err != nil {
			return nil, err
		}
		if page.GetDigest() != made.digest {
			return nil, status.Error(codes.Aborted, "another pack runs by now")
		}
		made.refused = append(made.refused, page.GetRefused()...)
		made.rules = append(made.rules, page.GetRules()...)
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(made.rules) != int(running.GetRules()) {
		return nil, fmt.Errorf("%d rules are listed of a pack that has %d", len(made.rules), running.GetRules())
	}
	made.results = make([]Result, len(made.rules))
	for i, rule := range made.rules {
		made.results[i] = Result{Tags: rule.GetTags(), ID: rule.GetId(), Title: rule.GetTitle()}
	}
	return made, nil
}

// unsupported are the codes of what sigmac refuses by design; anything else is a mistake in a rule.
var unsupported = map[string]bool{"E_AGGREGATION": true, "E_ARRAY_MATCHING": true, "E_REGEX_UNSUPPORTED": true}

// refusal is why a rule is refused, as an error of the kind that fits.
func refusal(of *wire.RefusedRule) error {
	switch code := of.GetCode(); {
	case unsupported[code]:
		return ErrUnsupportedToken{Msg: fmt.Sprintf("%s: %s", of.GetSource(), of.GetMessage())}
	case isYaml(code):
		return ErrParseYaml{Path: fileOf(of.GetSource()), Err: ruleError(of)}
	case code == "E_EMPTY":
		return ErrEmptyDetection{}
	case code == "E_REGEX":
		return ErrInvalidRegex{Err: ruleError(of)}
	}
	return ruleError(of)
}

func ruleError(of *wire.RefusedRule) error {
	return &RuleError{Source: of.GetSource(), Code: of.GetCode(), Message: of.GetMessage()}
}

// isYaml says whether a file is refused before there is a rule in it.
func isYaml(code string) bool {
	return strings.HasPrefix(code, "E_YAML") || code == "E_ENCODING" || code == "E_DOC_TYPE"
}

// fileOf is the file of `file:line:column` or `file:line`.
func fileOf(source string) string {
	for range 2 {
		at := strings.LastIndexByte(source, ':')
		if at < 0 {
			break
		}
		if _, err := strconv.Atoi(source[at+1:]); err != nil {
			break
		}
		source = source[:at]
	}
	return source
}
