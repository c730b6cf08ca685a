// Evaluates Sigma rules over NDJSON with go-sigma-rule-engine on one core, and prints what it took and what matched
// as one JSON object.
//
// Usage: peer [-passes N] RULES EVENTS
package main

import (
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/bytedance/sonic"
	"github.com/markuskont/go-sigma-rule-engine"
)

type answer struct {
	Rules    int            `json:"rules"`
	Failed   int            `json:"failed"`
	Records  int            `json:"records"`
	Rejected int            `json:"rejected"`
	Seconds  float64        `json:"seconds"`
	Matches  map[string]int `json:"matches"`
}

// event is a decoded record as the engine looks at it. Its texts are collected once, for the first rule with keywords.
type event struct {
	fields map[string]any
	texts  []string
}

func (e *event) Select(name string) (any, bool) {
	if value, ok := e.fields[name]; ok {
		return value, true
	}
	if !strings.Contains(name, ".") {
		return nil, false
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

func (e *event) Keywords() ([]string, bool) {
	if e.texts == nil {
		e.texts = collect(e.fields, make([]string, 0, 2*len(e.fields)))
	}
	return e.texts, true
}

func collect(value any, texts []string) []string {
	switch value := value.(type) {
	case string:
		texts = append(texts, value)
	case []any:
		for _, member := range value {
			texts = collect(member, texts)
		}
	case map[string]any:
		for _, field := range value {
			texts = collect(field, texts)
		}
	}
	return texts
}

func main() {
	log.SetFlags(0)
	passes := flag.Int("passes", 1, "how often to go over the events; the fastest pass counts")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	runtime.GOMAXPROCS(1)
	ruleset, err := sigma.NewRuleset(sigma.Config{
		Directory: []string{flag.Arg(0)},
		// Rules mean what they say, and no regular expression runs over every value.
		NoCollapseWS: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.ReadFile(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	data := string(file)
	result := answer{
		Rules:   ruleset.Ok,
		Failed:  ruleset.Failed + ruleset.Unsupported,
		Seconds: math.Inf(1),
	}
	counts := make([]int, len(ruleset.Rules))
	for range max(*passes, 1) {
		clear(counts)
		result.Records, result.Rejected = 0, 0
		runtime.GC()
		started := time.Now()
		for rest := data; len(rest) > 0; {
			var record string
			record, rest, _ = strings.Cut(rest, "\n")
			if record == "" {
				continue
			}
			fields := make(map[string]any, 64)
			// Strings without escapes stay where they are: the file is in memory all the time.
			if sonic.ConfigFastest.UnmarshalFromString(record, &fields) != nil {
				result.Rejected++
				continue
			}
			result.Records++
			e := &event{fields: fields}
			for i, rule := range ruleset.Rules {
				if match, applicable := rule.Match(e); match && applicable {
					counts[i]++
				}
			}
		}
		result.Seconds = min(result.Seconds, time.Since(started).Seconds())
	}
	result.Matches = make(map[string]int, len(counts))
	for i, rule := range ruleset.Rules {
		result.Matches[rule.Rule.ID] += counts[i]
	}
	encoded, err := sonic.Marshal(result)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(encoded))
}
