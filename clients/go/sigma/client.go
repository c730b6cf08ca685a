package sigma

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	waiting    = 1024                  // calls that may be queued; more wait outside
	firstPause = 20 * time.Millisecond // before another attempt to connect, then twice as long each time
	lastPause  = 500 * time.Millisecond
	startLimit = 5 * time.Minute  // for a sigmac that was started to compile its rules
	tryLimit   = 30 * time.Second // for one attempt
)

// A client keeps one session with a sigmac, begins another where it ends, and a sigmac where that has ended.
type client struct {
	config Config
	queue  chan *call
	pack   atomic.Pointer[pack] // that runs, as far as is known

	ctx   context.Context
	stop  context.CancelFunc
	over  chan struct{} // closed when nobody takes what is queued any more
	child *process      // of whoever connects

	describing sync.Mutex
	describes  *pack
	described  *Ruleset // of that pack
}

// newClient connects, and starts what is to be connected to where the configuration names no socket.
func newClient(config Config) (*client, error) {
	ctx, stop := context.WithCancel(context.Background())
	c := &client{
		config: config,
		queue:  make(chan *call, waiting),
		ctx:    ctx,
		stop:   stop,
		over:   make(chan struct{}),
	}
	limit := config.Timeout
	if config.Socket == "" {
		limit = max(limit, startLimit)
	}
	trying, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// Whatever comes of it is closed by run.
	first, err := c.connect(trying, true)
	if err != nil {
		close(c.over)
		c.close()
		return nil, err
	}
	go c.run(first)
	return c, nil
}

func (c *client) close() {
	c.stop()
	<-c.over
	if c.child != nil {
		c.child.stop()
	}
}

// ask has a call evaluated. Where the context ends first the call goes on without whoever asked, who must not free it.
func (c *client) ask(ctx context.Context, asked *call) error {
	select {
	case c.queue <- asked:
	case <-c.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.await(ctx, asked)
}

func (c *client) await(ctx context.Context, asked *call) error {
	select {
	case <-asked.done:
		return asked.err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.over:
	}
	select {
	case <-asked.done:
		return asked.err
	default:
		return ErrClosed
	}
}

// run keeps a session until the client is closed.
func (c *client) run(now *session) {
	defer close(c.over)
	for {
		err := now.run(c.config.Timeout)
		now.conn.Close()
		if c.ctx.Err() != nil {
			return
		}
		if status.Code(err) != codes.Canceled { // by a service to which nothing was said for long
			c.config.OnError(fmt.Errorf("sigma: the connection to sigmac was lost and is made anew: %w", err))
		}
		if now = c.again(); now == nil {
			return
		}
	}
}

// again connects anew, however long it takes; calls that wait longer than they may are failed.
func (c *client) again() *session {
	made := make(chan *session)
	why := make(chan error, 1)
	go func() {
		var found *session
		for found == nil && c.ctx.Err() == nil {
			trying, cancel := context.WithTimeout(c.ctx, startLimit)
			var err error
			if found, err = c.connect(trying, false); err != nil {
				select {
				case <-why:
				default:
				}
				why <- err
				c.sleep(lastPause)
			}
			cancel()
		}
		made <- found
	}()
	patience := time.After(c.config.Timeout)
	var late <-chan *call
	last := errors.New("it cannot be reached")
	for {
		select {
		case found := <-made:
			return found
		case <-patience:
			late = c.queue
		case asked := <-late:
			select {
			case last = <-why:
			default:
			}
			asked.fail(&UnavailableError{last})
		}
	}
}

// connect opens a session, starting a sigmac where there is none; it tries until the context ends.
//
// What cannot become better by waiting ends it at once: at the first time also a process that ends.
func (c *client) connect(ctx context.Context, first bool) (*session, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		found, err := c.attempt(ctx)
		if err == nil || isFinal(err) {
			return found, err
		}
		if c.child != nil {
			if ended := c.child.ended(); ended != nil {
				if c.child = nil; first {
					return nil, ended
				}
				err = ended
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, &UnavailableError{err}
		}
	}
}

func (c *client) sleep(pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-c.ctx.Done():
	}
}

func (c *client) attempt(ctx context.Context) (*session, error) {
	socket := c.config.Socket
	if socket == "" {
		if c.child == nil {
			child, err := startProcess(c.config)
			if err != nil {
				return nil, &finalError{err}
			}
			c.child = child
		}
		socket = c.child.socket
	}
	if err := checkOwner(socket); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("unix:"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	opened := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-opened:
		default:
			conn.Close()
		}
	})
	// The session outlives the attempt.
	found, err := openSession(c.ctx, c, conn)
	close(opened)
	stop()
	if err != nil {
		conn.Close()
		return nil, err
	}
	return found, nil
}

// finalError is one that trying again does not mend.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

func isFinal(err error) bool {
	var final *finalError
	if errors.As(err, &final) {
		return true
	}
	switch status.Code(err) {
	case codes.NotFound, codes.Unimplemented, codes.Unauthenticated, codes.PermissionDenied:
		return true
	}
	return false
}

// checkOwner refuses a socket that another user made: whoever did would be shown all events.
func checkOwner(socket string) error {
	info, err := os.Lstat(socket)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return &finalError{fmt.Errorf("sigma: %s belongs to another user", socket)}
	}
	if info.Mode()&os.ModeSocket == 0 {
		return &finalError{fmt.Errorf("sigma: %s is no socket", socket)}
	}
	return nil
}
