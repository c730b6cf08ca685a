// Asks go-sigma-rule-engine what it makes of rules and events. Reads one JSON object a line and answers each with one.
//
//	{"load": ["DIR", …], "noCollapseWS": false}   the rules of folders, in place of those that are there
//	{"rule": "YAML", "noCollapseWS": false}       one rule as its file would be, behind those that are there
//	{"event": {…}, "keywords": ["TEXT", …]}       an event; without keywords it has none
//	{"clear": true}                               no rule is left
//
// To rules it answers {"rules": [{"path", "id", "title", "outcome", "kind", "error"}, …]}: each of the files, with the
// outcome ok, failed, unsupported or crashed; the number of a rule is its place among all that were ok. To an event it
// answers {"matched": [NUMBER, …]}, with -applicable also "applicable", and "crashed" for rules that panicked.
// A line that is none of these gets {"error": "…"}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/markuskont/go-sigma-rule-engine"
	"gopkg.in/yaml.v2"
)

const longestLine = 64 << 20 // bytes

type request struct {
	Load         []string        `json:"load"`
	Rule         *string         `json:"rule"`
	NoCollapseWS bool            `json:"noCollapseWS"`
	Event        json.RawMessage `json:"event"`
	Keywords     []string        `json:"keywords"`
	Clear        bool            `json:"clear"`
}

type outcome struct {
	Path    string `json:"path"`
	ID      string `json:"id"`
	Title   string `json:"title"`
	Outcome string `json:"outcome"`
	Kind    string `json:"kind,omitempty"`
	Error   string `json:"error,omitempty"`
}

type answer struct {
	Matched    []int `json:"matched"`
	Applicable []int `json:"applicable,omitempty"`
	Crashed    []int `json:"crashed,omitempty"`
}

// event is a JSON object as Go programs hold one: its numbers are float64, a name with dots leads into objects.
type event struct {
	fields   map[string]any
	keywords []string
}

func (e event) Keywords() ([]string, bool) { return e.keywords, e.keywords != nil }

func (e event) Select(name string) (any, bool) {
	if value, ok := e.fields[name]; ok {
		return value, true
	}
	var value any = e.fields
	for _, part := range strings.Split(name, ".") {
		fields, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = fields[part]; !ok {
			return nil, false
		}
	}
	return value, true
}

type engine struct {
	trees      []*sigma.Tree
	applicable bool
}

// tree makes a rule of a handle. What the engine panics on is an outcome too.
func (e *engine) tree(handle sigma.RuleHandle) (made outcome) {
	made = outcome{Path: handle.Path, ID: handle.ID, Title: handle.Title}
	defer func() {
		if reason := recover(); reason != nil {
			made.Outcome, made.Error = "crashed", fmt.Sprint(reason)
		}
	}()
	if handle.Multipart {
		made.Outcome, made.Kind = "unsupported", "Multipart"
		return
	}
	tree, err := sigma.NewTree(handle)
	switch err.(type) {
	case nil:
		made.Outcome = "ok"
		e.trees = append(e.trees, tree)
		return
	case sigma.ErrUnsupportedToken, *sigma.ErrUnsupportedToken:
		made.Outcome = "unsupported"
	default:
		made.Outcome = "failed"
	}
	made.Kind, made.Error = kind(err), said(err)
	return
}

// said is the text of an error. Some panic when they are asked for it, which nobody but us does.
func said(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = kind(err)
		}
	}()
	return err.Error()
}

func kind(err error) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
	return strings.TrimPrefix(name, "sigma.")
}

func (e *engine) load(directories []string, noCollapseWS bool) ([]outcome, error) {
	files, err := sigma.NewRuleFileList(directories)
	if err != nil {
		return nil, err
	}
	e.trees = nil
	found := make([]outcome, 0, len(files))
	for _, file := range files {
		// One by one: together it does not say which.
		handles, err := sigma.NewRuleList([]string{file}, false, noCollapseWS)
		if err != nil {
			found = append(found, outcome{Path: file, Outcome: "failed", Kind: kind(err), Error: err.Error()})
			continue
		}
		for _, handle := range handles {
			found = append(found, e.tree(handle))
		}
	}
	return found, nil
}

// read makes a handle of a text as the engine does of a file.
func read(text string, noCollapseWS bool) (sigma.RuleHandle, error) {
	handle := sigma.RuleHandle{
		NoCollapseWS: noCollapseWS,
		Multipart:    !strings.HasPrefix(text, "---") && strings.Contains(text, "---"),
	}
	err := yaml.Unmarshal([]byte(text), &handle.Rule)
	return handle, err
}

func (e *engine) evaluate(given event) answer {
	found := answer{Matched: []int{}}
	for number, tree := range e.trees {
		matched, applicable, crashed := match(tree, given)
		// As Tree.Eval takes it
		if matched && applicable {
			found.Matched = append(found.Matched, number)
		}
		if applicable && e.applicable {
			found.Applicable = append(found.Applicable, number)
		}
		if crashed {
			found.Crashed = append(found.Crashed, number)
		}
	}
	return found
}

func match(tree *sigma.Tree, given event) (matched, applicable, crashed bool) {
	defer func() {
		if recover() != nil {
			crashed = true
		}
	}()
	matched, applicable = tree.Match(given)
	return
}

func (e *engine) answer(line []byte) (any, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	switch {
	case asked.Clear:
		e.trees = nil
		return map[string][]outcome{"rules": {}}, nil
	case asked.Load != nil:
		found, err := e.load(asked.Load, asked.NoCollapseWS)
		return map[string][]outcome{"rules": found}, err
	case asked.Rule != nil:
		handle, err := read(*asked.Rule, asked.NoCollapseWS)
		made := outcome{Outcome: "failed", Kind: "ErrParseYaml"}
		if err != nil {
			made.Error = err.Error()
		} else {
			made = e.tree(handle)
		}
		return map[string][]outcome{"rules": {made}}, nil
	case asked.Event != nil:
		given := event{keywords: asked.Keywords}
		if err := json.Unmarshal(asked.Event, &given.fields); err != nil {
			return nil, err
		}
		return e.evaluate(given), nil
	}
	return nil, fmt.Errorf("neither load, rule, event nor clear")
}

func main() {
	log.SetFlags(0)
	made := &engine{}
	flag.BoolVar(&made.applicable, "applicable", false, "answer which rules are applicable too")
	flag.Parse()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 1<<20), longestLine)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		found, err := made.answer(line)
		if err != nil {
			found = map[string]string{"error": err.Error()}
		}
		if err := encoder.Encode(found); err != nil {
			log.Fatal(err)
		}
		// Whoever asks waits for the answer.
		if err := output.Flush(); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
