package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
)

// progress shows how training goes: a bar on a terminal, now and then a line
// elsewhere.
type progress struct {
	out      io.Writer
	bar      *progressbar.ProgressBar // nil without a terminal
	judging  *progressbar.ProgressBar // of the evaluation at hand
	groups   []string                 // of parameters, whose rates are shown
	total    int
	every    int       // steps between lines
	last     time.Time // when the step before, or an evaluation, ended
	lastLine time.Time
	// Speed is taken from all steps until there are enough after the first ones, in
	// which kernels are compiled.
	all, warm speed
	silent    atomic.Bool
}

// speed is how many steps, and their tokens, took how long.
type speed struct {
	steps, tokens int
	took          time.Duration
}

func (s *speed) add(tokens int, took time.Duration) {
	s.steps++
	s.tokens += tokens
	s.took += took
}

// warmUp is how many steps tell the speed until there are as many others, in more than
// a moment: records of steps come some at once.
const (
	warmUp = 10
	moment = 100 * time.Millisecond
)

// quiet is the longest time without a line while steps go by.
const quiet = 30 * time.Second

func newProgress(out io.Writer, total, done int, groups []string) *progress {
	p := &progress{out: out, groups: groups, total: total, every: max(1, total/50), last: time.Now(), lastLine: time.Now()}
	if onTerminal(out) {
		p.bar = newBar(out, total)
		p.bar.Set(done)
	}
	return p
}

// newBar is a bar that ends in a text of the caller's and leaves no trace.
func newBar(out io.Writer, total int) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetWidth(20),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionShowCount(),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
	)
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(file)
	return ok && term.IsTerminal(int(f.Fd()))
}

// file is what has a descriptor.
type file interface{ Fd() uintptr }

// step shows an update.
func (p *progress) step(s train.StepRecord) {
	if p.silent.Load() {
		return
	}
	now := time.Now()
	took := now.Sub(p.last)
	p.last = now
	p.all.add(s.Tokens, took)
	if p.all.steps > warmUp {
		p.warm.add(s.Tokens, took)
	}
	v := p.all
	if p.warm.steps >= warmUp && p.warm.took >= moment {
		v = p.warm
	}
	left := v.took / time.Duration(v.steps) * time.Duration(p.total-s.Step)
	text := fmt.Sprintf("loss %.4f  %s left  %s tokens/s  lr %s", s.Loss, short(left), count(int(float64(v.tokens)/max(v.took, time.Millisecond).Seconds())), p.rates(s))
	if p.bar != nil {
		p.describe(text)
		p.bar.Set(s.Step)
		return
	}
	if s.Step == 1 || s.Step%p.every == 0 || s.Step == p.total || now.Sub(p.lastLine) > quiet {
		p.lastLine = now
		fmt.Fprintf(p.out, "step %d/%d  %s  gradient norm %.3g\n", s.Step, p.total, text, s.GradNorm)
	}
}

// rates shows the learning rate of each group.
func (p *progress) rates(s train.StepRecord) string {
	var rates []string
	for _, group := range p.groups {
		rates = append(rates, fmt.Sprintf("%.3g", s.Rates[group]))
	}
	return strings.Join(rates, ", ")
}

// rows shows how far an evaluation is.
func (p *progress) rows(done, total int) {
	if p.bar == nil || p.silent.Load() {
		return
	}
	if p.judging == nil {
		p.bar.Clear()
		p.judging = newBar(p.out, total)
		p.judging.Describe("evaluating")
	}
	p.judging.Set(done)
}

// describe puts text behind the bar, as much of it as the line has room for.
func (p *progress) describe(text string) {
	if width, _, err := term.GetSize(int(p.out.(file).Fd())); err == nil {
		rest := len(fmt.Sprintf("%4d%%  (%d/%d)  ", 100, p.total, p.total))
		text = text[:max(0, min(len(text), width-rest-1))]
	}
	p.bar.Describe(text)
}

// eval shows an evaluation.
func (p *progress) eval(e train.EvalRecord) {
	if p.silent.Load() {
		return
	}
	p.last = time.Now()
	text := scoreLine(e.Metrics)
	if e.Best {
		text += "  best so far"
	}
	if e.Cut > 0 {
		text += fmt.Sprintf("  (%s cut)", plural(e.Cut, "source"))
	}
	p.close()
	fmt.Fprintf(p.out, "evaluation after step %d: %s\n", e.Step, text)
}

// metrics lists scores in a fixed order.
func scoreLine(scores map[metrics.Name]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(scores)) {
		parts = append(parts, fmt.Sprintf("%s %.4f", name, scores[name]))
	}
	return strings.Join(parts, "  ")
}

// silence makes it show nothing more.
func (p *progress) silence() { p.silent.Store(true) }

// close takes the bars off the line.
func (p *progress) close() {
	if p.judging != nil {
		p.judging.Clear()
		p.judging = nil
	}
	if p.bar != nil {
		p.bar.Clear()
	}
}
