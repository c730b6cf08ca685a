package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v2"
)

// Tags are those of a rule, as attack.t1059.
type Tags []string

// Result is a rule that matched.
type Result struct {
	Tags

	ID, Title string
}

// Results are the rules that matched an event, in the order of Ruleset.Rules.
type Results []Result

// Logsource says which events a rule is for.
type Logsource struct {
	Product    string `yaml:"product" json:"product"`
	Category   string `yaml:"category" json:"category"`
	Service    string `yaml:"service" json:"service"`
	Definition string `yaml:"definition" json:"definition"`
}

// Detection has the condition of a rule, and what it names.
type Detection map[string]interface{}

// Extract gives all but the condition.
func (d Detection) Extract() map[string]interface{} {
	others := make(map[string]interface{}, len(d))
	for name, value := range d {
		if name != "condition" {
			others[name] = value
		}
	}
	return others
}

// Rule is a rule as it is written.
type Rule struct {
	Author         string   `yaml:"author" json:"author"`
	Description    string   `yaml:"description" json:"description"`
	Falsepositives []string `yaml:"falsepositives" json:"falsepositives"`
	Fields         []string `yaml:"fields" json:"fields"`
	ID             string   `yaml:"id" json:"id"`
	Level          string   `yaml:"level" json:"level"`
	Title          string   `yaml:"title" json:"title"`
	Status         string   `yaml:"status" json:"status"`
	References     []string `yaml:"references" json:"references"`

	Logsource `yaml:"logsource" json:"logsource"`
	Detection `yaml:"detection" json:"detection"`
	Tags      `yaml:"tags" json:"tags"`
}

// RuleHandle is a rule and where it stands.
//
// Of a rule that the process at a socket has, and whose file is not at hand, Detection is nil and Path is the name that
// the pack has for the file.
type RuleHandle struct {
	Rule

	Path         string `json:"path"`
	Multipart    bool   `json:"multipart"`
	NoCollapseWS bool   `json:"noCollapseWS"`

	list *ruleList // the files that it was read with
}

// NewRuleFileList gives the files below some folders whose names end in yml, folder by folder, in the order of names.
func NewRuleFileList(dirs []string) ([]string, error) {
	if len(dirs) == 0 {
		return nil, errors.New("no folder of rules is given")
	}
	files := []string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && strings.HasSuffix(path, "yml") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return files, err
		}
	}
	return files, nil
}

// NewRuleList reads rules of files.
//
// With skip, files that hold no YAML are left out, and all of them are in the ErrBulkParseYaml that comes with the
// rules; without it the first one ends the reading.
func NewRuleList(files []string, skip, noCollapseWS bool) ([]RuleHandle, error) {
	if len(files) == 0 {
		return nil, errors.New("no file of a rule is given")
	}
	var faulty []ErrParseYaml
	rules := []RuleHandle{}
	list := &ruleList{noCollapseWS: noCollapseWS}
	for i, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		handle := RuleHandle{Path: path, NoCollapseWS: noCollapseWS, list: list}
		if err := yaml.Unmarshal(data, &handle.Rule); err != nil {
			fault := ErrParseYaml{Path: path, Err: err, Count: i}
			if !skip {
				return nil, &fault
			}
			faulty = append(faulty, fault)
			continue
		}
		handle.Multipart = bytes.Contains(data, []byte("---")) && !bytes.HasPrefix(data, []byte("---"))
		list.files = append(list.files, path)
		rules = append(rules, handle)
	}
	if faulty != nil {
		return rules, ErrBulkParseYaml{Errs: faulty}
	}
	return rules, nil
}

// checkDirectories says what is wrong with the folders of a Config.
func checkDirectories(dirs []string) error {
	if len(dirs) == 0 {
		return errors.New("sigma: Config has no Directory of rules and no Socket")
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("sigma: %s: %w", dir, errors.Unwrap(err))
		}
		if !info.IsDir() {
			return fmt.Errorf("sigma: %s is not a directory", dir)
		}
	}
	files, err := NewRuleFileList(dirs)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no rule, a file .yml, in %s", strings.Join(dirs, ", "))
	}
	if err != nil {
		return fmt.Errorf("sigma: %w", err)
	}
	return nil
}
