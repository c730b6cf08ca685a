package sigma

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

type values map[string]interface{}

func (v values) Keywords() ([]string, bool)             { return nil, false }
func (v values) Select(name string) (interface{}, bool) { value, ok := v[name]; return value, ok }

func TestASigmacOfItsOwnThatIsKilled(t *testing.T) {
	told := make(chan error, 100)
	r, err := NewRuleset(Config{Directory: []string{"testdata/rules"}, OnError: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.client.child.cmd.Process.Kill()
	results, _ := r.EvalAll(values{"Image": `\whoami.exe`})
	if len(results) != 1 {
		t.Error(results)
	}
	if err := <-told; !strings.Contains(err.Error(), "was lost") {
		t.Error(err)
	}
}

func TestASigmacThatHangs(t *testing.T) {
	told := make(chan error, 100)
	r, err := NewRuleset(Config{
		Directory: []string{"testdata/rules"},
		OnError: func(err error) {
			select {
			case told <- err:
			default:
			}
		},
		Timeout: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hung := r.client.child.cmd.Process
	hung.Signal(syscall.SIGSTOP)
	if results, matched := r.EvalAll(values{"Image": `\whoami.exe`}); matched {
		t.Error(results)
	}
	for _, said := range []string{"no answer within", "does not answer"} {
		if err := <-told; !strings.Contains(err.Error(), said) {
			t.Error(err)
		}
	}
	hung.Signal(syscall.SIGCONT)
	for until := time.Now().Add(time.Minute); ; {
		if results, _ := r.EvalAll(values{"Image": `\whoami.exe`}); len(results) == 1 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("it does not come back")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// What makes sigmac end must not make it end for ever.
func TestAttemptsAreBounded(t *testing.T) {
	r, err := NewRuleset(Config{Directory: []string{"testdata/rules"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	now := r.client.pack.Load()
	// A session that knows another pack sends every call back.
	r.client.pack.Store(&pack{asked: now.asked})
	_, err = r.EvalContext(t.Context(), values{})
	if err == nil || !strings.Contains(err.Error(), "attempts") {
		t.Error(err)
	}
}

func TestTextsAsJson(t *testing.T) {
	for _, text := range []string{"", "plain", `a"b\c`, "\x00\x1f\n\t", "Ärzte ΣΑΣ 中 😀", "\xff a \xc3(", "\u2028"} {
		var back string
		if err := json.Unmarshal(appendText(nil, text), &back); err != nil || back != strings.ToValidUTF8(text, "\ufffd") {
			t.Errorf("%q: %q, %v", text, back, err)
		}
	}
}

func TestNumbersAsJson(t *testing.T) {
	for _, number := range []float64{0, -1, 4444, 0.5, 1e-7, 1 << 53, 1e21, math.MaxFloat64, -math.SmallestNonzeroFloat64} {
		data, err := appendFloat(nil, number)
		var back float64
		if err != nil || json.Unmarshal(data, &back) != nil || back != number {
			t.Errorf("%v: %s, %v", number, data, err)
		}
	}
	if data, _ := appendFloat(nil, 4444); string(data) != "4444" {
		t.Error(string(data))
	}
}

func TestAnswersGoToThoseWhoAsked(t *testing.T) {
	calls := []*call{{lines: 2}, {lines: 1}, {lines: 3}}
	b := &batch{calls: calls}
	ok := b.take([]uint32{0, 1, 1}, []uint32{7, 8, 9}) && b.take([]uint32{2, 5}, []uint32{1, 2}) && b.reject(3, "odd")
	want := [][]match{{{0, 7}, {1, 8}, {1, 9}}, {{0, 1}}, {{2, 2}}}
	for i, each := range calls {
		if !reflect.DeepEqual(each.matches, want[i]) {
			t.Errorf("%d: %v", i, each.matches)
		}
	}
	if !ok || !reflect.DeepEqual(calls[2].rejected, []rejection{{0, "odd"}}) {
		t.Error(ok, calls[2].rejected)
	}
	for _, odd := range []*batch{{calls: calls}, {}} {
		if odd.take([]uint32{6}, []uint32{0}) || odd.take([]uint32{0}, nil) || odd.reject(6, "") {
			t.Error("an answer to what was not asked is taken")
		}
	}
}

func TestSourcesAreTakenApart(t *testing.T) {
	for source, want := range map[string]string{"a/b.yml:3:1": "a/b.yml", "b.yml:3": "b.yml", "b.yml": "b.yml", "a:b.yml:1": "a:b.yml"} {
		if found := fileOf(source); found != want {
			t.Errorf("%s: %s", source, found)
		}
	}
}

func TestReportsAreSparing(t *testing.T) {
	var written strings.Builder
	report := &sparingReport{to: &written}
	for range 100 {
		report.tell(fmt.Errorf("odd"))
	}
	report.last = time.Time{}
	report.tell(fmt.Errorf("even"))
	if written.String() != "odd\neven (99 more before)\n" {
		t.Error(written.String())
	}
}
