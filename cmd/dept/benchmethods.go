package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/wgpu"
)

// benchPair is one of the two prompts that are compared.
type benchPair struct {
	PromptLength int `json:"prompt_length"`
	Rank         int `json:"rank"`
	*benchMethod
}

// newBenchPrompts are the two, of equally many parameters on sources of a length.
func newBenchPrompts(cfg *t5.Config, source int) (short, long *benchPair) {
	rank := dept.RankForBudget(benchBudget, benchPrompt, source, cfg.DModel)
	short = &benchPair{benchPrompt, rank, newBenchMethod(&dept.DePT)}
	long = &benchPair{benchBudget, 0, newBenchMethod(&dept.PromptTuning)}
	maps.Copy(short.values, dept.Values{"prompt-length": benchPrompt, "rank": rank})
	maps.Copy(long.values, dept.Values{"prompt-length": benchBudget})
	return short, long
}

// methods times the methods of the table on one model, the two prompts before the
// others.
func (r *benchReport) methods(ctx context.Context, dev *wgpu.Device, steps int) error {
	cfg, err := t5.ParseConfig([]byte(modelSizes["t5-small"]))
	if err != nil {
		return err
	}
	ck, err := t5.NewCheckpoint(cfg, t5.RandomTensors(cfg, 1))
	if err != nil {
		return err
	}
	engine, err := newBenchEngine(dev, r.kernels)
	if err != nil {
		return err
	}
	defer engine.Release()
	model, err := loadBenchModel(ctx, engine, cfg, ck)
	if err != nil {
		return err
	}
	defer model.Release()
	r.WeightsBytes = model.Bytes()

	r.DePT, r.PT = newBenchPrompts(cfg, r.Source)
	prompts := []*benchMethod{r.DePT.benchMethod, r.PT.benchMethod}
	r.Methods = slices.Clone(prompts)
	for _, k := range dept.Kinds {
		if k != prompts[0].kind && k != prompts[1].kind {
			r.Methods = append(r.Methods, newBenchMethod(k))
		}
	}
	if err := r.inTurns(ctx, dev, model, prompts, steps, min(steps, 3)); err != nil {
		return err
	}
	if err := r.inTurns(ctx, dev, model, r.Methods[len(prompts):], steps, 0); err != nil {
		return err
	}
	r.StepRatio = r.DePT.StepMS / r.PT.StepMS
	r.BytesRatio = float64(r.DePT.OwnBytes) / float64(r.PT.OwnBytes)
	return nil
}

// inTurns times methods in turns, so that a machine that gets slower does so for all
// of them: some steps, and some more of which each part is waited for.
func (r *benchReport) inTurns(ctx context.Context, dev *wgpu.Device, model *benchModel, methods []*benchMethod, steps, inParts int) error {
	for _, b := range methods {
		defer b.release()
		if err := b.prepare(ctx, dev, model, r.benchWork); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	for i := range steps {
		for _, b := range methods {
			if err := b.step(ctx); err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
			if i >= inParts {
				continue
			}
			if err := b.stepParts(ctx); err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
		}
	}
	for _, b := range methods {
		b.conclude()
	}
	return nil
}

// printPair prints the two prompts side by side.
func (r *benchReport) printPair(w io.Writer) {
	fmt.Fprintf(w, "\n\tDePT m=%d r=%d\tPT m=%d\tratio\t\n", r.DePT.PromptLength, r.DePT.Rank, r.PT.PromptLength)
	row := func(name, format string, a, b float64) {
		fmt.Fprintf(w, "%s\t"+format+"\t"+format+"\t%.3f\t\n", name, a, b, a/b)
	}
	row("trained parameters", "%.0f", float64(r.DePT.Parameters), float64(r.PT.Parameters))
	row("step, ms", "%.1f", r.DePT.StepMS, r.PT.StepMS)
	for _, name := range []string{"encoder", "decoder", "loss", "loss.grad", "decoder.grad", "encoder.grad", "update"} {
		row(name+", ms", "%.1f", r.DePT.PartsMS[name], r.PT.PartsMS[name])
	}
	row("encoder.grad / encoder", "%.3f", r.DePT.EncoderRatio, r.PT.EncoderRatio)
	row("peak, MiB", "%.1f", mib(r.DePT.PeakBytes), mib(r.PT.PeakBytes))
	row("peak without weights, MiB", "%.1f", mib(r.DePT.OwnBytes), mib(r.PT.OwnBytes))
}

// printMethods prints a line for each method, its time as a ratio to prompt tuning's.
func (r *benchReport) printMethods(w io.Writer) {
	fmt.Fprintf(w, "\nmethod\tparameters\tstep, ms\tby %s's\tpeak without weights, MiB\t\n", r.PT.Name)
	for _, b := range r.Methods {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.3f\t%.1f\t\n", b.Name, count(b.Parameters), b.StepMS, b.StepMS/r.PT.StepMS, mib(b.OwnBytes))
	}
}
