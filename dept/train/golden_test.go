package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// goldenCase is case.json: a batch and what a float64 reference made of it.
type goldenCase struct {
	InputIDs   [][]int32 `json:"input_ids"`
	Attention  [][]int   `json:"attention_mask"`
	Labels     [][]int32 `json:"labels"`
	Loss       float64   `json:"loss"`
	Greedy     [][]int32 `json:"greedy"`
	ReLUMargin float64   `json:"relu_margin"`
	Training   []struct {
		Loss      float64 `json:"loss"`
		GradNorm  float64 `json:"grad_norm"`
		LRPrompt  float64 `json:"lr_prompt"`
		LRLowRank float64 `json:"lr_lowrank"`
	} `json:"training"`
	FullTraining []struct {
		Loss     float64 `json:"loss"`
		GradNorm float64 `json:"grad_norm"`
	} `json:"full_training"`
}

// examples are the batch's rows without their padding.
func (c goldenCase) examples() rowsOfIDs {
	var rows rowsOfIDs
	for i, ids := range c.InputIDs {
		n := 0
		for _, m := range c.Attention[i] {
			n += m
		}
		rows = append(rows, data.Example{Source: ids[:n], Target: c.Labels[i]})
	}
	return rows
}

// rowsOfIDs are examples that need no tokenizer.
type rowsOfIDs []data.Example

func (r rowsOfIDs) Len() int                            { return len(r) }
func (r rowsOfIDs) Example(i int) (data.Example, error) { return r[i], nil }

// goldenDirs are the cases in testdata and those under $DEPT_GOLDEN.
func goldenDirs(t *testing.T) []string {
	var dirs []string
	for _, root := range []string{filepath.Join("testdata", "golden"), os.Getenv("DEPT_GOLDEN")} {
		if root == "" {
			continue
		}
		found, err := filepath.Glob(filepath.Join(root, "*", "case.json"))
		require.NoError(t, err)
		for _, f := range found {
			dirs = append(dirs, filepath.Dir(f))
		}
	}
	require.NotEmpty(t, dirs)
	return dirs
}

// slackOf is the factor on the bars of an engine's device. On Mesa's software
// adapter they are what float32 leaves; other adapters round exp and division
// differently and get twenty times the NMSE.
func slackOf(e *tensor.Engine) float64 {
	if info := e.Device().Info(); info.Type == wgpu.CPU && info.Backend == "vulkan" {
		return 1
	}
	return 20
}

// TestGolden holds forward, backward, generation and training to a float64
// reference.
func TestGolden(t *testing.T) {
	e := sharedEngine(t)
	slack := slackOf(e)
	for _, dir := range goldenDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			golden := loadGolden(t, dir, slack)
			t.Run("forward and gradients", func(t *testing.T) { golden.forward(t, e) })
			t.Run("greedy", func(t *testing.T) { golden.greedy(t, e) })
			t.Run("training", func(t *testing.T) { golden.training(t, e) })
			t.Run("weight gradients", func(t *testing.T) { golden.weightGradients(t, e) })
			t.Run("full training", func(t *testing.T) { golden.fullTraining(t, e) })
		})
	}
}

var theEngine *tensor.Engine

// sharedEngine is the one of most tests, since a pipeline takes a while to compile:
// in a browser up to a second.
func sharedEngine(t *testing.T) *tensor.Engine {
	t.Helper()
	if theEngine == nil {
		var err error
		theEngine, err = tensor.NewEngine(wgputest.Device(t))
		require.NoError(t, err)
	}
	return theEngine
}

type golden struct {
	goldenCase
	dir     string
	slack   float64
	ck      *t5.Checkpoint
	adapter *dept.Adapter
}

func loadGolden(t *testing.T, dir string, slack float64) golden {
	g := golden{dir: dir, slack: slack}
	raw, err := os.ReadFile(filepath.Join(dir, "case.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &g.goldenCase))
	g.ck, err = t5.OpenCheckpoint(dir)
	require.NoError(t, err)
	t.Cleanup(func() { g.ck.Close() })
	g.adapter, err = dept.ReadAdapter(dir)
	require.NoError(t, err)
	return g
}

func (g golden) want(t *testing.T, file, name string) []float32 {
	f, err := safetensors.Open(filepath.Join(g.dir, file))
	require.NoError(t, err)
	defer f.Close()
	x, err := f.Float32(name)
	require.NoError(t, err)
	return x
}

func nmse(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var num, den float64
	for i := range got {
		d := float64(got[i]) - float64(want[i])
		num += d * d
		den += float64(want[i]) * float64(want[i])
	}
	if num == 0 {
		return 0
	}
	return num / den
}

// shape is the case's, its padding as it stands.
func (g golden) shape() shape {
	return shape{len(g.InputIDs), len(g.InputIDs[0]), len(g.Labels[0])}
}

func (g golden) forward(t *testing.T, e *tensor.Engine) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, g.ck, false)
	require.NoError(t, err)
	defer m.Release()
	prompt, err := dept.New(m, g.adapter, true)
	require.NoError(t, err)
	defer prompt.Release()

	loss, encoded, logits := runPass(t, e, m, prompt, g.examples(), g.shape(), nil)
	assert.InDelta(t, g.Loss, loss, 3e-6, "loss")
	t.Logf("loss %.9f, reference %.9f", loss, g.Loss)
	// In the reference padding reads the text; here it reads nothing. Nobody reads
	// padding.
	counted := func(states []float32) (rows []float32) {
		length, width := prompt.PromptLength()+g.shape().source, m.Width
		for i, x := range g.examples() {
			rows = append(rows, states[i*length*width:][:(prompt.PromptLength()+len(x.Source))*width]...)
		}
		return rows
	}
	g.compare(t, "encoder_output", counted(encoded), counted(g.want(t, "expected.safetensors", "encoder_output")), 5e-12)
	g.compare(t, "logits", logits, g.want(t, "expected.safetensors", "logits"), 5e-12)
	for _, part := range []struct {
		name  string
		array *tensor.Array
	}{{"grad.prompt_embeddings", prompt.Array(dept.TensorP)}, {"grad.lora_embedding_A", prompt.Array(dept.TensorA)}, {"grad.lora_embedding_B", prompt.Array(dept.TensorB)}} {
		if part.array == nil {
			continue
		}
		got, err := part.array.Grad.ReadFloats(ctx)
		require.NoError(t, err)
		g.compare(t, part.name, got, g.want(t, "expected.safetensors", part.name), 5e-11)
	}
}

// runPass runs a forward and backward pass, one of training where it draws dropout,
// and returns its loss, the encoder's output [rows·(m+source), d] and the logits
// [rows·target, vocabulary]. The gradients lie in the method's arrays.
func runPass(t *testing.T, e *tensor.Engine, m *nn.Model, method *dept.Method, rows rowsOfIDs, s shape, draw *drawing) (loss float32, encoderOutput, allLogits []float32) {
	ctx := context.Background()
	in, err := newInputs(e, m.Description, s, method.PromptLength(), method.Hooks.Ahead, false)
	require.NoError(t, err)
	defer in.release()
	total, err := e.NewArray("loss", shaders.F32, 1)
	require.NoError(t, err)
	defer total.Release()
	graph := e.NewGraph()
	p, step := m.NewPass(graph, method.Hooks), shaders.Step{LossScale: float32(1 / float64(targetTokens(rows)))}
	if draw != nil {
		p, step.Key = m.NewTrainingPass(graph, method.Hooks, draw.rate), draw.key
	}
	encoded := graph.Keep(p.Encode(in.source, in.spans))
	states := p.Decode(in.target, encoded, in.spans)
	logits := p.Logits(states)
	for _, columns := range logits {
		graph.Keep(columns)
	}
	p.Loss(states, in.labels, graph.Use(total))
	graph.Backward()
	require.NoError(t, p.Err())
	program, err := graph.Compile(ctx)
	require.NoError(t, err)
	defer program.Release()

	require.NoError(t, in.write(rows))
	require.NoError(t, e.SetStep(step))
	require.NoError(t, e.Run(program))
	losses, err := total.ReadFloats(ctx)
	require.NoError(t, err)
	encoderOutput, err = encoded.Read(ctx)
	require.NoError(t, err)
	allLogits = make([]float32, states.Rows()*m.Vocabulary)
	first := 0
	for _, columns := range logits {
		x, err := columns.Read(ctx)
		require.NoError(t, err)
		for i, row := range slices.Collect(slices.Chunk(x, columns.Width())) {
			copy(allLogits[i*m.Vocabulary+first:], row)
		}
		first += columns.Width()
	}
	return losses[0], encoderOutput, allLogits
}

func (g golden) compare(t *testing.T, name string, got, want []float32, bar float64) {
	t.Helper()
	x := nmse(got, want)
	t.Logf("%s: NMSE %.2g", name, x)
	assert.LessOrEqual(t, x, bar*g.slack, name)
}

func (g golden) greedy(t *testing.T, e *tensor.Engine) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, g.ck, false)
	require.NoError(t, err)
	defer m.Release()
	prompt, err := dept.New(m, g.adapter, false)
	require.NoError(t, err)
	defer prompt.Release()
	s := g.shape()
	in, err := newInputs(e, m.Description, s, prompt.PromptLength(), prompt.Hooks.Ahead, false)
	require.NoError(t, err)
	defer in.release()
	require.NoError(t, in.write(g.examples()))
	most := 0
	for _, row := range g.Greedy {
		most = max(most, len(row))
	}
	{
		gen, err := m.NewGenerator(ctx, nn.GeneratorOptions{
			Batch: s.rows, Keys: prompt.PromptLength() + s.source, Beams: 1, New: most,
			Hooks: prompt.Hooks, Text: in.source, Spans: in.spans, Passage: in.passage,
		})
		require.NoError(t, err)
		got, err := gen.Generate(ctx)
		require.NoError(t, err)
		gen.Release()
		for i, row := range g.Greedy {
			// The reference goes on with padding after an end token.
			var want []int32
			for _, id := range row {
				if id == int32(m.End) {
					break
				}
				want = append(want, id)
			}
			assert.Equal(t, want, got[i], "row %d", i)
		}
	}
}

func (g golden) training(t *testing.T, e *tensor.Engine) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, g.ck, false)
	require.NoError(t, err)
	defer m.Release()
	prompt, err := dept.New(m, g.adapter, true)
	require.NoError(t, err)
	defer prompt.Release()
	s := g.shape()
	records := g.train(t, e, m, prompt, Options{
		Steps: len(g.Training), Batch: s.rows, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 5e-3}, Warmup: 3, Clip: 0.1,
		MaxSourceLength: s.source, MaxTargetLength: s.target,
	}, len(g.Training))
	losses, params := 2e-6, 5e-11
	if g.ck.Config.FeedForwardProj == t5.FeedForwardReLU {
		losses, params = 2e-5, 1e-5 // a kink may flip
	}
	for i, r := range records {
		want := g.Training[i]
		assert.InEpsilon(t, want.Loss, r.Loss, losses, "loss of step %d", r.Step)
		assert.InEpsilon(t, want.GradNorm, r.GradNorm, max(losses, 2e-5), "gradient norm of step %d", r.Step)
		assert.InDelta(t, want.LRPrompt, r.Rates[dept.GroupPrompt], 1e-12)
		assert.InDelta(t, want.LRLowRank, r.Rates[dept.GroupLowRank], 1e-12)
	}
	trained, err := prompt.Adapter(ctx)
	require.NoError(t, err)
	for name, got := range map[string][]float32{
		"prompt_embeddings": trained.Values(dept.TensorP), "prompt_encoder.lora_embedding_A": trained.Values(dept.TensorA), "prompt_encoder.lora_embedding_B": trained.Values(dept.TensorB),
	} {
		if len(got) > 0 {
			g.compare(t, name, got, g.want(t, "trained.safetensors", name), params)
		}
	}
}

// train runs the first n steps and returns their records.
func (g golden) train(t *testing.T, e *tensor.Engine, m *nn.Model, method *dept.Method, o Options, n int) []StepRecord {
	ctx := context.Background()
	trainer, err := NewTrainer(ctx, e, m, method, g.examples(), o)
	require.NoError(t, err)
	defer trainer.Release()
	var records []StepRecord
	trainer.OnRecord = func(r StepRecord) error {
		records = append(records, r)
		return nil
	}
	for range n {
		require.NoError(t, trainer.Step(ctx))
	}
	require.NoError(t, trainer.Flush(ctx))
	require.Len(t, records, n)
	return records
}

func (g golden) weightGradients(t *testing.T, e *tensor.Engine) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, g.ck, true)
	require.NoError(t, err)
	defer m.Release()
	total, err := e.NewArray("loss", shaders.F32, 1)
	require.NoError(t, err)
	defer total.Release()
	graph, in, err := recordTraining(e, m, dept.NewFull(m), g.shape(), Options{}, total)
	require.NoError(t, err)
	defer in.release()
	program, err := graph.Compile(ctx)
	require.NoError(t, err)
	defer program.Release()
	require.NoError(t, in.write(g.examples()))
	require.NoError(t, e.SetStep(shaders.Step{LossScale: float32(1 / float64(targetTokens(g.examples())))}))
	require.NoError(t, e.Run(program))
	loss, err := total.ReadFloats(ctx)
	require.NoError(t, err)
	assert.InDelta(t, g.FullTraining[0].Loss, loss[0], 3e-6)
	worst, name := 0.0, ""
	for _, spec := range g.ck.Config.Tensors() {
		got, err := m.Gradient(ctx, spec.Name)
		require.NoError(t, err)
		x := nmse(got, g.want(t, "weight_grads.safetensors", "grad."+spec.Name))
		assert.LessOrEqual(t, x, 5e-11*g.slack, spec.Name)
		if x >= worst {
			worst, name = x, spec.Name
		}
	}
	t.Logf("largest NMSE of a weight's gradient: %.2g (%s)", worst, name)
}

func (g golden) fullTraining(t *testing.T, e *tensor.Engine) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, g.ck, true)
	require.NoError(t, err)
	defer m.Release()
	s := g.shape()
	records := g.train(t, e, m, dept.NewFull(m), Options{
		Steps: 10, Batch: s.rows, Accumulate: 1, Rates: map[string]float64{"": 1e-3}, Clip: 1,
		MaxSourceLength: s.source, MaxTargetLength: s.target,
	}, len(g.FullTraining))
	for i, r := range records {
		assert.InEpsilon(t, g.FullTraining[i].Loss, r.Loss, 1e-5, "loss of step %d", r.Step)
		assert.InEpsilon(t, g.FullTraining[i].GradNorm, r.GradNorm, 1e-4, "gradient norm of step %d", r.Step)
	}
}
