package main

import (
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/plots"
)

// curve is how a variant learns.
type curve struct{ loss, accuracy plots.Line }

// stepped adds the loss of a step.
func (c *curve) stepped(s train.StepRecord) { c.loss.Add(float64(s.Step), s.Loss) }

// scored adds the accuracy after some steps, in percent.
func (c *curve) scored(step int, accuracy float64) { c.accuracy.Add(float64(step), 100*accuracy) }

// draw draws the curves of the variants into the file that was asked for.
func (d *demonstration) draw(all map[string]*tuned) error {
	if d.plot == "" {
		return nil
	}
	accuracy := plots.New(d.task.Name+": rows held back", "steps", "accuracy, %")
	accuracy.Y.Min, accuracy.Y.Max = 0, 100
	loss := plots.New(d.task.Name+": loss", "steps", "loss")
	loss.Y.Min = 0
	for _, name := range []string{demo.OnlyP, demo.OnlyAB, demo.Both} {
		t := all[name]
		if err := plots.Curve(accuracy, name, t.accuracy); err != nil {
			return err
		}
		if err := plots.Curve(loss, name, t.loss); err != nil {
			return err
		}
	}
	if err := plots.Write(d.plot, plots.Width, accuracy, loss); err != nil {
		return err
	}
	field(d.out, "plot", "%s", d.plot)
	return nil
}
