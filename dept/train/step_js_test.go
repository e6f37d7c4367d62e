package train

import (
	"context"
	"math"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// repeated is one row, many times.
type repeated struct{ row data.Example }

func (r repeated) Len() int                          { return 1 << 10 }
func (r repeated) Example(int) (data.Example, error) { return r.row, nil }

// A step of a T5 with as many blocks and heads, and so as many dispatches, as
// T5-small has, costs little more on this side of the device than submitting its
// dispatches. Its layers are narrow, since only that side is asked for: nothing
// that is timed waits for the device, and Flush does in between.
func TestStepIsCheap(t *testing.T) {
	const steps = 200
	ctx, e := context.Background(), sharedEngine(t)
	tiny, err := t5.OpenCheckpoint(filepath.Join("testdata", "golden", "relu-tied"))
	require.NoError(t, err)
	defer tiny.Close()
	config := *tiny.Config
	config.NumLayers, config.NumDecoderLayers, config.NumHeads = 6, 6, 8
	ck, err := t5.NewCheckpoint(&config, t5.RandomTensors(&config, 1))
	require.NoError(t, err)
	m, err := t5.Load(ctx, e, ck, false)
	require.NoError(t, err)
	defer m.Release()
	adapter := newPrompt(t, ck, &dept.PromptConfig{PromptLength: 8, Rank: 4, MaxSourceLength: 16, Width: config.DModel, LoraAlpha: 1}, dept.InitRandom)
	prompt, err := dept.New(m, adapter, true)
	require.NoError(t, err)
	defer prompt.Release()
	row := repeated{data.Example{Source: []int32{5, 6, 7, 8, 9, 1}, Target: []int32{5, 1}}}
	trainer, err := NewTrainer(ctx, e, m, prompt, row, Options{
		Steps: 1 << 20, Batch: 1, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 1e-3, dept.GroupLowRank: 1e-3}, Clip: 1, Dropout: config.DropoutRate,
		MaxSourceLength: 16, MaxTargetLength: 2, Seed: 1,
	})
	require.NoError(t, err)
	defer trainer.Release()
	trainer.Norms = true // as the page has it

	// The least times count: the machine may have other things to do.
	stepping, submitting := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	train := func(n int) {
		for range n / recordLag {
			for range recordLag {
				began := time.Now()
				require.NoError(t, trainer.Step(ctx))
				stepping = min(stepping, time.Since(began))
			}
			require.NoError(t, trainer.Flush(ctx))
			began := time.Now()
			require.NoError(t, e.Run(trainer.stepPrograms()...))
			submitting = min(submitting, time.Since(began))
		}
	}
	memory := func() (live, taken int) {
		var m runtime.MemStats
		for range 3 { // what a finalizer lets go of falls to the next collection
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc), int(m.HeapSys)
	}
	train(20)
	liveBefore, takenBefore := memory()
	train(steps)
	live, taken := memory()
	dispatches := 0
	for _, p := range trainer.stepPrograms() {
		dispatches += len(p.Calls())
	}
	t.Logf("a step of %d dispatches: %s, %s to submit them alone; live heap %d bytes before %d steps, %d after; taken from the browser %d and %d",
		dispatches, stepping, submitting, liveBefore, steps, live, takenBefore, taken)
	assert.Less(t, float64(stepping)/float64(submitting), 4.0)
	assert.LessOrEqual(t, live, liveBefore+12<<10, "a callback a step would leave twice that")
	assert.Equal(t, takenBefore, taken)
}

// stepPrograms are those that a step of the only shape there has been runs.
func (t *Trainer) stepPrograms() []*tensor.Program {
	var all []*tensor.Program
	for _, p := range t.programs {
		all = append(all, p.grad)
	}
	return append(all, t.adam.Program())
}
