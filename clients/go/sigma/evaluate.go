package sigma

import (
	"context"
	"errors"
	"fmt"
)

const (
	mostAttempts = 8        // at some events, before they are given up: one of them may be what ends a sigmac
	mostEvent    = 32 << 20 // bytes
)

// evaluate has some events evaluated by the pack that runs, whichever that is by then, and hands over what came of it.
//
// want chooses what the events are asked for; nil stops there. The error is eventErrors where single events could not
// be evaluated, and the others were.
func (c *client) evaluate(
	ctx context.Context, events []Event, want func(*pack) *asked, give func(*pack, *call),
) error {
	for range mostAttempts {
		now := c.pack.Load()
		asking := want(now)
		if asking == nil {
			return nil
		}
		made := newCall(now)
		wrong := made.write(events, asking)
		if len(wrong) == len(events) {
			made.free()
			return wrong
		}
		if err := c.ask(ctx, made); err != nil {
			return err
		}
		if made.outdated {
			made.free()
			continue
		}
		give(now, made)
		for _, each := range made.rejected {
			wrong = append(wrong, &EventError{Index: int(each.line), Reason: each.reason})
		}
		made.free()
		if wrong != nil {
			return wrong
		}
		return nil
	}
	return &UnavailableError{fmt.Errorf("%d attempts ended without an answer", mostAttempts)}
}

// write puts events into a call, a line for each; one that is wrong is a blank line, which nothing is said of.
func (c *call) write(events []Event, asking *asked) (wrong eventErrors) {
	for i, event := range events {
		before := len(c.data)
		data, found, err := appendEvent(c.data, event, asking)
		if err == nil && len(data)-before > mostEvent {
			err = &EventError{Reason: fmt.Sprintf("it has more than %d MiB", mostEvent>>20)}
		}
		var of *EventError
		if errors.As(err, &of) {
			of.Index = i
			wrong = append(wrong, of)
			data = append(c.data[:before], '\n')
		}
		c.data, c.lines = data, c.lines+1
		c.hasAny = c.hasAny || found
	}
	return wrong
}
