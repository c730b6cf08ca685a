package sigma_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"gopkg.in/yaml.v2"

	"sigmac/clients/go/sigma"
)

func TestTreesOfAList(t *testing.T) {
	folder := copied(t)
	write(t, filepath.Join(folder, "yaml.yml"), "title: [")
	write(t, filepath.Join(folder, "count.yml"), rule("Many", "s: {a: 1}, condition: s | count() > 5"))
	write(t, filepath.Join(folder, "none.yml"), "title: None\nlogsource: {category: any}\n")
	files, err := sigma.NewRuleFileList([]string{folder})
	if err != nil || len(files) != 6 {
		t.Fatal(files, err)
	}
	if _, err := sigma.NewRuleList(files, false, false); !isYamlError(err) {
		t.Error(err)
	}
	handles, err := sigma.NewRuleList(files, true, false)
	var bulk sigma.ErrBulkParseYaml
	if !errors.As(err, &bulk) || len(bulk.Errs) != 1 || len(handles) != 5 {
		t.Fatal(err)
	}
	found := map[string]error{}
	for _, handle := range handles {
		tree, err := sigma.NewTree(handle)
		found[handle.Title] = err
		if err != nil {
			continue
		}
		defer tree.Close()
		matched, _ := tree.Match(whoami)
		if result, _ := tree.Eval(whoami); matched != (handle.Title == "Whoami") || matched != (result != nil) {
			t.Errorf("%s: %v", handle.Title, matched)
		}
	}
	if _, ok := found["Many"].(sigma.ErrUnsupportedToken); !ok {
		t.Error(found["Many"])
	}
	want := map[string]error{
		"Whoami": nil, "Words": nil, "A Port of Metasploit": nil, "Many": found["Many"], "None": sigma.ErrMissingDetection{},
	}
	if !reflect.DeepEqual(found, want) {
		t.Error(found)
	}
}

func isYamlError(err error) bool {
	var found *sigma.ErrParseYaml
	return errors.As(err, &found)
}

func TestATreeOfARuleWithoutAFile(t *testing.T) {
	var rule sigma.Rule
	if err := yaml.Unmarshal([]byte("detection: {s: {a|contains: b}, condition: s}"), &rule); err != nil {
		t.Fatal(err)
	}
	tree, err := sigma.NewTree(sigma.RuleHandle{Rule: rule})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for text, want := range map[string]bool{"abc": true, "cde": false} {
		if matched, applicable := tree.Match(fields{"a": text}); matched != want || !applicable {
			t.Error(text, matched, applicable)
		}
	}
	if result, matched := tree.Eval(fields{"a": "b"}); !matched || !reflect.DeepEqual(result, &sigma.Result{}) {
		t.Error(result, matched)
	}
	rule.Detection["s"] = map[string]interface{}{"a|re": "("}
	var regex sigma.ErrInvalidRegex
	if _, err := sigma.NewTree(sigma.RuleHandle{Rule: rule}); !errors.As(err, &regex) {
		t.Error(err)
	}
	rule.Detection["condition"] = "t"
	if _, err := sigma.NewTree(sigma.RuleHandle{Rule: rule}); err == nil {
		t.Error("a faulty condition is no error")
	}
	delete(rule.Detection, "condition")
	if _, err := sigma.NewTree(sigma.RuleHandle{Rule: rule}); !errors.Is(err, sigma.ErrMissingCondition{}) {
		t.Error(err)
	}
}

func TestATreeOfOthers(t *testing.T) {
	tree := sigma.Tree{Root: always{}}
	if result, matched := tree.Eval(fields{}); !matched || result == nil {
		t.Error(result, matched)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
}

type always struct{}

func (always) Match(sigma.Event) (bool, bool) { return true, true }

func TestFoldersOfRules(t *testing.T) {
	if _, err := sigma.NewRuleFileList(nil); err == nil {
		t.Error("no folder is no error")
	}
	if _, err := sigma.NewRuleFileList([]string{"testdata/nowhere"}); err == nil {
		t.Error("a folder that is missing is no error")
	}
	if _, err := sigma.NewRuleList(nil, true, true); err == nil {
		t.Error("no file is no error")
	}
	if _, err := sigma.NewRuleList([]string{"testdata/nowhere"}, true, true); err == nil {
		t.Error("a file that is missing is no error")
	}
	detection := sigma.Detection{"s": 1, "condition": "s"}
	if others := detection.Extract(); !reflect.DeepEqual(others, map[string]interface{}{"s": 1}) || len(detection) != 2 {
		t.Error(others)
	}
}
