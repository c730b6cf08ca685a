package sigma

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	kept      = 4 << 10         // bytes of what a process wrote last
	endWithin = 5 * time.Second // after its standard input has ended
)

// process is a sigmac that this program started. It ends when its standard input does: when this program ends, too.
type process struct {
	socket string
	stdin  io.Closer
	cmd    *exec.Cmd
	log    *tail
	done   chan struct{} // closed when it has ended
	err    error         // how, once it has
}

// startProcess starts `sigmac serve` for rules below some folders.
func startProcess(config Config) (*process, error) {
	program, err := exec.LookPath(config.Command[0])
	if err != nil {
		return nil, fmt.Errorf("sigma: there is no %s: install it (pip install 'sigmac[compiler,service]') and have it "+
			"on PATH, or set Config.Command or SIGMAC_COMMAND, or Config.Socket or SIGMAC_SOCKET for one that runs: %w",
			config.Command[0], err)
	}
	// The folder is made by sigmac, and removed when it ends, also after this program.
	p := &process{
		socket: filepath.Join(os.TempDir(), "sigma-"+rand.Text(), "socket"),
		log:    &tail{to: config.Stderr},
		done:   make(chan struct{}),
	}
	arguments := append(config.Command[1:len(config.Command):len(config.Command)],
		"serve", "--until-eof", "--socket", p.socket)
	pipelines := append([]string{}, config.Pipelines...)
	// What go-sigma-rule-engine does with every rule; encode.go does its part with events.
	if pipelines = append(pipelines, "go-keywords"); !config.NoCollapseWS {
		pipelines = append(pipelines, "go-white-space")
	}
	for _, each := range pipelines {
		arguments = append(arguments, "--pipeline", each)
	}
	arguments = append(append(arguments, "--"), config.Directory...)
	p.cmd = exec.Command(program, arguments...)
	p.cmd.Stderr = p.log
	p.cmd.WaitDelay = endWithin
	stdin, err := p.cmd.StdinPipe()
	if err == nil {
		p.stdin = stdin
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("sigma: %s cannot be started: %w", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ended says why a process has ended, and nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	how := "ended"
	if p.err != nil {
		how = p.err.Error()
	}
	if said := p.log.text(); said != "" {
		return fmt.Errorf("sigma: sigmac ended (%s); it said last: %s", how, said)
	}
	return errors.New("sigma: sigmac ended: " + how)
}

// stop ends the process, at once where it takes long.
func (p *process) stop() {
	p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(endWithin):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// tail passes on what is written, and keeps the end of it.
type tail struct {
	to    io.Writer
	mutex sync.Mutex
	end   []byte
}

func (t *tail) Write(data []byte) (int, error) {
	t.mutex.Lock()
	t.end = append(t.end, data...)
	if more := len(t.end) - kept; more > 0 {
		t.end = append(t.end[:0], t.end[more:]...)
	}
	t.mutex.Unlock()
	if t.to == nil {
		return len(data), nil
	}
	return t.to.Write(data)
}

func (t *tail) text() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.TrimSpace(string(t.end))
}
