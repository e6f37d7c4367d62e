package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/internal/reference"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
)

// interopRow is a text with what PEFT or transformers made of it in float64, and of the
// logits in float32.
type interopRow struct {
	Source     []int32   `json:"source_ids"`
	Target     []int32   `json:"target_ids"`
	Loss       float64   `json:"loss"`
	NLL        []float32 `json:"nll"`
	LastLogits []float32 `json:"last_logits"` // the first ones at the last position
	Float32    []float32 `json:"last_logits_float32"`
	Greedy     []int32   `json:"greedy"`
}

// answersAs holds a model with a method to what an expect.json says of its rows: losses
// and logits to what float32 leaves of float64's, tokens exactly.
func answersAs(t *testing.T, m *nn.Model, method *dept.Method, expect string) {
	ctx, e := context.Background(), sharedEngine(t)
	g := golden{slack: slackOf(e)}
	raw, err := os.ReadFile(expect)
	require.NoError(t, err)
	var want struct{ Rows []interopRow }
	require.NoError(t, json.Unmarshal(raw, &want))
	require.NotEmpty(t, want.Rows)
	predictor := NewPredictor(e, m, nil, method, PredictOptions{Batch: 1, MaxSourceLength: 32, MaxNewTokens: 8, Beams: 1})
	defer predictor.Release()
	for _, row := range want.Rows {
		x := data.Example{Source: row.Source, Target: row.Target}
		s := shape{1, len(x.Source), len(x.Target)}
		loss, _, logits := runPass(t, e, m, method, rowsOfIDs{x}, s, nil)
		assert.InEpsilon(t, row.Loss, loss, 1e-6)
		losses, err := predictor.Losses(ctx, []data.Example{x})
		require.NoError(t, err)
		g.compare(t, "loss of each token", losses[0], row.NLL, 1e-11)
		last := logits[(s.target-1)*m.Vocabulary:][:len(row.LastLogits)]
		g.compare(t, "last logits", last, row.LastLogits, 1e-11)
		assertNear(t, row.LastLogits, last)
		if row.Float32 != nil {
			g.compare(t, "last logits, to float32", last, row.Float32, 1e-11)
			assertNear(t, row.Float32, last)
		}

		gen, err := predictor.generatorFor(ctx, s)
		require.NoError(t, err)
		require.NoError(t, gen.in.write([]data.Example{x}))
		tokens, err := gen.gen.Generate(ctx)
		require.NoError(t, err)
		answer := row.Greedy
		if n := len(answer); answer[n-1] == int32(m.End) {
			answer = answer[:n-1]
		}
		assert.Equal(t, answer, append([]int32{}, tokens[0]...))
	}
}

// assertNear holds the largest difference to a share of the largest logit.
func assertNear(t *testing.T, want, got []float32) {
	t.Helper()
	var apart, most float64
	for i := range want {
		apart, most = max(apart, math.Abs(float64(got[i]-want[i]))), max(most, math.Abs(float64(want[i])))
	}
	t.Logf("logits apart by %.1e of the largest", apart/most)
	assert.LessOrEqual(t, apart, 1e-5*most)
}

// Checkpoints as transformers 4 and 5 save them (scripts/fixtures says which versions) compute
// what transformers does, as they come and written again. So do those whose expectations were
// computed elsewhere, in folders of $DEPT_TRANSFORMERS.
func TestCheckpointsOfTransformers(t *testing.T) {
	found, err := filepath.Glob(filepath.Join("testdata", "transformers", "*", "expect.json"))
	require.NoError(t, err)
	require.Len(t, found, 12)
	if root := os.Getenv("DEPT_TRANSFORMERS"); root != "" {
		found, err = filepath.Glob(filepath.Join(root, "*", "expect*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, found)
	}
	for _, expect := range found {
		dir, file := filepath.Split(expect)
		t.Run(filepath.Base(dir)+"/"+file, func(t *testing.T) { checkpointAnswersAs(t, dir, expect) })
	}
}

// The same for the cases of people's reports.
func TestInteropCheckpoints(t *testing.T) {
	for _, name := range []string{"interop-mt5", "interop-tied-or-scaled", "interop-pytorch-bin"} {
		cases, ok := reference.Path(t, "cases", name)
		if !ok {
			continue
		}
		found, err := filepath.Glob(filepath.Join(cases, "*", "expect.json"))
		require.NoError(t, err)
		require.NotEmpty(t, found)
		for _, expect := range found {
			t.Run(name+"/"+filepath.Base(filepath.Dir(expect)), func(t *testing.T) { checkpointAnswersAs(t, filepath.Dir(expect), expect) })
		}
	}
}

func checkpointAnswersAs(t *testing.T, dir, expect string) {
	again := t.TempDir()
	for i, at := range []string{dir, again} {
		ck, err := t5.OpenCheckpoint(at)
		require.NoError(t, err)
		defer ck.Close()
		assert.Empty(t, ck.Warnings())
		m, err := t5.Load(context.Background(), sharedEngine(t), ck, false)
		require.NoError(t, err)
		answersAs(t, m, dept.AsIs(), expect)
		m.Release()
		if i == 0 {
			require.NoError(t, t5.WriteCheckpoint(again, ck.Config, safetensors.F32, ck.Float32))
		}
	}
}

// Adapters as PEFT and the adapters library train and write them (scripts/fixtures/adapter_files.py
// made them, and says which versions) compute what these do, as they come, written again and
// merged. So do those in folders of $DEPT_INTEROP, as make interop has them: theirs in adapters,
// and in trained those of dept train, which they have opened; in written they are for these to
// open again.
func TestAdapterFiles(t *testing.T) {
	checkpoints := filepath.Join("testdata", "transformers")
	found, err := filepath.Glob(filepath.Join("testdata", "adapters", "*", dept.AdapterConfigFile))
	require.NoError(t, err)
	require.Len(t, found, 17)
	written := t.TempDir()
	if root := os.Getenv("DEPT_INTEROP"); root != "" {
		checkpoints, written = filepath.Join(root, "checkpoints"), filepath.Join(root, "written")
		found, err = filepath.Glob(filepath.Join(root, "*", "*", dept.AdapterConfigFile))
		require.NoError(t, err)
		require.NotEmpty(t, found)
	}
	for _, file := range found {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) { adapterAnswersAs(t, dir, checkpoints, filepath.Join(written, filepath.Base(dir))) })
	}
}

// adapterAnswersAs holds an adapter, the same written again, and, where the method has it, the
// checkpoint that it makes, to what the expect.json beside it says; it leaves that beside what
// was written.
func adapterAnswersAs(t *testing.T, dir, checkpoints, again string) {
	ctx, e := context.Background(), sharedEngine(t)
	expect := filepath.Join(dir, "expect.json")
	raw, err := os.ReadFile(expect)
	require.NoError(t, err)
	var of struct{ Checkpoint string }
	require.NoError(t, json.Unmarshal(raw, &of))
	ck, err := t5.OpenCheckpoint(filepath.Join(checkpoints, of.Checkpoint))
	require.NoError(t, err)
	defer ck.Close()
	m, err := t5.Load(ctx, e, ck, false)
	require.NoError(t, err)
	defer m.Release()
	a, err := dept.ReadAdapter(dir)
	require.NoError(t, err)
	require.NoError(t, a.Write(again))
	require.NoError(t, os.WriteFile(filepath.Join(again, "expect.json"), raw, 0o666))
	a, err = dept.ReadAdapter(again)
	require.NoError(t, err)
	method, err := dept.New(m, a, false)
	require.NoError(t, err)
	defer method.Release()
	answersAs(t, m, method, expect)
	if a.Config.Kind().Merge == nil {
		return
	}
	weights, err := dept.Merge(a, ck.Config.Describe(), ck.Float32)
	require.NoError(t, err)
	whole, err := t5.NewCheckpoint(ck.Config, weights)
	require.NoError(t, err)
	merged, err := t5.Load(ctx, e, whole, false)
	require.NoError(t, err)
	defer merged.Release()
	answersAs(t, merged, dept.AsIs(), expect)
}

// Adapters that PEFT and the adapters library have trained, and the model alone, answer
// as these say, also once they have been written again.
func TestAdaptersOfPEFT(t *testing.T) {
	dir, ok := reference.Path(t, "cases", "interop-adapters")
	if !ok {
		return
	}
	ctx, e := context.Background(), sharedEngine(t)
	ck, err := t5.OpenCheckpoint(filepath.Join(dir, "base"))
	require.NoError(t, err)
	defer ck.Close()
	m, err := t5.Load(ctx, e, ck, false)
	require.NoError(t, err)
	defer m.Release()
	for _, name := range []string{"base", "lora", "lora-rslora", "lora-dora", "lora-patterns", "ia3", "ln", "bottleneck-pfeiffer", "bottleneck-houlsby", "bottleneck-parallel"} {
		t.Run(name, func(t *testing.T) {
			method := dept.AsIs()
			if name != "base" {
				a, err := dept.ReadAdapter(filepath.Join(dir, name))
				require.NoError(t, err)
				again := t.TempDir()
				require.NoError(t, a.Write(again))
				a, err = dept.ReadAdapter(again)
				require.NoError(t, err)
				method, err = dept.New(m, a, false)
				require.NoError(t, err)
				defer method.Release()
			}
			answersAs(t, m, method, filepath.Join(dir, name, "expect.json"))
		})
	}
}

// What PEFT wrote is what is written for it: the same tensors, and of the settings
// those that PEFT knows, with its values.
func TestAdaptersForPEFT(t *testing.T) {
	dir, ok := reference.Path(t, "cases", "interop-adapters")
	if !ok {
		return
	}
	for _, name := range []string{"lora", "lora-rslora", "lora-dora", "lora-patterns", "ia3", "ln"} {
		from, to := filepath.Join(dir, name), t.TempDir()
		a, err := dept.ReadAdapter(from)
		require.NoError(t, err)
		require.NoError(t, a.Write(to))
		var settings [2]map[string]any
		var tensors [2]map[string][]float32
		shapes := [2]map[string][]int{}
		for i, dir := range []string{from, to} {
			raw, err := os.ReadFile(filepath.Join(dir, dept.AdapterConfigFile))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(raw, &settings[i]))
			f, err := safetensors.Open(filepath.Join(dir, dept.AdapterWeightsFile))
			require.NoError(t, err)
			defer f.Close()
			tensors[i], shapes[i] = map[string][]float32{}, map[string][]int{}
			for _, info := range f.Tensors() {
				shapes[i][info.Name] = info.Shape
				tensors[i][info.Name], err = f.Float32(info.Name)
				require.NoError(t, err)
			}
		}
		assert.Equal(t, shapes[0], shapes[1], name)
		assert.Equal(t, tensors[0], tensors[1], name)
		for key, value := range settings[1] {
			want, known := settings[0][key]
			require.True(t, known, "%s: PEFT knows no %s", name, key)
			if key == "target_modules" {
				assert.ElementsMatch(t, want, value)
				continue
			}
			assert.Equal(t, want, value, "%s: %s", name, key)
		}
	}
	_, err := dept.ReadAdapter(filepath.Join(dir, "prefix"))
	assert.ErrorContains(t, err, "it is an adapter of PEFT's prefix tuning")
}
