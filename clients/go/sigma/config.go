package sigma

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

const defaultTimeout = 30 * time.Second

// Config says which rules a Ruleset has, and which sigmac evaluates with them. The first fields are those of
// go-sigma-rule-engine; the others may be left out.
type Config struct {
	// Directory has the folders of rules. With Socket they only tell files and detections of rules.
	Directory []string
	// FailOnRuleParse makes a rule that sigmac refuses an error; without it the rule is counted in Ruleset.Failed.
	// FailOnYamlParse does the same for files that are no YAML alone.
	FailOnRuleParse, FailOnYamlParse bool
	// NoCollapseWS leaves runs of white space as they are, in rules and in events.
	NoCollapseWS bool

	// Socket is that of a sigmac which runs: `sigmac serve PACK --socket PATH`, or `control.bind: unix:PATH` of a
	// service. Empty: the variable SIGMAC_SOCKET, and without it a sigmac is started for the folders of Directory.
	Socket string
	// Pack is the name in that service's configuration. Default: rules, the name where sigmac was given --socket.
	Pack string
	// Command starts sigmac. Default: the words of the variable SIGMAC_COMMAND, and without it sigmac of PATH.
	Command []string
	// Pipelines are given to a sigmac that is started, as --pipeline.
	Pipelines []string
	// Stderr is where the log of a sigmac that is started goes. Default: nowhere.
	Stderr io.Writer
	// Timeout is how long calls wait while no sigmac answers. Default: 30 seconds.
	Timeout time.Duration
	// OnError is told of every event that EvalAll could not have evaluated, and of every lost connection. It may be
	// called by several goroutines. Default: a line on standard error, at most one a second.
	//
	// Each Ruleset with OnError or Stderr has a connection of its own, and a sigmac where one is started; all others of
	// the same Config share theirs.
	OnError func(error)
}

func (c Config) withDefaults() Config {
	if c.Socket == "" {
		c.Socket = os.Getenv("SIGMAC_SOCKET")
	}
	if c.Pack == "" {
		c.Pack = "rules"
	}
	if len(c.Command) == 0 {
		c.Command = strings.Fields(os.Getenv("SIGMAC_COMMAND"))
	}
	if len(c.Command) == 0 {
		c.Command = []string{"sigmac"}
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.OnError == nil {
		c.OnError = (&sparingReport{to: os.Stderr}).tell
	}
	return c
}

// sparingReport writes errors as lines, at most one a second, with how many were left out.
type sparingReport struct {
	to     io.Writer
	mutex  sync.Mutex
	last   time.Time
	untold int
}

func (r *sparingReport) tell(err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if time.Since(r.last) < time.Second {
		r.untold++
		return
	}
	more := ""
	if r.untold > 0 {
		more = fmt.Sprintf(" (%d more before)", r.untold)
	}
	r.last, r.untold = time.Now(), 0
	fmt.Fprintf(r.to, "%s%s\n", err, more)
}
