package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// fits refuses, before its weights are fetched, a model that the device has no room for, by its
// config.json and the bytes of its weights.
func fits(ctx context.Context, dev *wgpu.Device, name string, config []byte, weights int64) error {
	cfg, err := t5.ParseConfig(config)
	if err != nil {
		return &failure{codeFile, "Choose a T5: the page trains t5, flan-t5, mt5, byt5 and their like.", fmt.Errorf("%s of %s: %w", configFile, name, err)}
	}
	parameters := 0
	for _, t := range cfg.Tensors() {
		n := 1
		for _, size := range t.Shape {
			n *= size
		}
		parameters += n
	}
	dtype := safetensors.F32
	if weights < 3*int64(parameters) {
		dtype = safetensors.F16
	}
	_, err = halves(ctx, dev, name, cfg, dtype)
	return err
}

// halves says whether a model's float32 weights have to lie on a device as float16, for want of room,
// and refuses a model that has none even so. It looks at a device of paper first, which has the limits,
// and then asks the device for as much memory.
func halves(ctx context.Context, dev *wgpu.Device, name string, cfg *t5.Config, dtype safetensors.DType) (bool, error) {
	err := room(ctx, dev, name, cfg, dtype)
	var none *failure
	if dtype != safetensors.F32 || !errors.As(err, &none) || none.code != codeLimit && none.code != codeMemory {
		return false, err
	}
	return true, room(ctx, dev, name, cfg, safetensors.F16)
}

// room refuses a model that a device has no room for.
func room(ctx context.Context, dev *wgpu.Device, name string, cfg *t5.Config, dtype safetensors.DType) error {
	const remedy = "Choose a smaller model, or train this one with dept train on a machine that has the memory."
	bytes, err := onPaper(ctx, dev, cfg, dtype)
	if limit, ok := errors.AsType[*wgpu.LimitError](err); ok {
		return failf(codeLimit, remedy, "one of the weights of %s takes %s where this device has at most %s for one", name, megabytes(limit.Want), megabytes(limit.Have))
	}
	if err != nil {
		return &failure{codeFile, remedy, err}
	}
	if err := hasMemory(ctx, dev, bytes); err != nil {
		if !isOutOfMemory(err) {
			return err
		}
		return failf(codeMemory, remedy, "the model %s takes %s of the device's memory, which it does not give: %w", name, megabytes(bytes), err)
	}
	return nil
}

// onPaper is how many bytes of a device the weights take.
func onPaper(ctx context.Context, dev *wgpu.Device, cfg *t5.Config, dtype safetensors.DType) (bytes int64, err error) {
	zeros, err := t5.ZeroCheckpoint(cfg, dtype)
	if err != nil {
		return 0, err
	}
	paper := wgpu.OpenPlan(dev.Info(), dev.Limits())
	e, err := tensor.NewEngine(paper)
	if err != nil {
		return 0, err
	}
	defer e.Release()
	m, err := t5.Load(ctx, e, zeros, false)
	if err != nil {
		return 0, err
	}
	defer m.Release()
	return m.Bytes(), nil
}

// hasMemory takes as much memory of a device, and gives it back.
func hasMemory(ctx context.Context, dev *wgpu.Device, bytes int64) (err error) {
	limits := dev.Limits()
	each := min(limits.BufferSize, limits.StorageBinding, 256<<20) &^ 15
	for ; bytes > 0 && err == nil; bytes -= each {
		var b *wgpu.Buffer
		if b, err = dev.NewBuffer("room for the weights", min(each, bytes)); err == nil {
			defer b.Release()
		}
	}
	if err == nil {
		err = dev.Wait(ctx)
	}
	return err
}
