package sigma

import (
	"sync"
	"time"
)

// A call is some events on their way to an answer.
type call struct {
	pack  *pack  // whose fields the events have
	data  []byte // a line of JSON for each
	lines int

	hasAny bool // whether an event has anything of what it was asked for

	// Written before done is sent to.
	matches  []match
	rejected []rejection
	err      error // why none was evaluated
	outdated bool  // not evaluated: the events may have other fields than are asked for now

	done chan struct{} // one is sent
}

// A match is a rule, by its place in the pack, and the line of the call that it matches.
type match struct{ line, rule uint32 }

type rejection struct {
	line   uint32
	reason string
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

func newCall(of *pack) *call {
	made := calls.Get().(*call)
	*made = call{
		pack:     of,
		data:     made.data[:0],
		matches:  made.matches[:0],
		rejected: made.rejected[:0],
		done:     made.done,
	}
	return made
}

// free gives a call back that is done.
func (c *call) free() {
	c.pack = nil
	calls.Put(c)
}

func (c *call) fail(err error) {
	c.err = err
	c.done <- struct{}{}
}

// retry lets whoever waits ask again, for the pack that runs by then.
func (c *call) retry() {
	c.outdated = true
	c.done <- struct{}{}
}

// A batch is the calls that travel in one message, in order.
type batch struct {
	number uint64
	calls  []*call
	sent   time.Time

	at     int    // the call that the next match can be of
	before uint32 // lines of the calls before that
}

// take gives the matches of an answer, or of its next part, to the calls that they are of.
func (b *batch) take(lines, rules []uint32) bool {
	if len(lines) != len(rules) {
		return false
	}
	for i, line := range lines {
		if !b.seek(line) {
			return false
		}
		found := b.calls[b.at]
		found.matches = append(found.matches, match{line - b.before, rules[i]})
	}
	return true
}

// reject gives a rejected line to its call; lines come in order, but from the beginning of the part.
func (b *batch) reject(line uint32, reason string) bool {
	before := uint32(0)
	for _, each := range b.calls {
		if line < before+uint32(each.lines) {
			each.rejected = append(each.rejected, rejection{line - before, reason})
			return true
		}
		before += uint32(each.lines)
	}
	return false
}

func (b *batch) seek(line uint32) bool {
	if line < b.before {
		return false
	}
	for b.at < len(b.calls) {
		if line < b.before+uint32(b.calls[b.at].lines) {
			return true
		}
		b.before += uint32(b.calls[b.at].lines)
		b.at++
	}
	return false
}

func (b *batch) complete(outdated bool) {
	for _, each := range b.calls {
		each.outdated = outdated
		each.done <- struct{}{}
	}
}
