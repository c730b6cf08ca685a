// A log shipper: events come in as lines of JSON, and go out with the rules that match them, in the same order.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"log"
	"os"

	"sigmac/clients/go/sigma"
)

// event is a log line; its fields stand at the top.
type event map[string]interface{}

func (e event) Keywords() ([]string, bool) {
	message, ok := e["Message"].(string)
	return []string{message}, ok
}

func (e event) Select(name string) (interface{}, bool) {
	value, ok := e[name]
	return value, ok
}

type job struct {
	line []byte
	done chan []byte
}

func work(rules *sigma.Ruleset, jobs <-chan job) {
	for j := range jobs {
		var e event
		if err := json.Unmarshal(j.line, &e); err != nil {
			log.Print(err)
		} else if results, matched := rules.EvalAll(e); matched {
			e["sigma"] = results
			j.line, _ = json.Marshal(e)
		}
		j.done <- append(j.line, '\n')
	}
}

func main() {
	folder := flag.String("rules", "rules", "folder with rules")
	workers := flag.Int("workers", 1, "how many goroutines evaluate; each has a Ruleset")
	flag.Parse()
	jobs, ordered := make(chan job), make(chan job, *workers)
	for range *workers {
		rules, err := sigma.NewRuleset(sigma.Config{Directory: []string{*folder}})
		if err != nil {
			log.Fatal(err)
		}
		go work(rules, jobs)
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Buffer(nil, 16<<20); lines.Scan(); {
			j := job{append([]byte(nil), lines.Bytes()...), make(chan []byte, 1)}
			ordered <- j
			jobs <- j
		}
		close(ordered)
	}()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for j := range ordered {
		out.Write(<-j.done)
	}
}
