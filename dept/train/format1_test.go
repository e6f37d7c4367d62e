package train

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

// format1 are runs in testdata/format1 that the program of format 1 stopped after 4
// of 8 steps, what its adapters answer to format1Texts, and the losses of the steps
// that it went on with.
var format1 = []struct {
	kind    *dept.Kind
	values  dept.Values
	answers []string
	losses  []float64
}{
	{
		&dept.DePT, dept.Values{"prompt-length": 2, "rank": 1, "lr-prompt": 0.3, "lr-lowrank": 0.05},
		[]string{"good", "s", "no", "no", "1", "no", "yes"},
		[]float64{2.612046480178833, 2.785088062286377, 1.9041532278060913, 1.9062790870666504},
	},
	{
		&dept.PromptTuning, dept.Values{"prompt-length": 2, "lr-prompt": 0.3},
		[]string{"good", "1", "no", "no", "1", "no", "good"},
		[]float64{2.7083637714385986, 3.2939300537109375, 2.3725481033325195, 1.8508070707321167},
	},
}

var format1Rows = data.NewDataset([]data.Row{
	{Source: "the film was a delight", Target: "positive"},
	{Source: "a dull and tired story", Target: "negative"},
	{Source: "he came with the book", Target: "positive"},
	{Source: "nothing in it works", Target: "negative"},
	{Source: "the war of 1812 was long", Target: "negative"},
	{Source: "she sang and we all danced", Target: "positive"},
})

var format1Texts = []string{
	"the film was a delight", "a dull and tired story", "he came with the book", "nothing in it works",
	"the war of 1812 was long", "she sang and we all danced", "was it a good day or a bad day",
}

// backboneSetup is the backbone on the engine of most tests.
func backboneSetup(t *testing.T) *Setup {
	e := sharedEngine(t)
	s := &Setup{Name: "t5/backbone", Device: e.Device(), Engine: e}
	var err error
	s.Checkpoint, err = t5.OpenCheckpointFS(backbone.Files())
	require.NoError(t, err)
	s.Tokenizer, err = text.OpenFS(backbone.Files())
	require.NoError(t, err)
	s.Fingerprint, err = s.Checkpoint.Fingerprint()
	require.NoError(t, err)
	s.Model, err = t5.Load(context.Background(), e, s.Checkpoint, false)
	require.NoError(t, err)
	t.Cleanup(s.Model.Release)
	return s
}

// Adapters of format 1 answer as they did, and runs without dropout go on as they
// did: to the bit but for the products that the kernels of A·B were.
func TestFormat1(t *testing.T) {
	ctx := context.Background()
	s := backboneSetup(t)
	for _, c := range format1 {
		t.Run(c.kind.Name, func(t *testing.T) {
			from, dir := filepath.Join("testdata", "format1", c.kind.Name), t.TempDir()
			a, err := dept.ReadAdapter(from)
			require.NoError(t, err)
			method, err := dept.New(s.Model, a, false)
			require.NoError(t, err)
			defer method.Release()
			predictor := NewPredictor(s.Engine, s.Model, s.Tokenizer, method, PredictOptions{Batch: 8, MaxSourceLength: a.Config.MaxSource(), MaxNewTokens: 12, Beams: 1})
			defer predictor.Release()
			answers, err := predictor.Predict(ctx, format1Texts)
			require.NoError(t, err)
			assert.Equal(t, c.answers, answers)

			require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
			n, err := NewSession(ctx, s, Request{Kind: c.kind, Values: withDefaults(c.kind, c.values), Options: Options{
				Steps: 8, Batch: 2, Accumulate: 1, Warmup: 2, Clip: 1, MaxSourceLength: 16, MaxTargetLength: 8, Shuffle: true, Seed: 3,
			}})
			require.NoError(t, err)
			defer n.Release()
			require.NoError(t, n.Begin(ctx, Rows{
				Train: data.Tokenize(format1Rows, s.Tokenizer, 16, 8), TrainFingerprint: format1Rows.Fingerprint(),
			}))
			require.NoError(t, n.KeepIn(ctx, dir, true))
			require.NoError(t, n.Train(ctx))
			assert.InEpsilonSlice(t, c.losses, lossesIn(t, dir)[4:], 1e-6)
		})
	}
}

func withDefaults(k *dept.Kind, v dept.Values) dept.Values {
	all := k.Defaults()
	maps.Copy(all, v)
	return all
}

// lossesIn are those of all steps in a folder's log.
func lossesIn(t *testing.T, dir string) (losses []float64) {
	log, err := os.ReadFile(filepath.Join(dir, LogFile))
	require.NoError(t, err)
	for line := range bytes.Lines(log) {
		var step struct{ Loss float64 }
		require.NoError(t, json.Unmarshal(line, &step))
		losses = append(losses, step.Loss)
	}
	return losses
}

// What of a run.json is no longer as it was is said, and a setting that differs is
// named with its place today.
func TestFormat1Settings(t *testing.T) {
	run, err := os.ReadFile(filepath.Join("testdata", "format1", "dept", RunFile))
	require.NoError(t, err)
	var old map[string]any
	require.NoError(t, json.Unmarshal(run, &old))
	now := Settings{
		Method: "dept", Start: "text", Model: old["model"].(string), Data: old["data"].(string),
		Train: Options{
			Steps: 8, Batch: 2, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 0.05}, Warmup: 2, Clip: 1,
			MaxSourceLength: 16, MaxTargetLength: 8, Shuffle: true, Seed: 3,
		},
		Adapter: &dept.PromptConfig{PromptLength: 2, Rank: 1, MaxSourceLength: 16, Width: 128, LoraAlpha: 8, Submodules: 1},
	}
	require.NoError(t, (&Run{Settings: now}).sameSettings(run))

	full := now
	full.Method, full.Start, full.Adapter, full.Train.Rates = "full", "model", nil, map[string]float64{"": 0.001}
	for _, c := range []struct {
		name     string
		now      Settings
		from, to string // what is changed in the run.json
		want     string
	}{
		{"dropout", now, `"dropout": 0,`, `"dropout": 0.1,`, "run.json has format 1, whose dropout drew other numbers than format 2 does, so that this run (dropout 0.1) cannot go on exactly: begin another one from what it made with --init"},
		{"a format to come", now, "{", `{"format": 3, `, "run.json has format 3, and this program knows those up to 2: go on with a newer one"},
		{"a rate", now, "0.05", "0.06", "the run began with --lr-lowrank 0.06, and this is 0.05"},
		{"a rank", now, `"r": 1`, `"r": 2`, "the run began with --rank 2, and this is 1"},
		{"a shift", now, "{", `{"shift": "constant", `, "the run began with --shift constant"},
		{"no rates", now, "learning_rates", "rates", "run.json has neither a format nor the learning rates of format 1"},
		{"another method", full, "", "", `the run began with`},
	} {
		err := (&Run{Settings: c.now}).sameSettings([]byte(strings.Replace(string(run), c.from, c.to, 1)))
		assert.ErrorContains(t, err, c.want, c.name)
	}

	// A run of full fine-tuning had an adapter of nothing, and a second rate.
	old["method"], old["start"], old["adapter"] = "full", "model", map[string]any{"base_model_name_or_path": "", "num_virtual_tokens": 0, "token_dim": 0}
	old["train"].(map[string]any)["learning_rates"] = []float64{0.001, 0}
	run, err = json.Marshal(old)
	require.NoError(t, err)
	assert.NoError(t, (&Run{Settings: full}).sameSettings(run))
}

// What PredictOptions leave out has a default: the adapter's longest text, one row at once, greedy.
func TestPredictDefaults(t *testing.T) {
	ctx := context.Background()
	s := backboneSetup(t)
	a, err := dept.ReadAdapter(filepath.Join("testdata", "format1", "dept"))
	require.NoError(t, err)
	method, err := dept.New(s.Model, a, false)
	require.NoError(t, err)
	defer method.Release()
	given := NewPredictor(s.Engine, s.Model, s.Tokenizer, method, PredictOptions{Batch: 8, MaxSourceLength: a.Config.MaxSource(), MaxNewTokens: 64, Beams: 1})
	defer given.Release()
	want, err := given.Predict(ctx, format1Texts)
	require.NoError(t, err)
	bare := NewPredictor(s.Engine, s.Model, s.Tokenizer, method, PredictOptions{})
	defer bare.Release()
	got, err := bare.Predict(ctx, format1Texts)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, given.Cut(), bare.Cut())

	plain := NewPredictor(s.Engine, s.Model, s.Tokenizer, dept.AsIs(), PredictOptions{})
	defer plain.Release()
	_, err = plain.Predict(ctx, format1Texts[:1])
	require.NoError(t, err)
}
