package train

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// bench is a small real model with an adapter on a fresh engine.
type bench struct {
	e       *tensor.Engine
	ck      *t5.Checkpoint
	m       *nn.Model
	adapter *dept.Adapter
	rows    rowsOfIDs
}

func newBench(t *testing.T, name string) bench {
	e, err := tensor.NewEngine(wgputest.Device(t))
	require.NoError(t, err)
	t.Cleanup(e.Release)
	g := loadGolden(t, filepath.Join("testdata", "golden", name), 1)
	m, err := t5.Load(context.Background(), e, g.ck, false)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	return bench{e, g.ck, m, g.adapter, g.examples()}
}

func (b bench) prompt(t *testing.T, a *dept.Adapter) *dept.Method {
	p, err := dept.New(b.m, a, true)
	require.NoError(t, err)
	t.Cleanup(p.Release)
	return p
}

// train runs all steps on rows and returns records and adapter.
func (b bench) train(t *testing.T, a *dept.Adapter, rows rowsOfIDs, o Options) ([]StepRecord, *dept.Adapter) {
	ctx := context.Background()
	p := b.prompt(t, a)
	trainer, err := NewTrainer(ctx, b.e, b.m, p, rows, o)
	require.NoError(t, err)
	defer trainer.Release()
	var records []StepRecord
	trainer.OnRecord = func(r StepRecord) error {
		r.Seconds = 0
		records = append(records, r)
		return nil
	}
	for range o.Steps {
		require.NoError(t, trainer.Step(ctx))
		require.GreaterOrEqual(t, len(records), trainer.Done()-recordLag, "a record may be two steps late, no more")
	}
	require.NoError(t, trainer.Flush(ctx))
	trained, err := p.Adapter(ctx)
	require.NoError(t, err)
	return records, trained
}

var smallRun = Options{
	Steps: 6, Batch: 2, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 5e-3}, Clip: 1, Warmup: 1,
	MaxSourceLength: 32, MaxTargetLength: 8, Seed: 42, Shuffle: true,
}

// A frozen backbone costs no weight gradient: none of a DePT step's dispatches
// computes one, there is one product backward for each forward where the
// gradient has to pass, and the step takes at most 30 pipelines.
func TestFrozenBackboneCostsNoWeightGradient(t *testing.T) {
	for _, name := range []string{"relu-tied", "gated-untied"} {
		b := newBench(t, name)
		total, err := b.e.NewArray("loss", shaders.F32, 1)
		require.NoError(t, err)
		defer total.Release()
		p := b.prompt(t, b.adapter)
		g, in, err := recordTraining(b.e, b.m, p, shape{2, 16, 4}, Options{Dropout: 0.1}, total)
		require.NoError(t, err)
		defer in.release()
		program, err := g.Compile(context.Background())
		require.NoError(t, err)
		defer program.Release()
		count := func(calls []string, suffix string) (n int) {
			for _, c := range calls {
				if strings.HasSuffix(c, suffix) {
					n++
				}
			}
			return n
		}
		assert.Zero(t, count(program.Calls(), "weight_grad"), name)
		assert.Zero(t, count(program.Calls(), ".dropout.grad"), "%s: the norms' gradients pass the dropouts of the stream", name)
		// Backward through the encoder: qkv, o, wi and wo of each block once.
		products := 0
		for _, call := range program.Section("encoder.grad").Calls() {
			if strings.HasSuffix(call, ".input_grad") && !strings.Contains(call, "layer_norm") {
				products++
			}
		}
		assert.Equal(t, 4*len(b.m.Encoder.Blocks), products, name)
		adam, err := b.e.NewAdamW(context.Background(), p.Params())
		require.NoError(t, err)
		defer adam.Release()
		assert.LessOrEqual(t, b.e.Pipelines(), 30, name)
		t.Logf("%s: %d dispatches, %d pipelines", name, len(program.Calls())+len(adam.Program().Calls()), b.e.Pipelines())
	}
}

// The loss of an update is the mean over its target tokens, so accumulating k
// micro-batches of b rows equals a batch of k·b, the short last batch of an
// epoch included.
func TestAccumulatingEqualsALargeBatch(t *testing.T) {
	b := newBench(t, "relu-tied")
	rows := slices.Concat(b.rows, b.rows, b.rows[:1])
	large, small := smallRun, smallRun
	large.Batch, small.Batch, small.Accumulate = 4, 1, 4
	wantRecords, want := b.train(t, b.adapter, rows, large)
	gotRecords, got := b.train(t, b.adapter, rows, small)
	for i := range wantRecords {
		assert.InEpsilon(t, wantRecords[i].Loss, gotRecords[i].Loss, 1e-6)
		assert.Equal(t, wantRecords[i].Tokens, gotRecords[i].Tokens)
	}
	// Adam divides by √v, which magnifies the rounding of small gradients.
	assert.LessOrEqual(t, nmse(got.Values(dept.TensorP), want.Values(dept.TensorP)), 1e-9)
	assert.LessOrEqual(t, nmse(got.Values(dept.TensorB), want.Values(dept.TensorB)), 1e-9)
}

// Padding to a bucket is masked and changes nothing but the order of sums.
func TestPaddingChangesNothing(t *testing.T) {
	b := newBench(t, "relu-tied")
	exact, padded := smallRun, smallRun
	exact.Steps, padded.Steps = 1, 1
	exact.Batch, exact.MaxSourceLength, exact.MaxTargetLength = 3, 24, 5
	padded.Batch, padded.MaxSourceLength, padded.MaxTargetLength = 7, 32, 8
	want, _ := b.train(t, b.adapter, b.rows, exact)
	got, _ := b.train(t, b.adapter, b.rows, padded)
	assert.InEpsilon(t, want[0].Loss, got[0].Loss, 1e-6)
	assert.InEpsilon(t, want[0].GradNorm, got[0].GradNorm, 1e-5)
}

// With B zero, DePT's first step is prompt tuning's with the same P, to the bit.
func TestStepZeroIsPromptTuning(t *testing.T) {
	b := newBench(t, "relu-tied")
	lowRank := *b.adapter
	lowRank.Tensors = slices.Clone(lowRank.Tensors)
	for i, x := range lowRank.Tensors {
		if x.Name == dept.TensorB {
			lowRank.Tensors[i].Values = make([]float32, len(x.Values))
		}
	}
	config := *b.adapter.Config.(*dept.PromptConfig)
	config.Rank, config.LoraAlpha = 0, 0
	pt := dept.Adapter{Config: &config, Tensors: b.adapter.Tensors[:1]}
	one := smallRun
	one.Steps, one.Dropout = 1, 0.1
	a, _ := b.train(t, &lowRank, b.rows, one)
	p, _ := b.train(t, &pt, b.rows, one)
	assert.Equal(t, p[0].Loss, a[0].Loss)
}

// everyMethod is each row of the table of methods with its own dropout, where it has
// one, and again with all its switches on, where it has some; and DePT's shift alone.
func everyMethod() (cases []methodCase) {
	for _, k := range dept.Kinds {
		plain, switched := dept.Values{}, dept.Values{}
		for _, s := range k.Settings {
			switch s.Default.(type) {
			case int:
				plain[s.Name] = 3 // a rank, or a length
			case bool:
				switched[s.Name] = true
			}
			if strings.HasSuffix(s.Name, "dropout") {
				plain[s.Name] = 0.2
			}
		}
		cases = append(cases, methodCase{k.Name, k, plain})
		if len(switched) > 0 {
			maps.Copy(switched, plain)
			cases = append(cases, methodCase{k.Name + " with its switches", k, switched})
		}
	}
	return append(cases, methodCase{"dept without a prompt", &dept.DePT, dept.Values{"prompt-length": 0, "rank": 3}})
}

// For every method, stopping, saving and resuming changes no bit of what a run makes,
// dropout and shuffling included; and so the same seed gives the same bits.
func TestResumeIsExact(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, "relu-tied")
	rows := slices.Concat(b.rows, b.rows, b.rows)
	for _, c := range everyMethod() {
		t.Run(c.name, func(t *testing.T) {
			o := smallRun
			o.Steps, o.Dropout, o.Accumulate, o.Rates = 4, 0.1, 2, c.kind.Rates(c.kind.Defaults())
			state := filepath.Join(t.TempDir(), StateFile)
			// run goes from step first to step last, and returns the records of these and
			// what decides how training goes on.
			run := func(first, last int) (records []StepRecord, arrays [][]float32) {
				m, method := b.begin(t, c)
				trainer, err := NewTrainer(ctx, b.e, m, method, rows, o)
				require.NoError(t, err)
				defer trainer.Release()
				trainer.OnRecord = func(r StepRecord) error {
					r.Seconds = 0
					records = append(records, r)
					return nil
				}
				if first > 0 {
					_, err := trainer.restore(state)
					require.NoError(t, err)
				}
				require.Equal(t, first, trainer.Done())
				for trainer.Done() < last {
					require.NoError(t, trainer.Step(ctx))
				}
				require.NoError(t, trainer.save(ctx, state, progress{}))
				for _, a := range trainer.arrays() {
					x, err := a.ReadFloats(ctx)
					require.NoError(t, err)
					arrays = append(arrays, x)
				}
				return records, arrays
			}
			wantRecords, want := run(0, 4)
			assert.Positive(t, wantRecords[3].GradNorm)
			run(0, 2)
			records, got := run(2, 4)
			assert.Equal(t, want, got)
			assert.Equal(t, wantRecords[2:], records)
		})
	}
}

// For every method, computing blocks again takes less memory and changes no bit of
// what training makes, dropout included.
func TestRecomputeIsExact(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"relu-tied", "gated-untied"} {
		b := newBench(t, name)
		for _, c := range everyMethod() {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				o := smallRun
				o.Steps, o.Dropout, o.Rates = 3, 0.1, c.kind.Rates(c.kind.Defaults())
				run := func(recompute bool) (records []StepRecord, arrays [][]float32, bytes int64) {
					o.Recompute = recompute
					m, method := b.begin(t, c)
					trainer, err := NewTrainer(ctx, b.e, m, method, b.rows, o)
					require.NoError(t, err)
					defer trainer.Release()
					trainer.Norms = true
					trainer.OnRecord = func(r StepRecord) error {
						r.Seconds = 0
						records = append(records, r)
						return nil
					}
					for range o.Steps {
						require.NoError(t, trainer.Step(ctx))
					}
					require.NoError(t, trainer.Flush(ctx))
					for _, a := range trainer.arrays() {
						x, err := a.ReadFloats(ctx)
						require.NoError(t, err)
						arrays = append(arrays, x)
					}
					return records, arrays, trainer.Plan().Bytes
				}
				wantRecords, want, kept := run(false)
				records, got, recomputed := run(true)
				assert.Positive(t, wantRecords[2].GradNorm)
				assert.Equal(t, wantRecords, records)
				assert.Equal(t, want, got)
				assert.Less(t, recomputed, kept)
			})
		}
	}
}

// begin is a method as training starts it, on a model of its own where it trains the
// model's weights.
func (b bench) begin(t *testing.T, c methodCase) (*nn.Model, *dept.Method) {
	if !c.kind.Checkpoints() {
		return b.m, b.prompt(t, c.start(t, b.ck, 32, nil))
	}
	m, err := t5.Load(context.Background(), b.e, b.ck, true)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	return m, dept.NewFull(m)
}

// A loss that is not finite stops training, names the step, and leaves the
// parameters as the last good step made them.
func TestNotFinite(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, "relu-tied")
	o := smallRun
	o.Rates, o.Clip = map[string]float64{dept.GroupPrompt: 1e37, dept.GroupLowRank: 1e37}, 0 // A·B overflows after the first step with a rate
	o.Steps = 6
	p := b.prompt(t, b.adapter)
	trainer, err := NewTrainer(ctx, b.e, b.m, p, b.rows, o)
	require.NoError(t, err)
	defer trainer.Release()
	var last int
	trainer.OnRecord = func(r StepRecord) error {
		last = r.Step
		return nil
	}
	for err == nil && trainer.Done() < o.Steps {
		err = trainer.Step(ctx)
	}
	if err == nil {
		err = trainer.Flush(ctx)
	}
	require.ErrorIs(t, err, ErrNotFinite)
	require.Equal(t, 2, last, "the first step has rate 0, the second leaps")
	assert.ErrorContains(t, err, "step 3:")
	got, err := p.Adapter(ctx)
	require.NoError(t, err)

	// What is on the device is what two steps make of it.
	p = b.prompt(t, b.adapter)
	good, err := NewTrainer(ctx, b.e, b.m, p, b.rows, o)
	require.NoError(t, err)
	defer good.Release()
	for range 2 {
		require.NoError(t, good.Step(ctx))
	}
	require.NoError(t, good.Flush(ctx))
	want, err := p.Adapter(ctx)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// Beams never find a less likely answer than greedy search, and one beam is
// greedy search.
func TestBeams(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, "gated-untied")
	p := b.prompt(t, b.adapter)
	s := shape{rows: 2, source: 17, target: 8}
	in, err := newInputs(b.e, b.m.Description, s, p.PromptLength(), p.Hooks.Ahead, false)
	require.NoError(t, err)
	defer in.release()
	generate := func(beams int) [][]int32 {
		require.NoError(t, in.write(b.rows))
		gen, err := b.m.NewGenerator(ctx, nn.GeneratorOptions{
			Batch: s.rows, Keys: p.PromptLength() + s.source, Beams: beams, New: 6,
			Hooks: p.Hooks, Text: in.source, Spans: in.spans, Passage: in.passage,
		})
		require.NoError(t, err)
		defer gen.Release()
		out, err := gen.Generate(ctx)
		require.NoError(t, err)
		again, err := gen.Generate(ctx)
		require.NoError(t, err)
		require.Equal(t, out, again)
		return out
	}
	// likelihood is the mean log-probability of an answer, by the teacher-forced
	// pass, which shares no cache with generation.
	likelihood := func(answers [][]int32) []float64 {
		total, err := b.e.NewArray("loss", shaders.F32, 1)
		require.NoError(t, err)
		defer total.Release()
		g := b.e.NewGraph()
		nll := g.Keep(in.forward(b.m.NewPass(g, p.Hooks), total))
		program, err := g.Compile(ctx)
		require.NoError(t, err)
		defer program.Release()
		rows := slices.Clone(b.rows)
		for i := range rows {
			rows[i].Target = answers[i]
		}
		require.NoError(t, in.write(rows))
		require.NoError(t, b.e.SetStep(shaders.Step{LossScale: 1}))
		require.NoError(t, b.e.Run(program))
		x, err := nll.Read(ctx)
		require.NoError(t, err)
		scores := make([]float64, len(rows))
		for i := range rows {
			for k := range rows[i].Target {
				scores[i] -= float64(x[i*s.target+k]) / float64(len(rows[i].Target))
			}
		}
		return scores
	}
	greedy := likelihood(generate(1))
	wide := likelihood(generate(5))
	t.Logf("mean log-probability: greedy %.4f, five beams %.4f", greedy, wide)
	for i := range greedy {
		assert.GreaterOrEqual(t, wide[i], greedy[i]-1e-5)
	}
}
