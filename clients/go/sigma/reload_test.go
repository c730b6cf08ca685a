package sigma_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigmac/clients/go/sigma"
)

// serve runs `sigmac serve` until the function that is returned is called, or the test ends.
func serve(t *testing.T, socket string, arguments ...string) (stop func()) {
	t.Helper()
	command := strings.Fields(os.Getenv("SIGMAC_COMMAND"))
	if len(command) == 0 {
		command = []string{"sigmac"}
	}
	arguments = append([]string{"serve", "--until-eof", "--socket", socket}, arguments...)
	served := exec.Command(command[0], append(command[1:], arguments...)...)
	served.Stderr = os.Stderr
	stdin, err := served.StdinPipe()
	if err == nil {
		err = served.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			served.Process.Kill()
			io.Closer(stdin).Close()
			served.Wait()
		})
	}
	t.Cleanup(stop)
	return stop
}

func TestRulesChange(t *testing.T) {
	folder := copied(t, "words.yml")
	r := start(t, sigma.Config{Directory: []string{folder}})
	whoamiRule := r.Rules[1]
	ended := make(chan struct{})
	var done sync.WaitGroup
	var asked atomic.Int64
	for range 8 {
		done.Add(1)
		go func() {
			defer done.Done()
			for {
				select {
				case <-ended:
					return
				default:
				}
				// By whichever pack, this one is there.
				if results, _ := r.EvalAll(port); !strings.HasPrefix(titles(results), "A Port") {
					t.Errorf("%v", results)
				}
				asked.Add(1)
			}
		}()
	}
	write(t, filepath.Join(folder, "more.yml"), rule("Users", "s: {User: alice, New: '*'}, condition: s"))
	os.Remove(filepath.Join(folder, "whoami.yml"))
	// The new rule asks for a field that none asked for before.
	newer := fields{"User": "alice", "New": "x", "Image": whoami["Image"]}
	eventually(t, func() bool {
		results, _ := r.EvalAll(newer)
		return titles(results) == "Users"
	})
	close(ended)
	done.Wait()
	if matched, applicable := whoamiRule.Match(whoami); matched || applicable {
		t.Error("a rule that is gone matches")
	}
	now, err := r.Current()
	if err != nil {
		t.Fatal(err)
	}
	if now.Ok != 2 || now.Rules[0].Rule.Title != "Users" || r.Ok != 2 {
		t.Errorf("%+v", now)
	}
	t.Log(asked.Load(), "calls")
}

func TestASigmacThatIsKilled(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s", "socket")
	stop := serve(t, socket, "testdata/rules")
	var lost atomic.Int64
	r := start(t, sigma.Config{Socket: socket, OnError: func(error) { lost.Add(1) }, Timeout: patience})
	if r.Total != 3 || r.Ok != 3 || r.Rules[1].Rule.Path != "rules/whoami.yml" {
		t.Errorf("%+v", r.Rules[1].Rule)
	}
	var done sync.WaitGroup
	again := make(chan struct{})
	var asked atomic.Int64
	for range 8 {
		done.Add(1)
		go func() {
			defer done.Done()
			for after := 0; after < 20; {
				if results, _ := r.EvalAll(whoami); titles(results) != "Whoami" {
					t.Errorf("%v", results)
				}
				asked.Add(1)
				select {
				case <-again:
					after++
				default:
				}
			}
		}()
	}
	eventually(t, func() bool { return asked.Load() > 100 })
	stop()
	serve(t, socket, "testdata/rules")
	close(again)
	done.Wait()
	if lost.Load() == 0 {
		t.Error("nobody was told")
	}
}

func TestNobodyAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s", "socket")
	stop := serve(t, socket, "testdata/rules")
	start(t, sigma.Config{Socket: socket, OnError: func(error) {}}) // waits until there is one
	var told atomic.Int64
	r := start(t, sigma.Config{Socket: socket, OnError: func(error) { told.Add(1) }, Timeout: 200 * time.Millisecond})
	stop()
	results, matched := r.EvalAll(whoami)
	if matched || results != nil || told.Load() == 0 {
		t.Error(results, matched, told.Load())
	}
}
