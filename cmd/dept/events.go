package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/tensorboard"
)

// logTensorBoard is the value of --log for event files.
const logTensorBoard = "tensorboard"

// events writes what log.jsonl gets into an event file, under the tags of Hugging
// Face's Trainer.
type events struct {
	cmd      *cobra.Command
	file     *tensorboard.Writer // nil where none is written, or no more
	perEpoch int                 // updates
}

// events makes the session of a run that has begun write event files if that is asked
// for. Those of a run that was overwritten go either way.
func (r *running) events(cmd *cobra.Command, rows train.Rows) (*events, error) {
	s, o := r.session, r.session.Options
	e := &events{cmd: cmd, perEpoch: (rows.Train.Len()-1)/(o.Batch*o.Accumulate) + 1}
	if !r.resume {
		if err := tensorboard.Remove(r.out); err != nil {
			return nil, err
		}
	}
	if r.log == "" {
		return e, nil
	}
	var err error
	if e.file, err = tensorboard.Create(r.out, s.Trainer.Done()); err != nil {
		return nil, err
	}
	onRecord, onEval := s.OnRecord, s.OnEval
	s.OnRecord = func(x train.StepRecord) {
		onRecord(x)
		e.step(x)
	}
	s.OnEval = func(x train.EvalRecord) {
		onEval(x)
		e.eval(x)
	}
	return e, nil
}

// step writes an update.
func (e *events) step(s train.StepRecord) {
	values := []tensorboard.Scalar{
		{Tag: "train/loss", Value: s.Loss}, {Tag: "train/grad_norm", Value: s.GradNorm}, {Tag: "train/epoch", Value: float64(s.Step) / float64(e.perEpoch)},
	}
	for _, group := range slices.Sorted(maps.Keys(s.Rates)) {
		tag := "train/learning_rate"
		if group != "" {
			tag += "_" + group
		}
		values = append(values, tensorboard.Scalar{Tag: tag, Value: s.Rates[group]})
	}
	e.write(s.Step, values)
}

// eval writes an evaluation.
func (e *events) eval(x train.EvalRecord) {
	var values []tensorboard.Scalar
	for _, name := range slices.Sorted(maps.Keys(x.Metrics)) {
		values = append(values, tensorboard.Scalar{Tag: "eval/" + string(name), Value: x.Metrics[name]})
	}
	e.write(x.Step, values)
}

// write writes values while that works: a run does not end for want of them.
func (e *events) write(step int, values []tensorboard.Scalar) {
	if e.file == nil {
		return
	}
	if err := e.file.Scalars(step, values...); err != nil {
		warn(e.cmd, "%v: no more events are written; log.jsonl has every step", err)
		e.close()
	}
}

func (e *events) close() {
	if e.file != nil {
		e.file.Close()
		e.file = nil
	}
}
