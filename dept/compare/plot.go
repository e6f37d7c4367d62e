package compare

import (
	"maps"
	"math"
	"slices"

	"gonum.org/v1/plot"

	"github.com/go-dept/dept/internal/plots"
)

// mostPoints is how many points a curve of losses has: each is the mean of the steps since the one
// before, and of all seeds.
const mostPoints = 100

// plot draws a task: scores by how much is trained, losses by step, and scores on the dev rows by step.
func (r *Report) plot(task, path string) error {
	metric := string(r.Score(task, r.Methods[0]).Metric) + ", %"
	sizes := plots.New(task+": score and size", "trained parameters", metric)
	loss := plots.New(task+": loss", "steps", "loss")
	scores := plots.New(task+": dev rows", "steps", metric)
	least, most := math.Inf(1), 0.0
	for i, method := range r.Methods {
		x := r.Score(task, method)
		color := plots.Palette[i%len(plots.Palette)]
		least, most = math.Min(least, float64(x.Parameters)), math.Max(most, float64(x.Parameters))
		point := plots.Line{Color: color}
		point.AddSpread(float64(x.Parameters), x.Mean, x.SD)
		losses, devs, err := r.curves(x)
		if err != nil {
			return err
		}
		losses.Color, devs.Color = color, color
		if err := plots.Points(sizes, method, point); err != nil {
			return err
		}
		if losses.Len() > 0 {
			if err := plots.Curve(loss, method, losses); err != nil {
				return err
			}
		}
		if err := plots.Curve(scores, method, devs); err != nil {
			return err
		}
	}
	sizes.X.Scale, sizes.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	sizes.X.Min, sizes.X.Max = math.Max(1, least/2), most*2
	return plots.Write(path, plots.Width, sizes, loss, scores)
}

// curves are the losses and dev scores of the trials that a score is of, over the seeds.
func (r *Report) curves(x Score) (losses, devs plots.Line, err error) {
	type sum struct{ step, loss, n float64 }
	sums := map[int]sum{}         // by point
	scores := map[int][]float64{} // by step
	for _, t := range x.reported {
		c, err := r.suite.curve(t)
		if err != nil {
			return losses, devs, err
		}
		each := max(1, (t.Steps()+mostPoints-1)/mostPoints)
		for _, s := range c.Steps {
			at := sums[(s.Step-1)/each]
			at.step, at.loss, at.n = at.step+float64(s.Step), at.loss+s.Loss, at.n+1
			sums[(s.Step-1)/each] = at
		}
		for _, e := range c.Scores {
			scores[e.Step] = append(scores[e.Step], 100*e.Metrics[x.Metric])
		}
	}
	for _, i := range slices.Sorted(maps.Keys(sums)) {
		s := sums[i]
		losses.Add(s.step/s.n, s.loss/s.n)
	}
	for _, step := range slices.Sorted(maps.Keys(scores)) {
		devs.AddSpread(float64(step), Mean(scores[step]), SD(scores[step]))
	}
	return losses, devs, nil
}
