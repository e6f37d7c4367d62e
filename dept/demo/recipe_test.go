package demo

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/safetensors"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// A random model begins to learn the mixture within seconds: first that answers
// are label words, which takes the loss from above ln 400 to below ln 6.
func TestPretrainingLearns(t *testing.T) {
	ctx := context.Background()
	e, err := tensor.NewEngine(wgputest.Device(t))
	require.NoError(t, err)
	defer e.Release()
	tok, err := Tokenizer()
	require.NoError(t, err)
	config := Config(tok)
	dir := filepath.Join(t.TempDir(), "random")
	require.NoError(t, t5.WriteCheckpoint(dir, config, safetensors.F32, t5.RandomTensors(config, 1)))
	ck, err := t5.OpenCheckpoint(dir)
	require.NoError(t, err)
	defer ck.Close()
	m, err := t5.LoadModel(ctx, e, ck, true)
	require.NoError(t, err)
	defer m.Release()

	o := Pretraining(1)
	o.Steps, o.Warmup = 60, 10
	rows := dept.NewDataset(Mixture(Train, o.Steps*o.Batch, 1))
	examples := dept.NewTextExamples(rows, tok, o.MaxSourceLength, o.MaxTargetLength)
	trainer, err := dept.NewTrainer(ctx, e, m, dept.NewFull(m), examples, o)
	require.NoError(t, err)
	defer trainer.Release()
	var losses []float64
	trainer.OnRecord = func(r dept.StepRecord) error {
		losses = append(losses, r.Loss)
		return nil
	}
	for range o.Steps {
		require.NoError(t, trainer.Step(ctx))
	}
	require.NoError(t, trainer.Flush(ctx))
	t.Logf("loss %.3f at step 1, %.3f at step %d", losses[0], losses[o.Steps-1], o.Steps)
	assert.Greater(t, losses[0], 6.0)
	assert.Less(t, losses[o.Steps-1], 1.8)
	assert.Zero(t, examples.Cut())
}
