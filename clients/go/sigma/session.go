package sigma

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"sigmac/clients/go/sigma/internal/wire"
)

const (
	evaluateMethod = "/sigmac.control.v1.Control/Evaluate"
	// One batch is in work, one waits; what comes meanwhile goes into the third.
	inFlight  = 2
	mostBytes = 512 << 10 // of a batch
	mostCalls = 4096
)

var conversation = grpc.StreamDesc{StreamName: "Evaluate", ServerStreams: true, ClientStreams: true}

// errOdd is what a process says that is no sigmac of this version.
var errOdd = errors.New("the process at the socket does not answer as sigmac does")

// A session is one stream to a sigmac: it sends what is queued in batches, and gives the answers to who waits.
type session struct {
	client *client
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	ctx    context.Context
	end    context.CancelFunc

	pack   atomic.Pointer[pack] // that runs, as the last message said
	room   chan struct{}        // one for each batch in flight
	sent   chan *batch          // in flight, in order
	oldest atomic.Int64         // when what is in flight was sent, in nanoseconds; 0: there is nothing
	failed chan error           // of whoever fails first

	records []byte // of the last batch: room for the next; of send alone
}

// openSession begins a stream, and waits for the pack that runs.
func openSession(ctx context.Context, of *client, conn *grpc.ClientConn) (*session, error) {
	ctx, end := context.WithCancel(ctx)
	s := &session{
		client: of,
		conn:   conn,
		ctx:    ctx,
		end:    end,
		room:   make(chan struct{}, inFlight),
		sent:   make(chan *batch, inFlight),
		failed: make(chan error, 2),
	}
	err := s.begin()
	if err != nil {
		end()
		return nil, err
	}
	return s, nil
}

func (s *session) begin() error {
	stream, err := s.conn.NewStream(s.ctx, &conversation, evaluateMethod)
	if err != nil {
		return err
	}
	s.stream = stream
	start := &wire.EvaluateRequest_Start{Pack: s.client.config.Pack}
	first := &wire.EvaluateRequest{Part: &wire.EvaluateRequest_Start_{Start: start}}
	if err := stream.SendMsg(first); err != nil {
		return s.reason(err)
	}
	answer := &wire.EvaluateResponse{}
	if err := stream.RecvMsg(answer); err != nil {
		return err
	}
	if answer.GetRunning() == nil {
		return errOdd
	}
	return s.load(answer.GetRunning())
}

// reason is why a stream has ended, where sending says no more than that it has.
func (s *session) reason(err error) error {
	if received := s.stream.RecvMsg(&wire.EvaluateResponse{}); received != nil {
		return received
	}
	return err
}

func (s *session) load(running *wire.EvaluateResponse_Running) error {
	config := &s.client.config
	made, err := loadPack(s.ctx, s.conn, config.Pack, running, !config.NoCollapseWS)
	if err != nil {
		return err
	}
	s.pack.Store(made)
	s.client.pack.Store(made)
	return nil
}

// run sends and receives until the stream ends; why it did. What was in flight is asked anew by who waits for it.
func (s *session) run(timeout time.Duration) error {
	ended := make(chan struct{}, 2)
	for _, work := range []func() error{s.send, s.receive} {
		go func() {
			s.failed <- work()
			s.end()
			ended <- struct{}{}
		}()
	}
	look := time.NewTicker(timeout/4 + time.Millisecond)
	defer look.Stop()
	var why error
	for why == nil {
		select {
		case why = <-s.failed:
		case now := <-look.C:
			if sent := s.oldest.Load(); sent != 0 && now.UnixNano()-sent > int64(timeout) {
				why = fmt.Errorf("no answer within %s", timeout)
			}
		}
	}
	s.end()
	<-ended
	<-ended
	close(s.sent)
	for each := range s.sent {
		each.complete(true)
	}
	return why
}

func (s *session) send() error {
	var next *call
	for number := uint64(1); ; number++ {
		if next == nil {
			select {
			case next = <-s.client.queue:
			case <-s.ctx.Done():
				return s.ctx.Err()
			}
		}
		select {
		case s.room <- struct{}{}:
		case <-s.ctx.Done():
			next.retry()
			return s.ctx.Err()
		}
		// Others that are about to ask come along.
		runtime.Gosched()
		var made *batch
		var records []byte
		made, records, next = s.gather(next)
		if made == nil {
			<-s.room
			continue
		}
		made.number, made.sent = number, time.Now()
		s.sent <- made
		s.oldest.CompareAndSwap(0, made.sent.UnixNano())
		err := s.stream.SendMsg(&wire.EvaluateRequest{Part: &wire.EvaluateRequest_Batch_{Batch: &wire.EvaluateRequest_Batch{
			Number:     number,
			Generation: made.calls[0].pack.generation,
			Records:    records,
		}}})
		// The message is written by now: nothing looks at it later, as neither statistics nor retries are asked for.
		s.records = records
		if err != nil {
			if next != nil {
				next.retry()
			}
			// Receiving says why.
			<-s.ctx.Done()
			return s.ctx.Err()
		}
	}
}

// gather makes a batch of a call and of those that wait; and the first that does not fit, for the next batch.
func (s *session) gather(first *call) (made *batch, records []byte, next *call) {
	now := s.pack.Load()
	for each := first; ; {
		switch {
		case each.pack != now:
			each.retry()
		case made != nil && len(records)+len(each.data) > mostBytes:
			return made, records, each
		default:
			if made == nil {
				made = &batch{}
				records = s.records[:0]
			}
			made.calls = append(made.calls, each)
			records = append(records, each.data...)
		}
		if made != nil && len(made.calls) >= mostCalls {
			return made, records, nil
		}
		select {
		case each = <-s.client.queue:
		default:
			return made, records, nil
		}
	}
}

func (s *session) receive() error {
	var current *batch
	// What was not answered in full is asked anew.
	defer func() {
		if current != nil {
			current.complete(true)
		}
	}()
	for {
		message := &wire.EvaluateResponse{}
		if err := s.stream.RecvMsg(message); err != nil {
			return err
		}
		if running := message.GetRunning(); running != nil {
			if err := s.load(running); err != nil {
				return err
			}
			continue
		}
		answer := message.GetAnswer()
		if current == nil {
			select {
			case current = <-s.sent:
			default:
				return errOdd
			}
		}
		if answer == nil || answer.GetNumber() != current.number || !s.give(current, answer) {
			return errOdd
		}
		if answer.GetLast() {
			done := current
			current = nil
			s.oldest.Store(0)
			if len(s.sent) > 0 {
				// One was sent meanwhile: it has been in work from now on.
				s.oldest.Store(time.Now().UnixNano())
			}
			done.complete(answer.GetOutdated())
			<-s.room
		}
	}
}

// give hands the matches of an answer to those who wait for them.
func (s *session) give(to *batch, answer *wire.EvaluateResponse_Answer) bool {
	rules := uint32(len(s.pack.Load().rules))
	for _, rule := range answer.GetRules() {
		if rule >= rules {
			return false
		}
	}
	for _, each := range answer.GetRejected() {
		if !to.reject(uint32(each.GetLine()), each.GetReason()) {
			return false
		}
	}
	return to.take(answer.GetLines(), answer.GetRules())
}
