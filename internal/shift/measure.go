//go:build !js

package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5/backbone"
)

// heldRows is how many dev rows rates are chosen by, and test rows accuracies are of.
var heldRows = demo.HeldRows

// lab is where trials are made.
type lab struct {
	*train.Setup
	book *book
}

func openLab(ctx context.Context, b *book, device string) (*lab, error) {
	setup, err := train.OpenSetup(ctx, train.Opening{Name: "the backbone", Files: backbone.Files(), DeviceName: device, Unnamed: true})
	if err != nil {
		return nil, err
	}
	return &lab{setup, b}, nil
}

// measure makes a figure's trials that are not in the book: first those that choose the rates,
// then those of the seeds at the rates chosen.
func measure(ctx context.Context, f figure, first, last uint64, b *book, device string) error {
	l, err := openLab(ctx, b, device)
	if err != nil {
		return err
	}
	defer l.Release()
	for _, c := range f.all() {
		for _, v := range c.trained(f) {
			for _, half := range []func() []trial{
				func() []trial { first, _ := c.tuning(v, b); return first },
				func() []trial { _, second := c.tuning(v, b); return second },
				func() (list []trial) {
					for seed := first; seed <= last; seed++ {
						list = append(list, c.chosen(v, seed, b)...)
					}
					return list
				},
			} {
				if err := l.all(ctx, half()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// What a seed that is trained anew may differ from the record: so many standard deviations of the
// seeds on record, or so many percent of the rows where these hardly differ.
const (
	checkDeviations = 1.5
	checkLeast      = 1
)

// check trains a seed of a figure anew at the rates that a record chooses, and holds each variant
// to what the record has of it under that seed, or else to the mean over those that it has. It says
// how many are as near to the mean, too: one in eight is not, by chance.
func check(ctx context.Context, f figure, seed uint64, path string, b *book, device string) error {
	record, err := readBook(path)
	if err != nil {
		return err
	}
	l, err := openLab(ctx, b, device)
	if err != nil {
		return err
	}
	defer l.Release()
	checked, off, near := 0, 0, 0
	for _, c := range f.cells {
		for _, v := range c.trained(f) {
			list := c.chosen(v, seed, record)
			all := c.spreadOf(v, 1, lastSeed, record)
			if all.n == 0 {
				continue // it is not on record
			}
			if err := l.all(ctx, list); err != nil {
				return err
			}
			o, _ := bestOf(list, b)
			got := 100 * c.accuracy(o)
			want := all.mean
			if same, ok := bestOf(list, record); ok {
				want = 100 * c.accuracy(same)
			}
			checked++
			within := max(checkLeast, checkDeviations*all.sd)
			if math.Abs(got-want) > within {
				off++
				fmt.Printf("%s %s: %.1f %%, and on record %.1f of %s\n", c.task, v, got, want, all)
			}
			if math.Abs(got-all.mean) <= within {
				near++
			}
		}
	}
	if checked == 0 || off > 0 {
		return fmt.Errorf("%s: of %d variants that are in %s, %d came out otherwise", f.name, checked, path, off)
	}
	fmt.Printf("%s: %d variants are as in %s, %d of them within %g standard deviations of the mean over its seeds\n", f.name, checked, path, near, checkDeviations)
	return nil
}

// all makes the trials that are not in the book.
func (l *lab) all(ctx context.Context, list []trial) error {
	for _, t := range list {
		if _, ok := l.book.outcomes[t]; ok {
			continue
		}
		o, err := l.try(ctx, t)
		if err != nil {
			return fmt.Errorf("%+v: %w", t, err)
		}
		if err := l.book.add(o); err != nil {
			return err
		}
		fmt.Printf("%s  %-7s  m %d r %d  rates %g %g  %d rows  seed %d  dev %.1f %%  test %.1f %%  %.0f s\n",
			t.Task, t.Variant, t.Length, t.Rank, t.RateP, t.RateAB, t.Rows, t.Seed, 100*o.Dev, 100*o.Test, o.Seconds)
	}
	return nil
}

// try makes a trial.
func (l *lab) try(ctx context.Context, t trial) (outcome, error) {
	o := outcome{trial: t, Device: l.Device.Info().Name, Date: time.Now().Format(time.DateOnly)}
	task, err := demo.Find(t.Task)
	if err != nil {
		return o, err
	}
	rows := func(split demo.Split, n int) *data.Dataset {
		return data.NewDataset(task.Rows(split, n, t.Seed, l.count))
	}
	method := dept.AsIs()
	if t.Variant != neither {
		prompt := &dept.PromptConfig{PromptLength: t.Length, Rank: t.Rank, MaxSourceLength: task.MaxSource, Width: demo.Width, LoraAlpha: dept.DefaultLoraAlpha, Submodules: 1, Constant: t.Variant == constant}
		start, err := dept.NewAdapter(prompt, dept.Values{"prompt-init": string(dept.InitRandom)}, dept.Origin{
			Model: l.Model.Description, Checkpoint: l.Checkpoint, Tokenizer: l.Tokenizer, Seed: t.Seed + uint64(t.Start)<<32,
		})
		if err != nil {
			return o, err
		}
		if method, err = dept.New(l.Model, start, true); err != nil {
			return o, err
		}
		defer method.Release()
		o.Parameters = method.Parameters()
		if err := l.learn(ctx, method, prompt, rows(demo.Train, t.Rows), &o); err != nil {
			return o, err
		}
	}
	if o.Dev, err = l.accuracy(ctx, method, task, rows(demo.Dev, heldRows)); err != nil {
		return o, err
	}
	if o.Test, err = l.accuracy(ctx, method, task, rows(demo.Test, heldRows)); err != nil || t.Probe == "" {
		return o, err
	}
	p := probeNamed(t.Probe)
	for _, at := range p.at {
		x, err := l.accuracy(ctx, method, task, data.NewDataset(p.rows(task, t.Seed, l.count, at)))
		if err != nil {
			return o, err
		}
		o.Tests = append(o.Tests, x)
	}
	return o, nil
}

// count is how many tokens a text has.
func (l *lab) count(text string) int { return len(l.Tokenizer.Encode(text)) }

// learn trains a method on rows as the demonstration does, at the trial's rates.
func (l *lab) learn(ctx context.Context, method *dept.Method, prompt *dept.PromptConfig, rows *data.Dataset, o *outcome) error {
	options := demo.Tuning(demo.Variant{
		Config: prompt, Rates: map[string]float64{dept.GroupPrompt: o.RateP, dept.GroupLowRank: o.RateAB},
	}, o.Seed)
	options.Steps = o.Steps
	trainer, err := train.NewTrainer(ctx, l.Engine, l.Model, method, data.Tokenize(rows, l.Tokenizer, options.MaxSourceLength, options.MaxTargetLength), options)
	if err != nil {
		return err
	}
	defer trainer.Release()
	last := max(1, o.Steps/10)
	trainer.OnRecord = func(s train.StepRecord) error {
		if s.Step > o.Steps-last {
			o.Loss += s.Loss / float64(last)
		}
		return nil
	}
	start := time.Now()
	for range o.Steps {
		if err := trainer.Step(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := trainer.Flush(ctx); err != nil {
		return err
	}
	o.Seconds, o.Bytes = time.Since(start).Seconds(), trainer.Plan().Bytes+trainer.StateBytes()
	return nil
}

// accuracy is the fraction of rows that are answered with their target, to the letter.
func (l *lab) accuracy(ctx context.Context, method *dept.Method, task demo.Task, rows *data.Dataset) (float64, error) {
	p := train.NewPredictor(l.Engine, l.Model, l.Tokenizer, method, train.PredictOptions{
		Batch: 100, MaxSourceLength: task.MaxSource, MaxNewTokens: demo.MaxAnswer, Beams: 1,
	})
	defer p.Release()
	v, err := p.Evaluate(ctx, rows, nil)
	if err != nil {
		return 0, err
	}
	return v.Metrics[metrics.ExactMatch], nil
}
