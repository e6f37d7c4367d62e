package train

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// Gradients are scaled by powers of two, which rounds nothing: where no kernel rounds
// its operands, mixed precision gives the records and the adapter of float32, to the
// bit, with a clip that acts and one that does not.
func TestGradScaleRoundsNothing(t *testing.T) {
	for _, clip := range []float64{0, 0.01, 100} {
		b := newBench(t, "gated-untied")
		o := smallRun
		o.Clip, o.Dropout, o.MaxSourceLength = clip, 0.1, 20
		wantRecords, want := b.train(t, b.adapter, b.rows, o)
		o.Precision = Mixed
		gotRecords, got := b.train(t, b.adapter, b.rows, o)
		assert.Equal(t, wantRecords, gotRecords)
		for _, name := range []string{dept.TensorP, dept.TensorA, dept.TensorB} {
			assert.Equal(t, want.Values(name), got.Values(name), name)
		}
	}
}

// With kernels that round their operands to half precision, a number is off by up to
// 2⁻¹¹ of its size. A norm of gradients may be off by twice that, since a dozen products
// in a row round, each independently of the others; a loss by half of it, since errors of
// many tokens' logits average out.
func TestMixedPrecision(t *testing.T) {
	b := newBench(t, "gated-untied")
	if !b.e.Device().Features().Has(wgpu.F16) {
		t.Log("this device has no half precision: mixed precision is float32 on it")
		return
	}
	o := smallRun
	o.Precision, o.MaxSourceLength = Mixed, 20
	exact, _ := b.train(t, b.adapter, b.rows, o)
	k := b.e.Kernels()
	k.Variants = map[string]string{}
	for _, class := range b.halfClasses(t, o) {
		k.Variants[class] = "matmul/block-half"
		if strings.HasPrefix(class, "attention") {
			k.Variants[class] = "attention/tiled-half"
		}
	}
	require.NotEmpty(t, k.Variants)
	require.NoError(t, b.e.Choose(k))
	rounded, _ := b.train(t, b.adapter, b.rows, o)
	for i := range exact {
		t.Logf("step %d: loss %v, %v rounded; norm %v, %v", exact[i].Step, exact[i].Loss, rounded[i].Loss, exact[i].GradNorm, rounded[i].GradNorm)
		assert.InEpsilon(t, exact[i].Loss, rounded[i].Loss, 1./4096)
		assert.InEpsilon(t, exact[i].GradNorm, rounded[i].GradNorm, 1./1024)
		assert.NotEqual(t, exact[i].Loss, rounded[i].Loss, "nothing was rounded")
	}
}

// halfClasses are the classes of the operations of a step that may round.
func (b bench) halfClasses(t *testing.T, o Options) (classes []string) {
	trainer, err := NewTrainer(context.Background(), b.e, b.m, b.prompt(t, b.adapter), b.rows, o)
	require.NoError(t, err)
	defer trainer.Release()
	programs := []*tensor.Program{}
	for s := range 4 {
		p, err := trainer.program(context.Background(), shape{o.Batch, o.MaxSourceLength >> s, o.MaxTargetLength})
		require.NoError(t, err)
		programs = append(programs, p.grad)
	}
	for _, p := range programs {
		for _, call := range p.Kernels() {
			if strings.Contains(call.Call.Class, " half") {
				classes = append(classes, call.Call.Class)
			}
		}
	}
	return classes
}

func TestPrecisionNames(t *testing.T) {
	data, err := json.Marshal(Options{})
	require.NoError(t, err)
	assert.NotContains(t, string(data), "precision")
	data, err = json.Marshal(Options{Precision: Mixed})
	require.NoError(t, err)
	assert.Contains(t, string(data), `"precision":"mixed"`)
	var o Options
	require.NoError(t, json.Unmarshal([]byte(`{"precision": "float32"}`), &o))
	assert.Equal(t, Float32, o.Precision)
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"precision": "half"}`), &o), "give float32 or mixed")
	assert.Equal(t, float32(1), Float32.gradScale(7))
	assert.Equal(t, float32(8192), Mixed.gradScale(7))
	assert.Equal(t, float32(8192), Mixed.gradScale(8))
}
