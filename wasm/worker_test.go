//go:build !js

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
	"github.com/go-dept/dept/wgpu"
)

// page is a worker's other end: it sends messages and waits for others.
type page struct {
	t      *testing.T
	worker *worker
	mu     sync.Mutex
	cond   *sync.Cond
	got    []Message
	read   int // of got
}

func newPage(t *testing.T) *page { return newTab(t, noVault{}) }

// newTab is a page whose runs are kept in a vault.
func newTab(t *testing.T, v vault) *page {
	p := &page{t: t}
	p.cond = sync.NewCond(&p.mu)
	p.worker = newWorker(func(m Message) {
		if _, err := encode(m); err != nil {
			t.Errorf("%#v: %v", m, err)
		}
		p.mu.Lock()
		p.got = append(p.got, m)
		p.cond.Broadcast()
		p.mu.Unlock()
	}, disk{}, v)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		p.worker.Serve(ctx)
		close(served)
	}()
	t.Cleanup(func() {
		p.worker.Send(Reset{})
		cancel()
		<-served
		p.worker.unload()
	})
	return p
}

// patience ends a test that hangs; it is no measure of what is waited for.
const patience = 10 * time.Minute

// await gives the next message of a type; an error that nobody waits for fails
// the test.
func await[M Message](p *page) M {
	p.t.Helper()
	return awaitThat(p, func(M) bool { return true })
}

func awaitThat[M Message](p *page, fits func(M) bool) M {
	p.t.Helper()
	timeout := time.AfterFunc(patience, func() {
		p.mu.Lock()
		p.read = -1
		p.cond.Broadcast()
		p.mu.Unlock()
	})
	defer timeout.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for ; p.read >= 0 && p.read < len(p.got); p.read++ {
			m, ok := p.got[p.read].(M)
			if ok && fits(m) {
				p.read++
				return m
			}
			if e, isError := p.got[p.read].(Error); isError {
				p.t.Fatalf("unexpected error: %+v", e)
			}
		}
		if p.read < 0 {
			var none M
			p.t.Fatalf("no message %q within %s; all there were: %v", none.kind(), patience, p.got)
		}
		p.cond.Wait()
	}
}

func (p *page) fails(code string, m Message) Error {
	p.t.Helper()
	p.worker.Send(m)
	e := await[Error](p)
	assert.Equal(p.t, code, e.Code, "%+v", e)
	assert.Equal(p.t, m.kind(), e.During)
	assert.True(p.t, strings.HasSuffix(e.Message, "."), e.Message)
	assert.NotEmpty(p.t, e.Remedy)
	return e
}

// words are the whole vocabulary of the test's model.
var words = strings.Fields("good fine nice great bad poor awful dull film play song book was is the a very 0 1 yes no text")

// writeModel makes a small random checkpoint with a tokenizer of those words.
func writeModel(t *testing.T, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	var pieces []text.Piece
	for _, w := range words {
		pieces = append(pieces, text.Piece{Text: "▁" + w, Score: -1})
	}
	tok, err := text.NewUnigram(append(pieces, text.Piece{Text: "▁", Score: -2}))
	require.NoError(t, err)
	c, err := t5.ParseConfig(fmt.Appendf(nil, `{"model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 48, "num_heads": 2, "num_layers": 1,
		"vocab_size": %d, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "dropout_rate": 0}`, tok.VocabSize()))
	require.NoError(t, err)
	require.NoError(t, t5.WriteCheckpoint(dir, c, safetensors.F32, t5.RandomTensors(c, seed)))
	require.NoError(t, tok.Save(dir))
	return dir
}

// reviews are rows that a prompt can learn to tell apart.
func reviews() string {
	var b strings.Builder
	for i := range 30 {
		noun := []string{"film", "play", "song", "book"}[i%4]
		if i%2 == 0 {
			fmt.Fprintf(&b, "the %s was %s,yes\n", noun, words[i/2%4])
		} else {
			fmt.Fprintf(&b, "the %s was %s,no\n", noun, words[4+i/2%4])
		}
	}
	return b.String()
}

func settings(steps int) Settings {
	return Settings{
		Rows: reviews(), Method: "dept", Values: map[string]any{"prompt-length": 4, "rank": 2, "lr-prompt": 0.3, "lr-lowrank": 0.05},
		MaxSourceLength: 16, Steps: steps, Batch: 4, Seed: 7, EvalEvery: 5,
	}
}

// norm is the length of a list of numbers.
func norm(numbers []Named) float64 {
	var squares float64
	for _, x := range numbers {
		squares += x.Value * x.Value
	}
	return math.Sqrt(squares)
}

func names(numbers []Named) []string { return mapped(numbers, func(x Named) string { return x.Name }) }

func TestTraining(t *testing.T) {
	p := newPage(t)
	await[Tasks](p)
	assert.Equal(t, stateEmpty, await[State](p).State)
	p.fails(codeOrder, Train{Settings: settings(1)})

	p.worker.Send(Load{Model: writeModel(t, 1)})
	assert.Equal(t, stateLoading, await[State](p).State)
	ready := await[Ready](p)
	assert.Equal(t, 32, ready.Model.Width)
	assert.Equal(t, stateReady, await[State](p).State)

	// The model as it is answers, too.
	p.worker.Send(Predict{ID: 1, Text: "the film was good"})
	answer := await[Answer](p)
	assert.Equal(t, 1, answer.ID)
	require.Len(t, answer.Tokens, 5)
	assert.Equal(t, Token{Text: "▁film"}, answer.Tokens[1])

	plan := trainTwelve(p)
	trained, zipped := askAndExport(p)

	p.worker.Send(Compare{})
	pt := await[Plan](p)
	assert.Equal(t, "pt", pt.Method)
	assert.True(t, pt.Twin)
	assert.Equal(t, plan.Parameters/32, pt.Positions)
	assert.Equal(t, 0.3, pt.Settings.Values["lr-prompt"], "as in the run")
	both := await[Comparison](p).Rows
	require.Len(t, both, 2)
	assert.Equal(t, []Size{plan.Size, pt.Size}, []Size{both[0].Size, both[1].Size})
	assert.Equal(t, []int{12, 12}, []int{both[0].Step, both[1].Step})
	assert.Greater(t, both[1].Sequence, both[0].Sequence)

	// Each part alone spends a whole budget.
	alone := map[string]Plan{}
	for _, part := range []string{"P", "A·B"} {
		p.worker.Send(Compare{Part: part, Budget: 8})
		alone[part] = await[Plan](p)
		assert.Equal(t, part, alone[part].Part)
		await[Comparison](p)
	}
	assert.Equal(t, []any{"pt", 8}, []any{alone["P"].Method, alone["P"].Positions})
	shift := alone["A·B"]
	assert.Equal(t, []any{"dept", 0, 5 * (16 + 32)}, []any{shift.Method, shift.Positions, shift.Parameters})
	p.fails(codeSettings, Compare{Part: "the adapter"})

	// The adapter that was exported gives the same answers when it comes back.
	p.worker.Send(Reset{})
	p.worker.Send(Import{Files: []File{zipped.File}})
	assert.Equal(t, Imported{Size: plan.Size, MaxSourceLength: 16, Labels: []string{"yes", "no"}, Notice: "Its labels are yes and no."}, await[Imported](p))
	p.worker.Send(Predict{ID: 2, Text: "the book was awful"})
	again := await[Answer](p)
	assert.Equal(t, trained.Answer, again.Answer)
	assert.Equal(t, trained.Tokens, again.Tokens)
}

// trainTwelve trains a prompt with a shift for twelve steps, and checks all that is
// said of it.
func trainTwelve(p *page) Plan {
	t := p.t
	p.worker.Send(Train{Settings: settings(12)})
	plan := await[Plan](p)
	assert.Equal(t, 4*32+2*(16+32), plan.Parameters)
	assert.Equal(t, []string{"yes", "no"}, plan.Labels)
	assert.Equal(t, 20, plan.Sequence)
	assert.Equal(t, [2]int{24, 6}, [2]int{plan.Train, plan.HeldBack})
	sample := await[Sample](p)
	assert.Len(t, sample.PromptSizes, 4)
	assert.Equal(t, make([]float32, 16), sample.ShiftSizes, "A·B starts at zero")
	assert.Greater(t, sample.EmbeddingSize, float32(0))
	before := await[Evaluation](p)
	assert.Equal(t, 0, before.Step)
	assert.Len(t, before.Examples, 5)
	for i := range 12 {
		s := await[Step](p)
		require.Equal(t, i+1, s.Step)
		assert.Equal(t, []string{"P", "A", "B"}, names(s.Norms))
		assert.Equal(t, []string{"lr_prompt", "lr_lowrank"}, names(s.Rates))
		assert.InDelta(t, s.GradNorm, norm(s.Norms), 1e-5*s.GradNorm)
		if i > 0 {
			assert.Greater(t, s.Norms[2].Value, 0.0)
		}
	}
	after := awaitThat(p, func(e Evaluation) bool { return e.Step == 12 })
	assert.Equal(t, []string{before.Examples[0].Text, before.Examples[4].Text}, []string{after.Examples[0].Text, after.Examples[4].Text})
	parts := await[Parts](p)
	assert.Equal(t, []int{12, 6}, []int{parts.Step, parts.Rows})
	var without [][]string
	for _, s := range parts.Scores {
		without = append(without, s.Without)
		assert.InDelta(t, math.Round(6*s.Accuracy), 6*s.Accuracy, 1e-9, "of six rows")
	}
	assert.Equal(t, [][]string{{"P", "A·B"}, {"P"}, {"A·B"}}, without)
	done := await[Done](p)
	assert.False(t, done.Stopped)
	assert.Equal(t, after.Accuracy, done.Accuracy)
	assert.Equal(t, stateReady, await[State](p).State)

	return plan
}

// askAndExport has the adapter answer whole and without its parts, and downloads it.
func askAndExport(p *page) (Answer, AdapterZip) {
	t := p.t
	ask := Predict{ID: 2, Text: "the book was awful"}
	p.worker.Send(ask)
	trained := await[Answer](p)
	require.Len(t, trained.Scores, 2)
	assert.InDelta(t, 1, trained.Scores[0].Probability+trained.Scores[1].Probability, 1e-6)
	assert.Greater(t, trained.Tokens[0].Shift, float32(0))
	p.worker.Send(Export{})
	zipped := await[AdapterZip](p)

	ask.Without = []string{"P", "A·B"}
	p.worker.Send(ask)
	bare := await[Answer](p)
	assert.NotEqual(t, trained.Scores, bare.Scores)
	assert.Zero(t, bare.Tokens[0].Shift)
	return trained, zipped
}

// A prompt without a shift and a shift without a prompt are trained, answer and are
// compared as both are; nothing is left of them with their one part as zero.
func TestOnePart(t *testing.T) {
	p := newPage(t)
	p.worker.Send(Load{Model: writeModel(t, 1)})
	for _, size := range [][2]int{{0, 5}, {8, 0}} {
		s := settings(3)
		s.Values["prompt-length"], s.Values["rank"] = size[0], size[1]
		p.worker.Send(Train{Settings: s})
		plan := await[Plan](p)
		assert.Equal(t, []int{size[0], size[0]*32 + size[1]*(16+32)}, []int{plan.Positions, plan.Parameters})
		sample := awaitThat(p, func(s Sample) bool { return s.Step == 3 })
		assert.Len(t, sample.PromptSizes, size[0])
		await[Done](p)
		for _, part := range []string{"P", "A·B"} {
			p.worker.Send(Compare{Part: part, Budget: 8})
			assert.Equal(t, part, await[Plan](p).Part)
			assert.Equal(t, plan.Size, await[Comparison](p).Rows[0].Size)
		}
		p.worker.Send(Predict{ID: 1, Text: "a good song"})
		await[Answer](p)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.False(t, slices.ContainsFunc(p.got, func(m Message) bool { _, ok := m.(Parts); return ok }), "nothing to tell apart")
}

// The menu has every method that makes adapters, and each can be trained with the
// settings it begins with, downloaded and loaded again.
func TestMethods(t *testing.T) {
	p := newPage(t)
	menu := await[Tasks](p).Methods
	p.worker.Send(Load{Model: writeModel(t, 1)})
	offered := map[string]bool{}
	for _, m := range menu {
		offered[m.Name] = true
		t.Run(m.Name, func(t *testing.T) {
			p.t = t
			trainMethod(p, m)
		})
	}
	for _, k := range dept.Kinds {
		assert.Equal(t, !k.Checkpoints(), offered[k.Name], k.Name)
	}
}

// Learning rates to begin with are the demonstration's on a model of its width, and those of
// the methods' authors on any other.
func TestRatesSuitTheModel(t *testing.T) {
	own := modelValues(demo.Width)["dept"]
	assert.Equal(t, map[string]any{"lr-prompt": 1., "lr-lowrank": 0.02, "prompt-init": "random"}, own)
	t5 := modelValues(512)["dept"]
	assert.Equal(t, map[string]any{"lr-prompt": 0.3, "lr-lowrank": 5e-4, "prompt-init": "text"}, t5)
	for _, m := range methodInfos() {
		for _, s := range m.Settings {
			if x, ok := modelValues(demo.Width)[m.Name][s.Name]; ok {
				assert.Equal(t, x, s.Default, "the form's own, before there is a model")
				if s.Rate != "" && m.Name != dept.PromptTuning.Name { // whose own happens to be right here, too
					assert.NotEqual(t, modelValues(512)[m.Name][s.Name], x, "%s %s was not measured on the backbone", m.Name, s.Name)
				}
			}
		}
	}
	p := newPage(t)
	p.worker.Send(Load{Model: writeModel(t, 1)})
	assert.Equal(t, t5, await[Ready](p).Values["dept"], "a width of 32")
}

// The other method of a comparison trains as many numbers as the run, or fewer.
func TestBeside(t *testing.T) {
	d := nn.Description{Width: 128}
	short := dept.Values{"prompt-length": 8, "rank": 19, "scale": "code", "prompt-init": "vocab", "lr-prompt": 0.1, "lr-lowrank": 0.2}
	long := beside(&dept.PromptTuning, &dept.DePT, short, nil, 8*128+19*(28+128), 28, d)
	assert.Equal(t, dept.Values{"prompt-length": 31, "prompt-init": "vocab", "lr-prompt": 0.1}, long)
	v := beside(&dept.DePT, &dept.PromptTuning, dept.Values{"prompt-length": 32, "prompt-init": "vocab", "lr-prompt": 0.1}, nil, 32*128, 28, d)
	assert.Equal(t, []any{4, 22, "vocab", 0.1, 0.02}, []any{v["prompt-length"], v["rank"], v["prompt-init"], v["lr-prompt"], v["lr-lowrank"]})
	v = beside(&dept.DePT, &dept.PromptTuning, dept.PromptTuning.Defaults(), nil, 1<<20, 28, d)
	assert.Equal(t, 28, v["rank"], "more would be in vain")
	v = beside(&dept.DePT, &dept.PromptTuning, dept.PromptTuning.Defaults(), nil, 100, 28, d)
	assert.Equal(t, 9, v["rank"], "none fits")
	small, err := t5.ParseConfig([]byte(`{"model_type": "t5", "vocab_size": 100, "d_model": 128, "d_kv": 16, "d_ff": 256, "num_heads": 4, "num_layers": 2}`))
	require.NoError(t, err)
	// Four networks of 2·128·b + b + 128 numbers: b = 6 is 128/21 down to 128/19, 7 too much.
	v = beside(&dept.Bottleneck, &dept.DePT, short, nil, 7000, 28, small.Describe())
	assert.Equal(t, 19, v["reduction"])
}

func trainMethod(p *page, m MethodInfo) {
	t := p.t
	const steps = 4
	s := settings(steps)
	s.Method, s.Values, s.EvalEvery = m.Name, map[string]any{}, 0
	for _, x := range m.Settings {
		assert.NotEmpty(t, x.Title, x.Name)
		assert.NotEmpty(t, x.Type, x.Name)
		s.Values[x.Name] = x.Default
	}
	p.worker.Send(Measure{Settings: s})
	sizes := await[Measured](p).Sizes
	require.Len(t, sizes, 2)
	p.worker.Send(Train{Settings: s})
	plan := await[Plan](p)
	assert.Equal(t, sizes[0], plan.Size)
	for range steps {
		step := await[Step](p)
		assert.False(t, math.IsNaN(step.Loss) || math.IsInf(step.Loss, 0), "%+v", step)
		assert.InDelta(t, step.GradNorm, norm(step.Norms), 1e-5*step.GradNorm)
		for _, x := range m.Settings {
			assert.Equal(t, x.Rate != "", x.Rate != "" && slices.Contains(names(step.Rates), x.Rate), x.Name)
		}
	}
	checkSample(t, awaitThat(p, func(s Sample) bool { return s.Step == steps }), plan, m)
	assert.Equal(t, steps, await[Done](p).Step)

	ask := Predict{ID: 1, Text: "the book was awful"}
	p.worker.Send(ask)
	trained := await[Answer](p)
	p.worker.Send(Predict{ID: 1, Text: ask.Text, Without: m.Parts})
	assert.NotEqual(t, trained.Scores, await[Answer](p).Scores, "without %v", m.Parts)
	p.worker.Send(Export{})
	zipped := await[AdapterZip](p)

	p.worker.Send(Import{Files: []File{zipped.File}})
	assert.Equal(t, plan.Size, await[Imported](p).Size)
	p.worker.Send(ask)
	again := await[Answer](p)
	assert.Equal(t, trained.Scores, again.Scores)
	assert.Equal(t, trained.Answer, again.Answer)
	p.worker.Send(Reset{})
}

// checkSample checks that a method's tensors are all there, under names for people.
func checkSample(t *testing.T, s Sample, plan Plan, m MethodInfo) {
	t.Helper()
	numbers := 0
	for _, x := range s.Tensors {
		assert.NotContains(t, x.Name, "base_model")
		size := 1
		for _, n := range x.Shape {
			size *= n
		}
		numbers += size
	}
	assert.Equal(t, plan.Parameters, numbers)
	assert.Equal(t, m.Shift, s.Heat != nil)
}

func TestPauseStepAndStop(t *testing.T) {
	p := newPage(t)
	p.worker.Send(Load{Model: writeModel(t, 1)})
	p.worker.Send(Train{Settings: settings(1000), Paused: true})
	assert.Equal(t, statePaused, awaitThat(p, func(s State) bool { return s.Method != "" }).State)
	await[Evaluation](p)
	p.worker.Send(StepOnce{})
	assert.Equal(t, 1, await[Step](p).Step)
	assert.Equal(t, 1, await[Sample](p).Step)
	p.worker.Send(StepOnce{})
	assert.Equal(t, 2, await[Step](p).Step)
	p.worker.Send(Resume{})
	awaitThat(p, func(s State) bool { return s.State == stateTraining })
	awaitThat(p, func(s Step) bool { return s.Step == 8 })
	p.worker.Send(Pause{})
	assert.Equal(t, statePaused, await[State](p).State)
	p.worker.Send(Predict{ID: 3, Text: "a good song"})
	await[Answer](p)
	// The answer came while no step did: those after it are new.
	p.worker.Send(Resume{})
	p.worker.Send(Stop{})
	done := await[Done](p)
	assert.True(t, done.Stopped)
	assert.Less(t, done.Step, 1000)
	p.fails(codeOrder, Stop{})
	p.fails(codeOrder, StepOnce{})

	p.worker.Send(Train{Settings: settings(1000), PauseAt: 3})
	halted := awaitThat(p, func(s State) bool { return s.State == statePaused })
	assert.Equal(t, 3, halted.Step)
	p.worker.Send(Resume{})
	assert.Equal(t, 4, awaitThat(p, func(s Step) bool { return s.Step > 3 }).Step)
	p.worker.Send(Stop{})
	await[Done](p)
}

// A run tells how it goes.
func TestRunTells(t *testing.T) {
	p := newPage(t)
	p.worker.Send(Load{Model: writeModel(t, 1)})
	await[Ready](p)
	for _, part := range []struct {
		name string
		do   func(*testing.T)
	}{{"curve", p.curve}, {"seconds", p.seconds}, {"a paused step", p.pausedStepIsCounted}} {
		t.Run(part.name, func(t *testing.T) {
			p.t = t
			part.do(t)
		})
	}
}

// A step that is done while a run is paused is counted where the page says so.
func (p *page) pausedStepIsCounted(t *testing.T) {
	p.worker.Send(Train{Settings: settings(1000)})
	awaitThat(p, func(s Step) bool { return s.Step == 8 })
	p.worker.Send(StepOnce{})
	at := awaitThat(p, func(s State) bool { return s.State == statePaused }).Step
	assert.Equal(t, at+1, awaitThat(p, func(s State) bool { return s.State == statePaused }).Step)
	p.worker.Send(Reset{})
}

// A run's curve has ten points. Between its ends they are of fewer rows, also where the run
// is stopped at one of them: its last is of all.
func (p *page) curve(t *testing.T) {
	for _, info := range taskInfos() {
		assert.GreaterOrEqual(t, info.Settings.Steps/info.Settings.EvalEvery, 10, info.Name)
	}
	s := settings(10)
	s.Rows, s.EvalEvery = strings.Repeat(reviews(), 7), 5
	const held = 7 * 30 / 5
	require.Greater(t, held, rowsBetween)
	p.worker.Send(Train{Settings: s})
	for _, want := range [][2]int{{0, held}, {5, rowsBetween}, {10, held}} {
		v := await[Evaluation](p)
		assert.Equal(t, want, [2]int{v.Step, v.Rows})
		assert.Len(t, v.Examples, examplesShown)
	}
	await[Done](p)

	for _, during := range []bool{true, false} { // the evaluation, or after it
		p.worker.Send(Train{Settings: s, Paused: true})
		for i := range 5 {
			p.worker.Send(StepOnce{})
			awaitThat(p, func(s State) bool { return s.Step == i+1 })
		}
		if !during {
			awaitThat(p, func(v Evaluation) bool { return v.Step == 5 })
		}
		p.worker.Send(Stop{})
		v := awaitThat(p, func(v Evaluation) bool { return v.Step == 5 && v.Rows == held })
		done := await[Done](p)
		assert.Equal(t, []any{5, v.Accuracy}, []any{done.Step, done.Accuracy})
	}
}

// A run's seconds are those that somebody waits for it: evaluations belong to it, pauses do
// not.
func (p *page) seconds(t *testing.T) {
	from := p.read
	began := time.Now()
	p.worker.Send(Train{Settings: settings(20), Paused: true})
	p.worker.Send(StepOnce{})
	await[Step](p)
	awaitThat(p, func(s State) bool { return s.Step == 1 })
	const pause = time.Second
	time.Sleep(pause)
	p.worker.Send(Resume{})
	last := awaitThat(p, func(s Step) bool { return s.Step == 20 })
	done := await[Done](p)
	assert.Less(t, done.Seconds, (time.Since(began) - pause).Seconds())
	assert.Greater(t, done.Seconds, last.Seconds)
	assert.Greater(t, done.Seconds, done.Updates)
	assert.Greater(t, done.Updates, 0.)
	left := -1.
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.got[from:] {
		if s, ok := m.(Step); ok && s.Left > 0 {
			left = s.Left
			assert.Positive(t, s.MS)
		}
	}
	assert.NotEqual(t, 0., left)
	assert.Zero(t, last.Left)
}

// While nobody asks for anything the worker compiles what the form's run will need: the run
// then compiles nothing, and begins at once. A message does not wait for all of that.
func TestWarmUp(t *testing.T) {
	w := newWorker(func(m Message) {
		if e, ok := m.(Error); ok {
			t.Errorf("%+v", e)
		}
	}, disk{}, noVault{})
	defer w.unload()
	w.hear(Load{Model: writeModel(t, 1)})
	w.hear(Measure{Settings: settings(2)})
	before := w.model.Engine.Pipelines()

	w.Send(Predict{Text: "a good film"})
	w.warmUp()
	assert.True(t, w.warming.due)
	assert.Equal(t, before, w.model.Engine.Pipelines(), "the message comes first")
	w.next()

	w.warmUp()
	assert.False(t, w.warming.due)
	warm := w.model.Engine.Pipelines()
	require.Greater(t, warm, before)
	w.hear(Train{Settings: settings(2)})
	for w.run != nil {
		w.advance()
	}
	w.hear(Predict{Text: "a good film"})
	assert.Equal(t, warm, w.model.Engine.Pipelines(), "nothing is left to compile")

	// What makes no sense is left to the run, which says so.
	broken := settings(2)
	broken.Rows = "no label"
	w.hear(Measure{Settings: broken})
	w.warmUp()
	assert.False(t, w.warming.due)
}

// The same settings give the same losses as a trainer without a worker.
func TestLossesAreTheTrainers(t *testing.T) {
	dir := writeModel(t, 1)
	s := settings(6)
	p := newPage(t)
	p.worker.Send(Load{Model: dir})
	p.worker.Send(Train{Settings: s})
	var losses []float64
	for range s.Steps {
		losses = append(losses, await[Step](p).Loss)
	}

	ctx := context.Background()
	dev, err := wgpu.Open(ctx, "")
	require.NoError(t, err)
	m, err := openModel(ctx, dev, &source{files: folder{os.DirFS(dir)}, name: dir})
	require.NoError(t, err)
	defer m.Release()
	d, err := ownData(s, m.Tokenizer)
	require.NoError(t, err)
	c := &dept.PromptConfig{PromptLength: 4, Rank: 2, MaxSourceLength: 16, Width: 32, LoraAlpha: dept.DefaultLoraAlpha}
	adapter, err := dept.NewAdapter(c, dept.Values{"prompt-init": "text"}, dept.Origin{
		Model: m.Model.Description, Checkpoint: m.Checkpoint, Tokenizer: m.Tokenizer, Seed: s.Seed,
	})
	require.NoError(t, err)
	method, err := dept.New(m.Model, adapter, true)
	require.NoError(t, err)
	defer method.Release()
	trainer, err := train.NewTrainer(ctx, m.Engine, m.Model, method, data.Tokenize(d.train, m.Tokenizer, 16, 2), train.Options{
		Steps: 6, Batch: 4, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 0.05}, Clip: 1,
		MaxSourceLength: 16, MaxTargetLength: 2, Shuffle: true, Seed: 7,
	})
	require.NoError(t, err)
	defer trainer.Release()
	var want []float64
	trainer.OnRecord = func(r train.StepRecord) error {
		want = append(want, r.Loss)
		return nil
	}
	for range s.Steps {
		require.NoError(t, trainer.Step(ctx))
	}
	require.NoError(t, trainer.Flush(ctx))
	assert.Equal(t, want, losses)
}

// mistake is a message that the worker refuses, and what it says.
type mistake struct {
	name, code, says string
	m                Message
}

// with is a run's beginning with other settings.
func with(change func(*Settings)) Train {
	s := settings(3)
	change(&s)
	return Train{Settings: s}
}

func mistakes() []mistake {
	return []mistake{
		{"label", codeRows, "Line 2 of your rows: the target is empty: a row to learn from has one", with(func(s *Settings) { s.Rows = "good film,yes\nbad film,\n" })},
		{"no label at all", codeRows, "Line 2 of your rows", with(func(s *Settings) { s.Rows = "good film,yes\nbad film\n" })},
		{"no rows", codeRows, "no rows", with(func(s *Settings) { s.Rows = " \n" })},
		{"one row", codeRows, "one row", with(func(s *Settings) { s.Rows = "a\tb" })},
		{"one label", codeRows, "nothing to tell apart", with(func(s *Settings) { s.Rows = "a,x\nb,x\n" })},
		{"task", codeSettings, "nonesuch", with(func(s *Settings) { s.Task = "nonesuch" })},
		{"method", codeSettings, "full", with(func(s *Settings) { s.Method = "full" })},
		{"nothing to train", codeSettings, "nothing to train", with(func(s *Settings) { s.Values = map[string]any{"prompt-length": 0, "rank": 0} })},
		{"setting", codeSettings, "targets", with(func(s *Settings) { s.Values = map[string]any{"targets": 3} })},
		{"type", codeSettings, "rank r cannot be 2.5", with(func(s *Settings) { s.Values["rank"] = 2.5 })},
		{"choice", codeSettings, "there are code, paper", with(func(s *Settings) { s.Values["scale"] = "none" })},
		{"module", codeSettings, "there are q, k, v", with(func(s *Settings) {
			s.Method, s.Values = "lora", map[string]any{"target-modules": []string{"nonesuch"}}
		})},
		{"steps", codeSettings, "steps", with(func(s *Settings) { s.Steps = 0 })},
		{"rate", codeSettings, "learning rate", with(func(s *Settings) { s.Values["lr-prompt"] = -1 })},
		{"batch", codeLimit, "", with(func(s *Settings) { s.Batch, s.MaxSourceLength = 4096, 4000 })},
		{"adapter", codeAdapter, "adapter_config.json", Import{Files: []File{{Name: "x.txt"}}}},
		{"zip", codeAdapter, "no zip", Import{Files: []File{{Name: "x.zip", Data: []byte("PK?")}}}},
		{"export", codeOrder, "no adapter", Export{}},
		{"compare", codeOrder, "no run", Compare{}},
	}
}

func TestErrorsLeaveTheWorkerWorking(t *testing.T) {
	p := newPage(t)
	dir := writeModel(t, 1)
	whole, err := os.ReadFile(filepath.Join(dir, weightsFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, weightsFile), whole[:len(whole)-100], 0o666))
	assert.Contains(t, p.fails(codeFile, Load{Model: dir}).Message, "cut off")
	assert.Equal(t, stateEmpty, await[State](p).State)
	require.NoError(t, os.WriteFile(filepath.Join(dir, weightsFile), whole, 0o666))
	p.fails(codeFile, Load{Model: filepath.Join(dir, "nowhere")})
	p.worker.Send(Load{Model: dir})
	await[Ready](p)

	for _, tc := range mistakes() {
		t.Run(tc.name, func(t *testing.T) {
			e := p.fails(tc.code, tc.m)
			assert.Contains(t, e.Message, tc.says)
			assert.NotContains(t, e.Message+e.Remedy, "--", "the page has no flags")
		})
	}

	wide := zeros(&dept.PromptConfig{PromptLength: 1, Width: 64, Submodules: 1})
	file, err := zipAdapter(wide)
	require.NoError(t, err)
	assert.Contains(t, p.fails(codeAdapter, Import{Files: []File{file}}).Message, "width 64")
	stranger := zeros(&dept.PromptConfig{PromptLength: 1, Width: 32, Submodules: 1})
	stranger.Base.Fingerprint = "of another"
	file, err = zipAdapter(stranger)
	require.NoError(t, err)
	p.worker.Send(Import{Files: []File{file}})
	assert.Contains(t, await[Imported](p).Notice, "another model")

	p.worker.Send(Predict{ID: 4, Text: strings.Repeat("the film was good ", 100_000/18)})
	long := await[Answer](p)
	assert.True(t, long.Cut)
	assert.Contains(t, long.Notice, "cut")
	assert.Len(t, long.Tokens, defaultSource)

	p.worker.Send(with(func(*Settings) {}))
	await[Done](p)
}

// A device that goes in the middle of a run takes the run along; the adapter
// stays, and the model can be loaded again.
func TestDeviceLost(t *testing.T) {
	var got []Message
	w := newWorker(func(m Message) { got = append(got, m) }, disk{}, noVault{})
	defer w.unload()
	dir := writeModel(t, 1)
	w.hear(Load{Model: dir})
	w.hear(Train{Settings: settings(1000)})
	for w.run.done() < 3 {
		w.advance()
	}
	w.fail(fmt.Errorf("submit: %w", wgpu.ErrDeviceLost), "train", 0)
	assert.Nil(t, w.model)
	assert.Nil(t, w.run)
	require.NotNil(t, w.adapter)
	require.Len(t, got[len(got)-2:], 2)
	assert.Equal(t, codeDeviceLost, got[len(got)-2].(Error).Code)
	assert.Equal(t, State{State: stateEmpty}, got[len(got)-1])

	w.hear(Load{Model: dir})
	w.hear(Predict{ID: 9, Text: "a good film"})
	answer := got[len(got)-1].(Answer)
	assert.Equal(t, 9, answer.ID)
	assert.Greater(t, answer.Tokens[0].Shift, float32(0), "the adapter was kept")
}

func TestMessagesAsJSON(t *testing.T) {
	m, err := decode([]byte(`{"type": "train", "settings": {"task": "x", "values": {"lr": 0.5}, "seed": 9007199254740992, "new": 1}, "paused": true}`))
	require.NoError(t, err)
	assert.Equal(t, Train{Settings{Task: "x", Values: map[string]any{"lr": 0.5}, Seed: 1 << 53}, true, 0}, m)
	m, err = decode([]byte(`{"type": "cancel"}`))
	require.NoError(t, err)
	assert.Equal(t, Cancel{}, m)
	for _, bad := range []string{``, `[]`, `{}`, `{"type": "nonesuch"}`, `{"type": "step", "x"`, `{"type": "train", "settings": {"steps": "many"}}`} {
		_, err := decode([]byte(bad))
		assert.Error(t, err, bad)
	}

	b, err := encode(State{State: stateReady})
	require.NoError(t, err)
	assert.JSONEq(t, `{"type": "state", "state": "ready", "step": 0, "steps": 0}`, string(b))
	b, err = encode(AdapterZip{File{"a.zip", []byte{1, 2}}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"type": "adapter", "name": "a.zip", "data": "AQI="}`, string(b))
	b, err = encode(Sample{})
	require.NoError(t, err)
	assert.True(t, json.Valid(b))
}

func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code string
	}{
		{wgpu.ErrNoAdapter, codeNoWebGPU},
		{fmt.Errorf("read: %w", wgpu.ErrDeviceLost), codeDeviceLost},
		{fmt.Errorf("plan: %w", &wgpu.LimitError{What: "buffer", Limit: "maxBufferSize", Have: 1, Want: 2}), codeLimit},
		{errors.New("make buffer: GPUOutOfMemoryError: no"), codeMemory},
		{fmt.Errorf("step 3: %w", train.ErrNotFinite), codeNotFinite},
		{context.Canceled, codeCancelled},
		{as(codeFile, "r", errors.New("?")), codeFile},
		{as(codeFile, "r", wgpu.ErrDeviceLost), codeDeviceLost},
		{errors.New("?"), codeBug},
	} {
		e := explain(tc.err, "train", 5)
		assert.Equal(t, tc.code, e.Code, "%v", tc.err)
		assert.Equal(t, 5, e.ID)
		assert.NotEmpty(t, e.Remedy)
	}
}

func TestBench(t *testing.T) {
	p := newPage(t)
	for _, m := range []Bench{
		{"matmul", []int{33, 70, 65}}, {"matmul", []int{1, 5, 300}}, {"attention", []int{2, 3, 64, 37}}, {"block", []int{2, 9, 128, 130}},
	} {
		p.worker.Send(m)
		results := await[Benched](p).Results
		require.NotEmpty(t, results)
		for _, r := range results {
			assert.True(t, r.Right, "%+v", r)
			assert.Positive(t, r.MS)
			assert.Positive(t, r.GFLOPs)
		}
	}
	p.fails(codeSettings, Bench{"matmul", []int{1, 2}})
	p.fails(codeSettings, Bench{"block", []int{1, 2, 3, 4}})
	p.fails(codeSettings, Bench{"softmax", nil})
}

// Every task that comes with the page can be trained with its settings.
func TestTasks(t *testing.T) {
	infos := taskInfos()
	require.NotEmpty(t, infos)
	for _, info := range infos {
		assert.NotEmpty(t, info.Title, info.Name)
		assert.NotEmpty(t, info.About, info.Name)
		d, err := taskData(info.Name)
		require.NoError(t, err)
		assert.Equal(t, []int{d.train.Len(), d.held.Len()}, []int{info.Train, info.HeldBack})
		for i := range d.held.Len() {
			assert.Equal(t, d.held.Row(i).Source, d.source(d.texts[i]))
		}
		text, err := taskRows(info.Name)
		require.NoError(t, err)
		own, err := ownData(Settings{Rows: text, MaxSourceLength: 30}, nil)
		require.NoError(t, err)
		assert.ElementsMatch(t, info.Labels, own.names())
		v := info.Settings.Values
		assert.LessOrEqual(t, v["prompt-length"].(int)+v["rank"].(int), info.Budget)
	}
}

// What makes a wasm module large is not imported by anything of ours. (The
// tokenizer's library does import net/http.)
func TestImports(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{join .Imports \",\"}}", ".")
	list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := list.Output()
	require.NoError(t, err)
	ours := 0
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(path, "github.com/go-dept/") {
			continue
		}
		ours++
		for _, heavy := range []string{"net/http", "text/template", "html/template"} {
			assert.NotContains(t, strings.Split(imports, ","), heavy, path)
		}
	}
	assert.Greater(t, ours, 5)
}

// zeros is an adapter of zeros.
func zeros(c *dept.PromptConfig) *dept.Adapter {
	tensors, err := c.Tensors(nn.Description{Width: c.Width})
	if err != nil {
		panic(err)
	}
	for i, t := range tensors {
		n := 1
		for _, size := range t.Shape {
			n *= size
		}
		tensors[i].Values = make([]float32, n)
	}
	return &dept.Adapter{Config: c, Tensors: tensors}
}

func TestPictures(t *testing.T) {
	a := zeros(&dept.PromptConfig{PromptLength: 1, Rank: 1, MaxSourceLength: 3, Width: 2, LoraAlpha: 2})
	copy(a.Values(dept.TensorP), []float32{3, 4})
	copy(a.Values(dept.TensorA), []float32{1, 0, -2})
	copy(a.Values(dept.TensorB), []float32{1, -3})
	s := pictures(a, nn.Description{})
	assert.Equal(t, []float32{5}, s.PromptSizes)
	assert.InDeltaSlice(t, []float32{float32(2 * math.Sqrt(10)), 0, float32(4 * math.Sqrt(10))}, s.ShiftSizes, 1e-5)
	assert.Equal(t, &Heat{Rows: 3, Columns: 2, Values: []float32{2, -6, 0, 0, -4, 12}, Largest: 12}, s.Heat)
	assert.Equal(t, TensorSize{"P", []int{1, 2}, float32(5 / math.Sqrt2)}, s.Tensors[0])

	// A large matrix is made small, and its largest number stays.
	a = zeros(&dept.PromptConfig{Rank: 1, MaxSourceLength: 300, Width: 1000, LoraAlpha: 1})
	a.Values(dept.TensorA)[299], a.Values(dept.TensorB)[999] = 1, -7
	s = pictures(a, nn.Description{})
	require.Len(t, s.Heat.Values, heatRows*heatColumns)
	assert.Equal(t, float32(-7), s.Heat.Values[heatRows*heatColumns-1])
}
