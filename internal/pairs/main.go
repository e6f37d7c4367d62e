//go:build !js

// Command pairs measures two builds of dept beside each other: the time of a
// training step and its memory, from dept bench, and the start-up of dept train.
// Both programs run in each pair, one after the other and each first in every
// other pair, so that a machine that gets slower does so for both.
//
//	go run ./internal/pairs [-n 10] OLD NEW [flags of dept bench]
//	go run ./internal/pairs -demo [-n 10] OLD NEW [flags of dept demo]
//	go run ./internal/pairs -page [-n 10] OLD NEW [settings of the page, such as steps=30]
//
// With -demo it is the demonstration's step of DePT, and the whole of it; with -page a
// step of the page's default task in Chromium, the page being the one that the program
// has inside.
// It is run from the repository's root, whose t5/backbone is the model that train
// opens. It prints the ratio of new to old and ends with code 1 where that is over
// its bar.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	n := flag.Int("n", 10, "pairs; from 6 on there is a 95 % interval")
	demo := flag.Bool("demo", false, "measure dept demo")
	page := flag.Bool("page", false, "measure the page of dept serve")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: pairs [-n 10] [-demo | -page] OLD NEW [flags of dept bench or dept demo, or settings of the page]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < 2 || *n < 1 || *demo && *page {
		flag.Usage()
		os.Exit(2)
	}
	s := &benchSuite
	switch {
	case *demo:
		s = &demoSuite
	case *page:
		s = &pageSuite
	}
	over, err := s.compare(os.Stdout, *n, flag.Arg(0), flag.Arg(1), flag.Args()[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pairs:", err)
	}
	if err != nil || over {
		os.Exit(1)
	}
}

// figures is what one program measured in one pair.
type figures struct {
	DePT    step `json:"dept"`
	PT      step `json:"pt"`
	startMS float64
	demo    demonstration
	pageMS  float64
}

// demonstration is what dept demo says of itself.
type demonstration struct {
	MS      float64 `json:"dept_ms_step"`
	Seconds float64 `json:"seconds"`
}

type step struct {
	MS    float64 `json:"step_ms"`
	Bytes float64 `json:"peak_bytes_without_weights"`
}

// row is a figure to compare; the new program's may be bar times the old one's.
type row struct {
	name, unit string
	of         func(figures) float64
	bar        float64
}

// ratio is new to old.
func (r row) ratio(pair [2]figures) float64 { return r.of(pair[1]) / r.of(pair[0]) }

// suite is what is measured, and how.
type suite struct {
	rows    []row
	measure func(program, data string, flags []string) (figures, error)
}

var benchSuite = suite{[]row{
	{"step of dept", "ms", func(f figures) float64 { return f.DePT.MS }, 1.03},
	{"step of pt", "ms", func(f figures) float64 { return f.PT.MS }, 1.03},
	{"peak without weights of dept", "MB", func(f figures) float64 { return f.DePT.Bytes / 1e6 }, 1.01},
	{"peak without weights of pt", "MB", func(f figures) float64 { return f.PT.Bytes / 1e6 }, 1.01},
	{"start of train", "ms", func(f figures) float64 { return f.startMS }, 1.03},
}, measure}

var demoSuite = suite{[]row{
	{"step of dept in dept demo", "ms", func(f figures) float64 { return f.demo.MS }, 1.3},
	{"dept demo", "s", func(f figures) float64 { return f.demo.Seconds }, 2},
}, demonstrate}

var pageSuite = suite{[]row{
	{"step of the page", "ms", func(f figures) float64 { return f.pageMS }, 1.3},
}, visit}

// compare measures n pairs and reports them to w, each as soon as it is there;
// over says that a median is over its bar.
func (s *suite) compare(w io.Writer, n int, old, new string, flags []string) (over bool, err error) {
	dir, err := os.MkdirTemp("", "pairs")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "rows.tsv")
	if err := os.WriteFile(data, []byte("sentence\tlabel\na good film\t1\na bad film\t0\n"), 0o666); err != nil {
		return false, err
	}
	programs := [2]string{old, new}
	var pairs [][2]figures
	for i := range n {
		var pair [2]figures
		for turn := range 2 {
			which := (i + turn) % 2
			if pair[which], err = s.measure(programs[which], data, flags); err != nil {
				return false, err
			}
		}
		pairs = append(pairs, pair)
		fmt.Fprintf(w, "pair %d of %d, new/old:", i+1, n)
		for _, r := range s.rows {
			fmt.Fprintf(w, "  %s %.3f", r.name, r.ratio(pair))
		}
		fmt.Fprintln(w)
	}
	return s.report(w, pairs), nil
}

// measure runs the program's benchmark and starts its training once.
func measure(program, data string, flags []string) (figures, error) {
	var f figures
	out, err := output(program, append([]string{"bench", "--json"}, flags...)...)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(out, &f); err != nil {
		return f, fmt.Errorf("what %s bench --json prints: %w", program, err)
	}
	for _, s := range []step{f.DePT, f.PT} {
		if s.MS <= 0 || s.Bytes <= 0 {
			return f, fmt.Errorf("what %s bench --json prints has no step_ms and peak_bytes_without_weights under dept and pt", program)
		}
	}
	start := time.Now()
	_, err = output(program, "train", "--model", filepath.Join("t5", "backbone"), "--train", data, "--task", "sst2", "--dry-run")
	f.startMS = float64(time.Since(start).Microseconds()) / 1000
	return f, err
}

// demonstrate runs the program's demonstration.
func demonstrate(program, _ string, flags []string) (f figures, err error) {
	out, err := output(program, append([]string{"demo", "--json"}, flags...)...)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(out, &f.demo); err != nil {
		return f, fmt.Errorf("what %s demo --json prints: %w", program, err)
	}
	if f.demo.MS <= 0 || f.demo.Seconds <= 0 {
		return f, fmt.Errorf("what %s demo --json prints has no dept_ms_step and seconds", program)
	}
	return f, nil
}

// output is what a command prints; an error has the last it said.
func output(program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// report prints a line for each row and says whether a median is over its bar.
func (s *suite) report(w io.Writer, pairs [][2]figures) (over bool) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\nmedians of %d pairs\told\tnew\tnew/old\tinterval\tcoverage\tat most\t\t\n", len(pairs))
	for _, r := range s.rows {
		var ratios, olds, news []float64
		for _, p := range pairs {
			ratios, olds, news = append(ratios, r.ratio(p)), append(olds, r.of(p[0])), append(news, r.of(p[1]))
		}
		middle := median(ratios)
		low, high, coverage := interval(ratios)
		verdict := "held"
		if middle > r.bar {
			verdict, over = "over", true
		}
		fmt.Fprintf(out, "%s, %s\t%.1f\t%.1f\t%.3f\t%.3f to %.3f\t%.0f %%\t%.2f\t%s\t\n",
			r.name, r.unit, median(olds), median(news), middle, low, high, 100*coverage, r.bar, verdict)
	}
	out.Flush()
	return over
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// interval is the narrowest interval between two order statistics, equally far
// from both ends, that covers the median with a probability of 95 % at least,
// whatever the distribution; of fewer than 6 values it is all of them, which covers
// it with less.
func interval(x []float64) (low, high, coverage float64) {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	// below is the probability that at most k of the n values are under the median.
	term := math.Pow(0.5, float64(n))
	below, k := term, 0
	for {
		term *= float64(n-k) / float64(k+1)
		if 2*(below+term) > 0.05 || k+1 >= n-1-(k+1) {
			return x[k], x[n-1-k], 1 - 2*below
		}
		below, k = below+term, k+1
	}
}
