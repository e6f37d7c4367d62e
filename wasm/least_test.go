//go:build !js

package main

import (
	"context"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/wgpu"
)

// least are the limits that WebGPU guarantees (https://www.w3.org/TR/webgpu/#limits).
var least = wgpu.Limits{
	BufferSize: 256 << 20, StorageBinding: 128 << 20, WorkgroupStorage: 16 << 10, Invocations: 256, WorkgroupsPerDimension: 1<<16 - 1,
}

// TestLeastDevice: on a device without features and with the least limits, as Safari has
// on old GPUs, there are kernels for all that each method of the page trains and answers.
// None has more than eight storage buffers or asks for a feature. check-long's part
// defaults has a browser check the rest.
func TestLeastDevice(t *testing.T) {
	ctx := context.Background()
	dev := wgpu.OpenPlan(wgpu.AdapterInfo{Name: "old", Type: wgpu.OtherAdapter, Vendor: "apple"}, least)
	m, err := openModel(ctx, dev, &source{files: folder{backbone.Files()}, name: "backbone"})
	require.NoError(t, err)
	defer m.Release()
	enable := regexp.MustCompile(`(?m)^(enable|requires) `)
	seen, most := map[shaders.Spec]bool{}, 0
	check := func(calls ...shaders.Call) {
		for _, c := range calls {
			if seen[c.Spec] {
				continue
			}
			seen[c.Spec] = true
			text, err := shaders.Source(c.Spec)
			require.NoError(t, err)
			buffers := storageBuffers(t, text, c.Spec.Entry)
			most = max(most, buffers)
			assert.NotZero(t, buffers, "%v", c.Spec)
			assert.LessOrEqual(t, buffers, 8, "storage buffers of %v", c.Spec)
			assert.NotRegexp(t, enable, text, "%v", c.Spec)
			assert.NoError(t, shaders.TargetOf(dev).Check(c))
		}
	}
	for _, k := range kinds() {
		settings := taskInfos()[0].Settings
		settings.Method, settings.Values = k.Name, startValues(k, m.Model.Description.Width)
		d, err := m.findData(settings)
		require.NoError(t, err)
		r := &run{m: m, settings: settings, data: d}
		request, err := r.request()
		require.NoError(t, err)
		s, err := train.NewSession(ctx, m.Setup, request)
		require.NoError(t, err, k.Name)
		p := train.NewPredictor(m.Engine, m.Model, m.Tokenizer, s.Method, train.PredictOptions{
			Batch: rowsAtOnce, MaxSourceLength: s.Options.MaxSourceLength, MaxNewTokens: answerTokens, Beams: 1,
		})
		require.NoError(t, s.Begin(ctx, train.Rows{Train: data.Tokenize(d.train, m.Tokenizer, s.Options.MaxSourceLength, s.Options.MaxTargetLength)}))
		programs, err := s.Trainer.Programs(ctx)
		require.NoError(t, err)
		encode, token, err := p.Programs(ctx)
		require.NoError(t, err)
		for _, program := range append(programs, encode, token) {
			for _, kernel := range program.Kernels() {
				check(kernel.Call)
			}
		}
		p.Release()
		s.Release()
	}
	t.Logf("%d pipelines, of at most %d storage buffers", len(seen), most)
	assert.Greater(t, len(seen), 30)
}

var (
	wgslFunction = regexp.MustCompile(`(?ms)^(?:@[^\n]*\n?)*\s*fn (\w+)\(.*?^\}`)
	wgslStorage  = regexp.MustCompile(`var<storage[^>]*> (\w+)`)
	wgslWord     = regexp.MustCompile(`\w+`)
)

// storageBuffers counts those that an entry point uses, through the functions that it
// calls.
func storageBuffers(t *testing.T, text, entry string) int {
	functions := map[string]string{}
	for _, f := range wgslFunction.FindAllStringSubmatch(text, -1) {
		functions[f[1]] = f[0]
	}
	require.Contains(t, functions, entry)
	buffers, used, visited := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, b := range wgslStorage.FindAllStringSubmatch(text, -1) {
		buffers[b[1]] = true
	}
	var visit func(name string)
	visit = func(name string) {
		if visited[name] {
			return
		}
		visited[name] = true
		for _, word := range wgslWord.FindAllString(functions[name], -1) {
			if buffers[word] {
				used[word] = true
			}
			if functions[word] != "" {
				visit(word)
			}
		}
	}
	visit(entry)
	return len(used)
}
