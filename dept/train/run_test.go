package train

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newRun is a run of a small model in dir.
func newRun(t *testing.T, b bench, dir string, o Options) *Run {
	p := b.prompt(t, b.adapter)
	trainer, err := NewTrainer(context.Background(), b.e, b.m, p, b.rows, o)
	require.NoError(t, err)
	t.Cleanup(trainer.Release)
	return &Run{
		Dir: dir, Settings: Settings{Method: "dept", Train: o, Adapter: b.adapter.Config, EvalEvery: 3},
		Trainer: trainer, Metric: metrics.Accuracy,
		Save: func(ctx context.Context) error {
			a, err := p.Adapter(ctx)
			if err != nil {
				return err
			}
			return a.Write(dir)
		},
	}
}

// A run that is stopped inside an evaluation keeps the steps before it, and
// makes up for the evaluation when it goes on.
func TestStoppedInsideAnEvaluation(t *testing.T) {
	b := newBench(t, "relu-tied")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	dir := t.TempDir()
	var scored []int
	score := func(r *Run) func(context.Context) (*Evaluation, error) {
		return func(ctx context.Context) (*Evaluation, error) {
			scored = append(scored, r.Trainer.Done())
			if len(scored) == 2 {
				stop()
			}
			return &Evaluation{Metrics: map[metrics.Name]float64{metrics.Accuracy: 0.5}, Rows: 1}, ctx.Err()
		}
	}
	first := newRun(t, b, dir, smallRun)
	first.Evaluate = score(first)
	require.NoError(t, first.Begin(ctx))
	var stopped *Stopped
	require.ErrorAs(t, first.Train(ctx), &stopped)
	assert.Equal(t, 3, stopped.Step)

	second := newRun(t, b, dir, smallRun)
	second.Evaluate = score(second)
	require.NoError(t, second.Resume())
	require.NoError(t, second.Train(context.Background()))
	assert.Equal(t, []int{0, 3, 3, 6}, scored)
	best, step, ok := second.Best()
	assert.True(t, ok)
	assert.Equal(t, 0.5, best)
	assert.Equal(t, 3, step, "an equal score later is no better")
	log, err := os.ReadFile(filepath.Join(dir, LogFile))
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(string(log), "metrics"))

	// Nothing is left to do, and nothing is done again.
	third := newRun(t, b, dir, smallRun)
	third.Evaluate = score(third)
	require.NoError(t, third.Resume())
	require.NoError(t, third.Train(context.Background()))
	assert.Len(t, scored, 4)
}

// An adapter whose loss is not finite never replaces one that was good.
func TestLastGoodAdapter(t *testing.T) {
	b := newBench(t, "relu-tied")
	o := smallRun
	o.Rates, o.Clip = map[string]float64{dept.GroupPrompt: 1e37, dept.GroupLowRank: 1e37}, 0 // A·B overflows after the second step
	dir := t.TempDir()
	run := newRun(t, b, dir, o)
	require.NoError(t, run.Begin(context.Background()))
	require.ErrorIs(t, run.Train(context.Background()), ErrNotFinite)
	kept, err := dept.ReadAdapter(dir)
	require.NoError(t, err)
	assert.True(t, slices.Equal(b.adapter.Values(dept.TensorP), kept.Values(dept.TensorP)), "the folder holds the adapter that broke the loss")
}
