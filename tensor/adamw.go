package tensor

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/go-dept/dept/shaders"
)

// AdamW is transformers' AdamW with a clip on the gradients' global norm: it
// updates arrays from their gradients on the device and empties the gradients.
// When the loss or the norm is not finite it leaves arrays and moments as they
// are and says so in the record.
type AdamW struct {
	// Total is where graphs add up the loss; every update reads it into the
	// record and empties it.
	Total *Array

	e       *Engine
	program *Program
	params  []Param
	m, v    []*Array
	groups  []string
	rates   *Array // [groups]
	records *Array // ring of (loss, gradient norm, applied, clip factor)
	factor  *Array
	squares *Array // sums of squares, some for each parameter in order
}

// Param is an array to train and the named group whose rate it follows.
type Param struct {
	*Array
	Group string
	Scale float64 // of the group's rate; 0 means 1
}

// slots is how many sums of squares its gradient takes.
func (p Param) slots() (n int) {
	for _, s := range p.pieces() {
		n += shaders.SumSquares{N: s.n * p.width()}.Slots()
	}
	return n
}

// Groups names the groups of parameters in order of their first ones.
func Groups(params []Param) []string {
	var groups []string
	for _, p := range params {
		if !slices.Contains(groups, p.Group) {
			groups = append(groups, p.Group)
		}
	}
	return groups
}

// Hyperparameters of AdamW as the DePT authors run it.
const (
	Beta1 = 0.9
	Beta2 = 0.999
	Eps   = 1e-6
)

// RingSlots is how many updates the ring of records remembers.
const RingSlots = 8

// NewAdamW makes the optimiser of arrays that are Trainable.
func (e *Engine) NewAdamW(ctx context.Context, params []Param) (*AdamW, error) {
	o := &AdamW{e: e, params: params, groups: Groups(params)}
	var err error
	keep := func(a *Array, failed error) *Array {
		err = cmp.Or(err, failed)
		return a
	}
	array := func(name string, shape ...int) *Array { return keep(e.NewArray(name, shaders.F32, shape...)) }
	o.Total = array("loss", 1)
	o.records = array("records", RingSlots, 4)
	o.factor = array("clip", 2)
	o.rates = array("rates", max(1, len(o.groups)))
	slots := 0
	for _, p := range params {
		slots += p.slots()
		o.m = append(o.m, keep(e.newLike(p.Array, p.Name+".m")))
		o.v = append(o.v, keep(e.newLike(p.Array, p.Name+".v")))
	}
	o.squares = array("squares", max(1, slots))
	if err != nil {
		return nil, err
	}

	g := e.NewGraph()
	slot := 0
	for _, p := range params {
		for _, s := range p.pieces() {
			squares := shaders.SumSquares{N: s.n * p.width(), Slot: slot}
			slot += squares.Slots()
			g.run(p.Name+".norm", squares.Call(e.target), g.Use(p.Grad).rows(s), g.Use(o.squares))
		}
	}
	g.run("clip", shaders.ClipNorm{Slots: slots}.Call(e.target), g.Use(o.squares), g.Use(o.Total), g.Use(o.records), g.Use(o.factor))
	for i, p := range params {
		for _, s := range p.pieces() {
			update := shaders.AdamW{N: s.n * p.width(), Group: slices.Index(o.groups, p.Group), Scale: p.Scale, Beta1: Beta1, Beta2: Beta2, Eps: Eps}
			g.run(p.Name+".adamw", update.Call(e.target),
				g.Use(p.Array).rows(s), g.Use(p.Grad).rows(s), g.Use(o.m[i]).rows(s), g.Use(o.v[i]).rows(s), g.Use(o.factor), g.Use(o.rates))
		}
	}
	if o.program, err = g.Compile(ctx); err != nil {
		return nil, err
	}
	return o, nil
}

// SetRates gives the rate of each group to the updates submitted from now on;
// correction is AdamW's for its moments' start at zero. A group without a rate
// stays as it is.
func (o *AdamW) SetRates(rates map[string]float64, correction float64) error {
	x := make([]float32, o.rates.Len())
	for i, group := range o.groups {
		x[i] = float32(rates[group] * correction)
	}
	return o.rates.WriteFloats(x)
}

// Program is the update, to run after the gradients.
func (o *AdamW) Program() *Program { return o.program }

// Record is what an update noted down.
type Record struct {
	Loss    float32
	Norm    float32 // of the gradients, before clipping
	Applied bool    // false when loss or norm was not finite
}

// ReadLater starts to read the record of a slot of the ring.
func (o *AdamW) ReadLater(slot int) (func(context.Context) (Record, error), error) {
	wait, err := o.records.ReadLater(4*slot, 4)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Record, error) {
		x, err := wait(ctx)
		if err != nil {
			return Record{}, err
		}
		return Record{Loss: x[0], Norm: x[1], Applied: x[2] != 0}, nil
	}, nil
}

// NormsLater starts to read the norm of each parameter's gradient, before
// clipping, in the update submitted last, whose Step has this GradScale.
func (o *AdamW) NormsLater(gradScale float32) (func(context.Context) ([]float64, error), error) {
	wait, err := o.squares.ReadLater(0, o.squares.Len())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]float64, error) {
		sums, err := wait(ctx)
		if err != nil {
			return nil, err
		}
		norms := make([]float64, len(o.params))
		for i, p := range o.params {
			n := p.slots()
			for _, sum := range sums[:n] {
				norms[i] += float64(sum)
			}
			norms[i] = math.Sqrt(norms[i]) / float64(gradScale)
			sums = sums[n:]
		}
		return norms, nil
	}, nil
}

// Moments gives the optimiser's state by name, for saving and for going on:
// "NAME.m" and "NAME.v" of every parameter.
func (o *AdamW) Moments() []*Array {
	var all []*Array
	for i := range o.params {
		all = append(all, o.m[i], o.v[i])
	}
	return all
}

// Bytes is the device memory of moments and gradients.
func (o *AdamW) Bytes() int64 {
	var n int64
	for i, p := range o.params {
		n += o.m[i].Bytes() + o.v[i].Bytes() + p.Grad.Bytes()
	}
	return n
}

// Release gives the optimiser's memory back; the parameters stay.
func (o *AdamW) Release() {
	for _, a := range append(o.Moments(), o.Total, o.records, o.factor, o.squares, o.rates) {
		a.Release()
	}
	o.program.Release()
}
