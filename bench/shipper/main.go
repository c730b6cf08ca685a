// A log shipper without its inputs and outputs: decodes NDJSON and evaluates it on one core, with the Sigma engine that
// it imports, and prints as one JSON object what it took and what matched.
//
// Usage: shipper [-workers N] [-passes N] [-collapse] RULES EVENTS
package main

import (
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bytedance/sonic"
	"github.com/markuskont/go-sigma-rule-engine"
)

type answer struct {
	Rules    int            `json:"rules"`
	Failed   int            `json:"failed"`
	Records  int            `json:"records"`
	Rejected int            `json:"rejected"`
	Seconds  float64        `json:"seconds"` // of the fastest pass
	Start    float64        `json:"start"`   // seconds until there are rules
	P50      float64        `json:"p50"`     // seconds of one EvalAll, in the fastest pass
	P99      float64        `json:"p99"`
	Matches  map[string]int `json:"matches"`
}

// event is a decoded record; its fields stand at the top.
type event map[string]any

func (e event) Keywords() ([]string, bool) {
	message, ok := e["Message"].(string)
	return []string{message}, ok
}

func (e event) Select(name string) (any, bool) {
	value, ok := e[name]
	return value, ok
}

// worker evaluates every so many-th record.
type worker struct {
	rules    *sigma.Ruleset
	rejected int
	took     []time.Duration
	matches  map[string]int
}

func (w *worker) work(lines []string, first, step int) {
	w.rejected, w.took, w.matches = 0, w.took[:0], map[string]int{}
	for i := first; i < len(lines); i += step {
		fields := make(map[string]any, 64)
		// Strings without escapes stay where they are: the file is in memory all the time.
		if sonic.ConfigFastest.UnmarshalFromString(lines[i], &fields) != nil {
			w.rejected++
			continue
		}
		began := time.Now()
		results, _ := w.rules.EvalAll(event(fields))
		w.took = append(w.took, time.Since(began))
		for _, each := range results {
			w.matches[each.ID]++
		}
	}
}

func main() {
	log.SetFlags(0)
	passes := flag.Int("passes", 1, "how often to go over the events; the fastest pass counts")
	count := flag.Int("workers", 1, "how many goroutines evaluate, each with its Ruleset")
	collapse := flag.Bool("collapse", false, "collapse white space, which is the default of both engines")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	runtime.GOMAXPROCS(1)
	started := time.Now()
	workers := make([]worker, *count)
	for i := range workers {
		rules, err := sigma.NewRuleset(sigma.Config{
			Directory: []string{flag.Arg(0)},
			// Without it white space stays as it is, which costs the Go engine least.
			NoCollapseWS: !*collapse,
		})
		if err != nil {
			log.Fatal(err)
		}
		workers[i].rules = rules
	}
	result := answer{
		Rules:   workers[0].rules.Ok,
		Failed:  workers[0].rules.Failed + workers[0].rules.Unsupported,
		Seconds: math.Inf(1),
		Start:   time.Since(started).Seconds(),
	}
	file, err := os.ReadFile(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	for range *passes {
		runtime.GC()
		began := time.Now()
		var done sync.WaitGroup
		for i := range workers {
			done.Add(1)
			go func() {
				defer done.Done()
				workers[i].work(lines, i, *count)
			}()
		}
		done.Wait()
		if took := time.Since(began).Seconds(); took < result.Seconds {
			result.Seconds = took
			summarize(&result, workers)
		}
	}
	encoded, err := sonic.Marshal(result)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(encoded))
}

func summarize(result *answer, workers []worker) {
	var took []time.Duration
	result.Matches, result.Rejected = map[string]int{}, 0
	for _, rule := range workers[0].rules.Rules {
		result.Matches[rule.Rule.ID] = 0
	}
	for _, each := range workers {
		took = append(took, each.took...)
		result.Rejected += each.rejected
		for rule, count := range each.matches {
			result.Matches[rule] += count
		}
	}
	slices.Sort(took)
	result.Records = len(took)
	result.P50, result.P99 = took[len(took)/2].Seconds(), took[len(took)*99/100].Seconds()
}
