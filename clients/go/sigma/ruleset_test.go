package sigma_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sigmac/clients/go/sigma"
)

const patience = time.Minute

type fields map[string]interface{}

func (f fields) Keywords() ([]string, bool) {
	text, ok := f["text"].(string)
	return []string{text}, ok
}

func (f fields) Select(name string) (interface{}, bool) {
	value, ok := f[name]
	return value, ok
}

var (
	whoami = fields{"Image": `C:\Windows\System32\whoami.exe`, "User": "alice"}
	system = fields{"Image": `C:\Windows\System32\whoami.exe`, "User": "system"}
	port   = fields{"dst.port": 4444.0, "Initiated": true}
	words  = fields{"text": "a\tKernel Panic \x00 \"!\""}
	other  = fields{"Image": "calc.exe"}
)

func TestMain(m *testing.M) {
	if os.Getenv("SIGMAC_COMMAND") == "" {
		if _, err := exec.LookPath("sigmac"); err != nil {
			fmt.Println("there is no sigmac on PATH, and SIGMAC_COMMAND is not set: no tests")
			return
		}
	}
	before := runtime.NumGoroutine()
	status := m.Run()
	if common != nil {
		common.Close()
	}
	for until := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			stacks := make([]byte, 1<<20)
			fmt.Printf("goroutines are left:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			status = 1
			break
		}
	}
	os.Exit(status)
}

// start makes a Ruleset, and closes it at the end; what EvalAll cannot do fails the test.
func start(t *testing.T, config sigma.Config) *sigma.Ruleset {
	t.Helper()
	if config.OnError == nil {
		config.OnError = func(err error) { t.Error(err) }
	}
	r, err := sigma.NewRuleset(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

var common *sigma.Ruleset

// shared is the Ruleset of the rules of testdata, for tests that do not change it.
func shared(t *testing.T) *sigma.Ruleset {
	t.Helper()
	if common == nil {
		made, err := sigma.NewRuleset(sigma.Config{Directory: []string{"testdata/rules"}, NoCollapseWS: true})
		if err != nil {
			t.Fatal(err)
		}
		common = made
	}
	return common
}

// copied is a folder with the rules of testdata, which a test may change.
func copied(t *testing.T, without ...string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "rules")
	if err := os.CopyFS(folder, os.DirFS("testdata/rules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range without {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rule(title, detection string) string {
	return fmt.Sprintf("title: %s\nlogsource: {category: any}\ndetection: {%s}\n", title, detection)
}

func titles(results sigma.Results) string {
	found := []string{}
	for _, each := range results {
		found = append(found, each.Title)
	}
	return strings.Join(found, ", ")
}

func eventually(t *testing.T, what func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !what(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it did not happen")
		}
	}
}

func TestEvents(t *testing.T) {
	r := shared(t)
	for _, c := range []struct {
		event fields
		want  string
	}{
		{whoami, "Whoami"},
		{system, ""},
		{port, "A Port of Metasploit"},
		{fields{"dst.port": "4444", "Initiated": "true"}, "A Port of Metasploit"},
		{fields{"dst.port": int32(4444), "Initiated": []bool{false, true}}, "A Port of Metasploit"},
		{fields{"dst.port": 4444.5, "Initiated": true}, ""},
		{words, "Words"},
		{fields{"text": "calm"}, ""},
		{fields{}, ""},
	} {
		results, matched := r.EvalAll(c.event)
		if titles(results) != c.want || matched != (c.want != "") {
			t.Errorf("%v: %s, %v", c.event, titles(results), matched)
		}
	}
	results, _ := r.EvalAll(whoami)
	want := sigma.Result{Tags: sigma.Tags{"attack.discovery", "attack.t1033"}, ID: "5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11", Title: "Whoami"}
	if !reflect.DeepEqual(results[0], want) {
		t.Errorf("%+v", results[0])
	}
}

func TestWhiteSpaceAndKeywords(t *testing.T) {
	folder := copied(t, "port.yml", "whoami.yml")
	write(t, filepath.Join(folder, "net.yml"), rule("Net", "s: {CommandLine|contains: 'net  user'}, condition: s"))
	write(t, filepath.Join(folder, "regex.yml"), rule("Two Blanks", "s: {CommandLine|re: 'net  user'}, condition: s"))
	white := [2]*sigma.Ruleset{}
	for _, c := range []struct {
		event           fields
		collapsed, left string
	}{
		{fields{"CommandLine": "net user"}, "Net", ""},
		{fields{"CommandLine": "net \t\nuser"}, "Net", ""},
		{fields{"CommandLine": "net  user"}, "Net, Two Blanks", "Net, Two Blanks"},
		{fields{"CommandLine": []interface{}{1, "net \f user"}}, "Net", ""},
		{fields{"text": "a kernel  panic"}, "Words", ""},
		// Keywords are looked for in what Keywords gives, and nowhere else.
		{fields{"text": "a kernel panic"}, "Words", "Words"},
		{fields{"CommandLine": "a kernel panic"}, "", ""},
	} {
		for i, want := range []string{c.collapsed, c.left} {
			r := white[i]
			if r == nil {
				r = start(t, sigma.Config{Directory: []string{folder}, NoCollapseWS: i == 1})
				white[i] = r
			}
			if results, _ := r.EvalAll(c.event); titles(results) != want {
				t.Errorf("%v, %d: %s", c.event, i, titles(results))
			}
		}
	}
}

func TestRulesAndTheirMetadata(t *testing.T) {
	r := shared(t)
	if r.Total != 3 || r.Ok != 3 || r.Failed != 0 || r.Unsupported != 0 || len(r.Rules) != 3 {
		t.Errorf("%+v", r)
	}
	found := r.Rules[1].Rule
	written, err := sigma.NewRuleList([]string{"testdata/rules/whoami.yml"}, false, true)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(found.Rule, written[0].Rule) || found.Path != "testdata/rules/whoami.yml" || !found.NoCollapseWS {
		t.Errorf("%+v\n%+v", found.Rule, written[0].Rule)
	}
}

func TestOneRule(t *testing.T) {
	r := shared(t)
	for _, c := range []struct {
		rule                int
		event               fields
		matched, applicable bool
	}{
		{1, whoami, true, true},
		{1, system, false, true},
		{1, port, false, false},
		{0, port, true, true},
		{2, words, true, true},
		{2, whoami, false, false},
	} {
		matched, applicable := r.Rules[c.rule].Match(c.event)
		result, evaluated := r.Rules[c.rule].Eval(c.event)
		if matched != c.matched || applicable != c.applicable || evaluated != matched || (result != nil) != matched {
			t.Errorf("%s, %v: %v, %v", r.Rules[c.rule].Rule.Title, c.event, matched, applicable)
		}
	}
}

// selector counts what it is asked for.
type selector struct{ asked map[string]int }

func (s selector) Keywords() ([]string, bool) { return nil, false }
func (s selector) Select(name string) (interface{}, bool) {
	s.asked[name]++
	return nil, false
}

func TestAnEventIsAskedOnlyForWhatRulesAsk(t *testing.T) {
	r := shared(t)
	event := selector{map[string]int{}}
	r.EvalAll(event)
	if want := map[string]int{"Image": 1, "User": 1, "dst.port": 1, "Initiated": 1}; !reflect.DeepEqual(event.asked, want) {
		t.Error(event.asked)
	}
	clear(event.asked)
	r.Rules[0].Match(event)
	if want := map[string]int{"dst.port": 1, "Initiated": 1}; !reflect.DeepEqual(event.asked, want) {
		t.Error(event.asked)
	}
}

func TestManyGoroutines(t *testing.T) {
	r := shared(t)
	events := []fields{whoami, system, port, words, other}
	want := []string{"Whoami", "", "A Port of Metasploit", "Words", ""}
	var done sync.WaitGroup
	for i := range 64 {
		done.Add(1)
		go func() {
			defer done.Done()
			for j := range 50 {
				at := (i + j) % len(events)
				if results, _ := r.EvalAll(events[at]); titles(results) != want[at] {
					t.Errorf("%v: %s", events[at], titles(results))
				}
			}
		}()
	}
	done.Wait()
}

func TestBatches(t *testing.T) {
	r := shared(t)
	var events []sigma.Event
	for i := range 3000 {
		events = append(events, []fields{whoami, other, port, {"User": math.NaN()}}[i%4])
	}
	results, err := r.EvalBatch(context.Background(), events)
	if len(results) != len(events) {
		t.Fatal(err)
	}
	for i, each := range results {
		if want := []string{"Whoami", "", "A Port of Metasploit", ""}[i%4]; titles(each) != want {
			t.Fatalf("%d: %s", i, titles(each))
		}
	}
	wrong := err.(interface{ Unwrap() []error }).Unwrap()
	if len(wrong) != len(events)/4 {
		t.Fatal(err)
	}
	for _, each := range wrong {
		var event *sigma.EventError
		if !errors.As(each, &event) || event.Index%4 != 3 || event.Field != "User" {
			t.Fatal(each)
		}
	}
	if results, err := r.EvalBatch(context.Background(), nil); len(results) != 0 || err != nil {
		t.Error(results, err)
	}
}

func TestAnEventThatCannotBeEvaluated(t *testing.T) {
	var told []error
	r := start(t, sigma.Config{
		Directory: []string{"testdata/rules"},
		OnError:   func(err error) { told = append(told, err) },
	})
	for _, event := range []fields{{"User": make(chan int)}, {"User": math.Inf(1)}, {"User": strings.Repeat("x", 33<<20)}} {
		if results, matched := r.EvalAll(event); results != nil || matched {
			t.Error(results)
		}
	}
	// As deep as no event may be: the rejection of sigmac
	deep := strings.Repeat("[", 3000) + strings.Repeat("]", 3000)
	if _, err := r.EvalContext(context.Background(), fields{"User": raw(deep)}); err == nil {
		t.Error("it was evaluated")
	}
	if results, _ := r.EvalAll(whoami); titles(results) != "Whoami" {
		t.Error("what follows is not evaluated")
	}
	if len(told) != 3 {
		t.Error(told)
	}
	for _, err := range told {
		var event *sigma.EventError
		if !errors.As(err, &event) {
			t.Error(err)
		}
	}
}

type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestFaultyRules(t *testing.T) {
	folder := copied(t, "port.yml", "words.yml")
	write(t, filepath.Join(folder, "yaml.yml"), "title: [")
	write(t, filepath.Join(folder, "condition.yml"), rule("Faulty", "s: {a: 1}, condition: t"))
	write(t, filepath.Join(folder, "count.yml"), rule("Many", "s: {a: 1}, condition: s | count() > 5"))
	write(t, filepath.Join(folder, "regex.yml"), rule("Regex", "s: {a|re: '('}, condition: s"))
	r := start(t, sigma.Config{Directory: []string{folder}})
	if r.Total != 5 || r.Ok != 1 || r.Failed != 3 || r.Unsupported != 1 {
		t.Errorf("%+v", r)
	}
	_, err := sigma.NewRuleset(sigma.Config{Directory: []string{folder}, FailOnYamlParse: true})
	var yaml sigma.ErrParseYaml
	if !errors.As(err, &yaml) || !strings.HasSuffix(yaml.Path, "yaml.yml") {
		t.Error(err)
	}
	if _, err := sigma.NewRuleset(sigma.Config{Directory: []string{folder}, FailOnRuleParse: true}); err == nil {
		t.Error("a faulty rule is no error")
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for said, config := range map[string]sigma.Config{
		"no Directory":            {},
		"no such file":            {Directory: []string{"testdata/nowhere"}},
		"is not a directory":      {Directory: []string{file}},
		"is no socket":            {Socket: file},
		"there is no no-such-cmd": {Directory: []string{"testdata/rules"}, Command: []string{"no-such-cmd"}},
		"there is no rule":        {Directory: []string{t.TempDir()}},
		"no pipeline":             {Directory: []string{"testdata/rules"}, Pipelines: []string{"no-such-pipeline"}},
	} {
		config.Timeout = time.Second
		if _, err := sigma.NewRuleset(config); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v", said, err)
		}
	}
	began := time.Now()
	_, err := sigma.NewRuleset(sigma.Config{Socket: filepath.Join(t.TempDir(), "none"), Timeout: 50 * time.Millisecond})
	var unavailable *sigma.UnavailableError
	if !errors.As(err, &unavailable) || time.Since(began) > patience {
		t.Error(err)
	}
}

func TestClosing(t *testing.T) {
	var log bytes.Buffer
	r := start(t, sigma.Config{Directory: []string{"testdata/rules"}, Stderr: &log, OnError: func(error) {}})
	var done sync.WaitGroup
	for range 16 {
		done.Add(1)
		go func() {
			defer done.Done()
			for {
				if _, err := r.EvalContext(context.Background(), whoami); err != nil {
					if !errors.Is(err, sigma.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	r.Close()
	done.Wait()
	if results, matched := r.EvalAll(whoami); matched {
		t.Error(results)
	}
	if !strings.Contains(log.String(), "the service has stopped") {
		t.Error(log.String())
	}
	r.Close()
}

func TestRulesetsOfOneConfigurationShareASigmac(t *testing.T) {
	folder := copied(t)
	before := runtime.NumGoroutine()
	var done sync.WaitGroup
	for range 16 {
		done.Add(1)
		go func() {
			defer done.Done()
			r, err := sigma.NewRuleset(sigma.Config{Directory: []string{folder}})
			if err != nil {
				t.Error(err)
				return
			}
			for range 20 {
				if results, _ := r.EvalAll(whoami); titles(results) != "Whoami" {
					t.Errorf("%v", results)
				}
			}
			if now := runtime.NumGoroutine(); now > before+16+40 {
				t.Errorf("%d goroutines, %d before", now, before)
			}
			r.Close()
			r.Close()
		}()
	}
	done.Wait()
	write(t, filepath.Join(folder, "count.yml"), rule("Many", "s: {a: 1}, condition: s | count() > 5"))
	for range 2 {
		if _, err := sigma.NewRuleset(sigma.Config{Directory: []string{folder}, FailOnRuleParse: true}); err == nil {
			t.Error("a faulty rule is no error")
		}
	}
}

func TestAContextEnds(t *testing.T) {
	r := shared(t)
	ended, end := context.WithCancel(context.Background())
	end()
	for range 100 {
		if _, err := r.EvalContext(ended, whoami); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if _, err := r.EvalBatch(ended, []sigma.Event{whoami}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if results, _ := r.EvalAll(whoami); titles(results) != "Whoami" {
		t.Error(titles(results))
	}
}
