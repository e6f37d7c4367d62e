//go:build !js

package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/wgpu"
)

func TestModelFolder(t *testing.T) {
	files, folder, err := modelFolder([]string{"mine/README.md", "mine/config.json", "mine/model.safetensors", "mine/run/config.json", "mine/run/model.safetensors"})
	require.NoError(t, err)
	assert.Equal(t, "mine", folder)
	assert.Equal(t, map[string]string{"README.md": "mine/README.md", "config.json": "mine/config.json", "model.safetensors": "mine/model.safetensors"}, files)

	files, folder, err = modelFolder([]string{"config.json", "pytorch_model.bin"})
	require.NoError(t, err)
	assert.Equal(t, ".", folder)
	assert.Len(t, files, 2)

	_, folder, err = modelFolder([]string{"config.json", "onnx/config.json"})
	require.NoError(t, err)
	assert.Equal(t, ".", folder)

	_, _, err = modelFolder([]string{"a/config.json", "b/config.json"})
	assert.ErrorContains(t, err, "several models in it: a and b")
	_, _, err = modelFolder([]string{"holiday.jpg"})
	assert.ErrorContains(t, err, "no config.json among the 1 files")
}

func TestFits(t *testing.T) {
	ctx := context.Background()
	const small = `{"model_type": "t5", "d_model": 512, "d_kv": 64, "d_ff": 1024, "num_heads": 6, "num_layers": 8, "vocab_size": 32128}`
	dev, err := wgpu.Open(ctx, "")
	require.NoError(t, err)
	defer dev.Release()
	require.NoError(t, fits(ctx, dev, "small", []byte(small), 4*60e6))

	fails := func(dev *wgpu.Device, config, code string, parts ...string) {
		t.Helper()
		err := fits(ctx, dev, "google/some", []byte(config), 240e6)
		require.Error(t, err)
		e := explain(err, "load", 0)
		assert.Equal(t, code, e.Code)
		for _, part := range parts {
			assert.Contains(t, e.Message, part)
		}
	}
	fails(dev, `{"model_type": "bert", "hidden_size": 768}`, codeFile, "bert")
	limits := dev.Limits()
	limits.StorageBinding = 1 << 20 // tables are cut in pieces, other weights are not
	fails(wgpu.OpenPlan(dev.Info(), limits), small, codeLimit, "One of the weights of google/some takes", "at most 1.0 MB")

	// Float32 is halved where the device has room for that alone.
	cfg, err := t5.ParseConfig([]byte(small))
	require.NoError(t, err)
	limits.StorageBinding = 2 << 20 // the largest has 2.4 MB as float32
	half, err := halves(ctx, wgpu.OpenPlan(dev.Info(), limits), "small", cfg, safetensors.F32)
	require.NoError(t, err)
	assert.True(t, half)
	half, err = halves(ctx, dev, "small", cfg, safetensors.F32)
	require.NoError(t, err)
	assert.False(t, half)
	assert.Equal(t, []string{"1.5 MB", "308 MB", "45.2 GB"}, []string{megabytes(1.5e6), megabytes(307.9e6), megabytes(45.2e9)})
}
