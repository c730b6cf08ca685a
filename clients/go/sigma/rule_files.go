package sigma

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"

	"gopkg.in/yaml.v2"

	"sigmac/clients/go/sigma/internal/wire"
)

// ruleList is the files that one NewRuleList read, or one rule of no file; and the sigmac that NewTree has for them.
type ruleList struct {
	files        []string
	alone        *Rule
	noCollapseWS bool

	once sync.Once
	set  *Ruleset
	err  error
}

// companion is a rule that matches nothing that a program asks for.
var companion = []byte("title: companion\nlogsource: {category: any}\ndetection: {s: {sigma(): 1}, condition: s}\n")

// ruleset gives the rules of the list, from a sigmac that is started the first time.
func (l *ruleList) ruleset() (*Ruleset, error) {
	l.once.Do(func() { l.set, l.err = l.start() })
	return l.set, l.err
}

func (l *ruleList) start() (*Ruleset, error) {
	folder, err := os.MkdirTemp("", "sigma-rules-")
	if err != nil {
		return nil, fmt.Errorf("sigma: rules cannot be handed over: %w", err)
	}
	defer os.RemoveAll(folder) // sigmac has compiled them by then
	// There is a pack, which tells what was left out, also where all rules are faulty.
	if err := os.WriteFile(filepath.Join(folder, "companion.yml"), companion, 0o600); err != nil {
		return nil, fmt.Errorf("sigma: rules cannot be handed over: %w", err)
	}
	if l.alone != nil {
		data, err := yaml.Marshal(plain(l.alone))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, l.name("")), data, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("sigma: the rule cannot be written: %w", err)
		}
	}
	for _, file := range l.files {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, l.name(file)), data, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("sigma: %w", err)
		}
	}
	config := Config{Directory: []string{folder}, NoCollapseWS: l.noCollapseWS}.withDefaults()
	config.Socket = ""
	made, err := newClient(config)
	if err != nil {
		return nil, err
	}
	return rulesetOf(made, config, sync.OnceFunc(made.close))
}

// name is what a file is called among those that are handed over.
func (l *ruleList) name(file string) string {
	for i, each := range l.files {
		if each == file {
			return fmt.Sprintf("%06d.yml", i)
		}
	}
	return "rule.yml"
}

// plain is what a rule says, without what it leaves out. A rule needs a title and a logsource: any will do here.
func plain(rule *Rule) map[string]interface{} {
	made := map[string]interface{}{
		"title":     "rule",
		"logsource": map[string]string{"category": "any"},
		"detection": map[string]interface{}(rule.Detection),
	}
	for name, value := range map[string]string{"id": rule.ID, "title": rule.Title, "level": rule.Level} {
		if value != "" {
			made[name] = value
		}
	}
	if len(rule.Tags) > 0 {
		made["tags"] = []string(rule.Tags)
	}
	return made
}

// rulesInFiles maps the names that a pack has for files, folder and path inside it, to those files.
func rulesInFiles(config Config) (map[string]string, error) {
	files := map[string]string{}
	for _, dir := range config.Directory {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return nil, fmt.Errorf("sigma: %w", err)
		}
		if real, err = filepath.Abs(real); err != nil {
			return nil, fmt.Errorf("sigma: %w", err)
		}
		found, err := NewRuleFileList([]string{dir})
		if err != nil {
			return nil, fmt.Errorf("sigma: %w", err)
		}
		for _, file := range found {
			inside, err := filepath.Rel(dir, file)
			if err != nil {
				return nil, fmt.Errorf("sigma: %w", err)
			}
			files[path.Join(filepath.Base(real), filepath.ToSlash(inside))] = file
		}
	}
	return files, nil
}

// handleOf is a rule as the program knows it: what sigmac says of it, and what its file says beyond that.
func handleOf(rule *wire.Rule, files map[string]string, collapse bool) *RuleHandle {
	source := fileOf(rule.GetSource())
	handle := &RuleHandle{Path: source, NoCollapseWS: !collapse, Rule: Rule{
		Author:         rule.GetAuthor(),
		Description:    rule.GetDescription(),
		Falsepositives: rule.GetFalsepositives(),
		Fields:         rule.GetFields(),
		ID:             rule.GetId(),
		Level:          rule.GetLevel(),
		Title:          rule.GetTitle(),
		Status:         rule.GetStatus(),
		References:     rule.GetReferences(),
		Tags:           rule.GetTags(),
		Logsource: Logsource{
			Product:  rule.GetLogsource().GetProduct(),
			Category: rule.GetLogsource().GetCategory(),
			Service:  rule.GetLogsource().GetService(),
		},
	}}
	file, ok := files[source]
	if !ok {
		return handle
	}
	handle.Path = file
	written, err := NewRuleList([]string{file}, true, !collapse)
	var bulk ErrBulkParseYaml
	if errors.As(err, &bulk) || len(written) == 0 {
		return handle // it has changed since
	}
	handle.Multipart = written[0].Multipart
	if written[0].ID == handle.ID && written[0].Title == handle.Title {
		handle.Detection = written[0].Detection
		handle.Definition = written[0].Definition
	}
	return handle
}

// fileName is the last part of the file of a source.
func fileName(source string) string { return path.Base(filepath.ToSlash(fileOf(source))) }
