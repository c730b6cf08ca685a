package sigma

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

const (
	chunk        = 256 // events of EvalBatch in one call
	chunksAtOnce = 6
)

// A Ruleset evaluates events with many rules at once. Its methods may be called by any number of goroutines, and are
// quickest so: what they ask travels together.
//
// Its fields tell what ran when it was made. Where the sigmac behind it takes up other rules, EvalAll uses these from
// then on, and Current tells of them.
type Ruleset struct {
	// Rules are those in service. Each can be matched by itself, which costs as much as EvalAll.
	Rules []*Tree

	// Total counts files. Of these, Ok have rules in service, Failed have mistakes, and Unsupported use what sigmac
	// refuses by design. Without a Directory, Total is their sum.
	Total, Ok, Failed, Unsupported int

	client *client
	config Config
	leave  func()
}

// NewRuleset gives the rules of a Config, once they can be matched. Close ends what it starts.
func NewRuleset(c Config) (*Ruleset, error) {
	config := c.withDefaults()
	if config.Socket == "" || len(config.Directory) > 0 {
		if err := checkDirectories(config.Directory); err != nil {
			return nil, err
		}
	}
	made, leave, err := clientFor(config, c.OnError != nil || c.Stderr != nil)
	if err != nil {
		return nil, err
	}
	r, err := rulesetOf(made, config, leave)
	if err != nil {
		leave()
		return nil, err
	}
	return r, nil
}

// Close ends the connection and the sigmac that was started for it, where no other Ruleset uses them. Calls that wait
// get ErrClosed then.
func (r *Ruleset) Close() error {
	r.leave()
	return nil
}

// Current tells of the rules that are in service now. It is closed with the Ruleset that it is of.
func (r *Ruleset) Current() (*Ruleset, error) { return rulesetOf(r.client, r.config, r.leave) }

// EvalAll gives the rules that match an event, and whether there are any.
//
// It waits while no sigmac answers, at most as long as Config.Timeout says. An event that could not be evaluated is
// told to Config.OnError and matches nothing; EvalContext returns the error instead.
func (r Ruleset) EvalAll(e Event) (Results, bool) {
	results, err := r.EvalContext(context.Background(), e)
	if err != nil {
		r.config.OnError(err)
	}
	return results, len(results) > 0
}

// EvalContext gives the rules that match an event. The error is ErrClosed, an UnavailableError, an EventError, or that
// of the context.
func (r Ruleset) EvalContext(ctx context.Context, e Event) (Results, error) {
	var results Results
	err := r.client.evaluate(ctx, []Event{e}, askedByAll, func(p *pack, found *call) {
		results = p.resultsOf(found.matches)
	})
	return results, err
}

// EvalBatch gives the rules that match each of some events, and calls their methods from several goroutines.
//
// Of events that could not be evaluated the error tells: it unwraps to an EventError with its Index for each, and the
// results of the others are there. With any other error there are no results.
func (r Ruleset) EvalBatch(ctx context.Context, events []Event) ([]Results, error) {
	results := make([]Results, len(events))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	var workers sync.WaitGroup
	var mutex sync.Mutex
	var wrong []error
	var failure error
	work := func() {
		for ctx.Err() == nil {
			begin := int(next.Add(chunk) - chunk)
			if begin >= len(events) {
				return
			}
			some := events[begin:min(begin+chunk, len(events))]
			err := r.client.evaluate(ctx, some, askedByAll, func(p *pack, found *call) {
				for matches := found.matches; len(matches) > 0; {
					line, end := matches[0].line, 1
					for end < len(matches) && matches[end].line == line {
						end++
					}
					results[begin+int(line)] = p.resultsOf(matches[:end])
					matches = matches[end:]
				}
			})
			if err == nil {
				continue
			}
			mutex.Lock()
			if events, ok := err.(eventErrors); ok {
				for _, each := range events {
					each.Index += begin
					wrong = append(wrong, each)
				}
			} else if failure == nil {
				failure = err
				cancel()
			}
			mutex.Unlock()
		}
	}
	for range min(chunksAtOnce, (len(events)+chunk-1)/chunk) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			work()
		}()
	}
	workers.Wait()
	if failure == nil {
		failure = ctx.Err()
	}
	if failure != nil {
		return nil, failure
	}
	return results, errors.Join(wrong...)
}

func rulesetOf(c *client, config Config, leave func()) (*Ruleset, error) {
	now := c.pack.Load()
	found, err := c.describe(now)
	if err != nil {
		return nil, err
	}
	for _, each := range now.refused {
		if config.FailOnRuleParse || config.FailOnYamlParse && isYaml(each.GetCode()) {
			return nil, refusal(each)
		}
	}
	r := *found
	r.client, r.config, r.leave = c, config, leave
	return &r, nil
}

// describe tells of the rules of a pack. All that share a client are told the same, and files are read once.
func (c *client) describe(now *pack) (*Ruleset, error) {
	c.describing.Lock()
	defer c.describing.Unlock()
	if c.described != nil && c.describes == now {
		return c.described, nil
	}
	files, err := rulesInFiles(c.config)
	if err != nil {
		return nil, err
	}
	r := &Ruleset{Ok: len(now.rules), Total: len(files), Rules: make([]*Tree, len(now.rules))}
	failed := map[string]bool{}
	for _, each := range now.refused {
		file := fileOf(each.GetSource())
		failed[file] = failed[file] || !unsupported[each.GetCode()]
	}
	for _, mistaken := range failed {
		if mistaken {
			r.Failed++
		} else {
			r.Unsupported++
		}
	}
	if len(files) == 0 {
		r.Total = r.Ok + r.Failed + r.Unsupported
	}
	for i, rule := range now.rules {
		handle := handleOf(rule, files, !c.config.NoCollapseWS)
		r.Rules[i] = &Tree{Root: &matcher{client: c, key: keyOf(rule)}, Rule: handle}
	}
	c.described, c.describes = r, now
	return r, nil
}
