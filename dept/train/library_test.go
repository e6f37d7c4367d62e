//go:build !js

package train_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

var films = data.NewDataset([]data.Row{{Source: "a fine film", Target: "good"}, {Source: "a dull film", Target: "bad"}, {Source: "a lovely song", Target: "good"}})

func request(steps int) train.Request {
	return train.Request{
		Kind: &dept.DePT, Values: dept.Values{"prompt-length": 3, "rank": 2},
		Options: train.Options{Steps: steps, Batch: 3, Accumulate: 1, MaxSourceLength: 8, MaxTargetLength: 4},
	}
}

func begin(t *testing.T, s *train.Setup, r train.Request) *train.Session {
	t.Helper()
	session, err := train.NewSession(t.Context(), s, r)
	require.NoError(t, err)
	require.NoError(t, session.Begin(t.Context(), train.Rows{Train: data.Tokenize(films, s.Tokenizer, r.Options.MaxSourceLength, r.Options.MaxTargetLength)}))
	return session
}

// Two models train on one device at once, step by step in turn, as each does alone; either is
// given back without the other.
func TestTwoModels(t *testing.T) {
	ctx := t.Context()
	dev, err := wgpu.Open(ctx, "")
	require.NoError(t, err)
	defer dev.Release()
	dir := t.TempDir()
	c, err := t5.ParseConfig([]byte(`{"model_type": "t5", "d_model": 24, "d_kv": 8, "d_ff": 40, "num_heads": 3, "num_layers": 1, "vocab_size": 4096, "dropout_rate": 0}`))
	require.NoError(t, err)
	require.NoError(t, t5.WriteCheckpoint(dir, c, safetensors.F32, t5.RandomTensors(c, 1)))
	tokenizer, err := fs.ReadFile(backbone.Files(), "tokenizer.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), tokenizer, 0o666))
	models := []fs.FS{backbone.Files(), os.DirFS(dir)}
	const steps = 3
	losses := func(sessions ...*train.Session) [][]float64 {
		all := make([][]float64, len(sessions))
		for i, s := range sessions {
			s.OnRecord = func(r train.StepRecord) { all[i] = append(all[i], r.Loss) }
		}
		for left := len(sessions); left > 0; {
			left = 0
			for _, s := range sessions {
				done, err := s.Advance(ctx)
				require.NoError(t, err)
				if !done {
					left++
				}
			}
		}
		return all
	}
	open := func(files fs.FS) *train.Setup {
		s, err := train.OpenSetup(ctx, train.Opening{Files: files, Device: dev})
		require.NoError(t, err)
		return s
	}
	var alone [][]float64
	for _, files := range models {
		s := open(files)
		session := begin(t, s, request(steps))
		alone = append(alone, losses(session)...)
		session.Release()
		s.Release()
	}

	one, other := open(models[0]), open(models[1])
	sessions := []*train.Session{begin(t, one, request(steps)), begin(t, other, request(steps))}
	require.Len(t, alone[1], steps)
	assert.Equal(t, alone, losses(sessions...))
	sessions[0].Release()
	one.Release()
	p := train.NewPredictor(other.Engine, other.Model, other.Tokenizer, sessions[1].Method, train.PredictOptions{})
	_, err = p.Predict(ctx, []string{"a fine film"})
	assert.NoError(t, err)
	p.Release()
	sessions[1].Release()
	other.Release()
}

// Nothing is global: two goroutines, each with a device of its own, come to the same numbers at once.
func TestTwoGoroutines(t *testing.T) {
	losses := make(chan []float64)
	for range 2 {
		go func() {
			var all []float64
			defer func() { losses <- all }()
			s, err := train.OpenSetup(t.Context(), train.Opening{Files: backbone.Files()})
			if !assert.NoError(t, err) {
				return
			}
			defer s.Release()
			session, err := train.NewSession(t.Context(), s, request(2))
			if !assert.NoError(t, err) {
				return
			}
			defer session.Release()
			err = session.Begin(t.Context(), train.Rows{Train: data.Tokenize(films, s.Tokenizer, 8, 4)})
			if !assert.NoError(t, err) {
				return
			}
			session.OnRecord = func(r train.StepRecord) { all = append(all, r.Loss) }
			assert.NoError(t, session.Train(t.Context()))
		}()
	}
	one, other := <-losses, <-losses
	assert.Len(t, one, 2)
	assert.Equal(t, one, other)
}

// A program tells what went wrong by the kind of the error.
func TestErrorKinds(t *testing.T) {
	ctx := t.Context()
	_, err := train.OpenSetup(ctx, train.Opening{Name: "mine", Files: fstest.MapFS{}})
	part, ok := errors.AsType[*train.OpenError](err)
	require.True(t, ok)
	assert.Equal(t, train.PartCheckpoint, part.Part)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = train.OpenSetup(ctx, train.Opening{Files: backbone.Files(), DeviceName: "no such adapter"})
	part, ok = errors.AsType[*train.OpenError](err)
	require.True(t, ok)
	assert.Equal(t, train.PartDevice, part.Part)

	s, err := train.OpenSetup(ctx, train.Opening{Files: backbone.Files()})
	require.NoError(t, err)
	defer s.Release()
	r := request(1)
	r.Values["rank"] = -1
	_, err = train.NewSession(ctx, s, r)
	setting, ok := errors.AsType[*dept.SettingError](err)
	require.True(t, ok)
	assert.Equal(t, "rank", setting.Setting)
	r = request(1)
	r.Options.Batch = 1 << 20
	_, err = train.NewSession(ctx, s, r)
	large, ok := errors.AsType[*train.TooLargeError](err)
	require.True(t, ok)
	assert.Positive(t, large.Batch)
	_, ok = errors.AsType[*wgpu.LimitError](err)
	assert.True(t, ok)

	r = request(8)
	r.Values["lr-prompt"], r.Values["lr-lowrank"] = 1e38, 1e38
	session := begin(t, s, r)
	defer session.Release()
	assert.ErrorIs(t, session.Train(ctx), train.ErrNotFinite)
}

// Where a context is done, whatever waits ends with its error, and the next call works.
func TestCancelled(t *testing.T) {
	ctx := t.Context()
	done, cancel := context.WithCancel(ctx)
	cancel()
	s, err := train.OpenSetup(ctx, train.Opening{Files: backbone.Files()})
	require.NoError(t, err)
	defer s.Release()
	session := begin(t, s, request(2))
	defer session.Release()
	p := train.NewPredictor(s.Engine, s.Model, s.Tokenizer, session.Method, train.PredictOptions{})
	defer p.Release()
	for name, do := range map[string]func(context.Context) error{
		"OpenSetup": func(ctx context.Context) error {
			s, err := train.OpenSetup(ctx, train.Opening{Files: backbone.Files()})
			if err == nil {
				s.Release()
			}
			return err
		},
		"NewSession": func(ctx context.Context) error {
			n, err := train.NewSession(ctx, s, request(2))
			if err == nil {
				n.Release()
			}
			return err
		},
		"Predict": func(ctx context.Context) error {
			_, err := p.Predict(ctx, []string{"a fine film"})
			return err
		},
		"Evaluate": func(ctx context.Context) error {
			_, err := p.Evaluate(ctx, films, nil)
			return err
		},
		"Adapter": func(ctx context.Context) error {
			_, err := session.Method.Adapter(ctx)
			return err
		},
		"Adapters": func(ctx context.Context) error {
			_, err := wgpu.Adapters(ctx)
			return err
		},
		"Compile": func(ctx context.Context) error {
			e, err := tensor.NewEngine(s.Device)
			require.NoError(t, err)
			defer e.Release()
			x, err := e.NewArray("x", tensor.F32, 4)
			require.NoError(t, err)
			defer x.Release()
			g := e.NewGraph()
			g.Keep(g.Add("y", g.Use(x), g.Use(x), 1))
			program, err := g.Compile(ctx)
			if err == nil {
				program.Release()
			}
			return err
		},
	} {
		assert.ErrorIs(t, do(done), context.Canceled, name)
		assert.NoError(t, do(ctx), name)
	}

	// In the middle, too.
	half, stop := context.WithCancel(ctx)
	answered := 0
	p.OnRows = func(done, _ int) {
		answered = done
		stop()
	}
	_, err = p.Predict(half, []string{"a fine film", "a dull film", "a lovely song"})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, answered)

	assert.Equal(t, &train.Stopped{}, session.Train(done))
	assert.NoError(t, session.Train(ctx), "it goes on")
	assert.Equal(t, 2, session.Trainer.Done())
	kept, dir := begin(t, s, request(2)), t.TempDir()
	defer kept.Release()
	require.NoError(t, kept.KeepIn(ctx, dir, false))
	assert.Equal(t, &train.Stopped{Dir: dir}, kept.Train(done))
	require.NoError(t, kept.KeepIn(ctx, dir, true))
	assert.NoError(t, kept.Train(ctx))
	assert.Equal(t, 2, kept.Trainer.Done())
}
