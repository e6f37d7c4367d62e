package train

import (
	"fmt"
	"slices"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// shape is a bucket: the sizes a program is recorded for. Batches are padded up
// to it; padding is masked and changes nothing.
type shape struct{ rows, source, target int }

// Lengths are rounded up to these, so that few programs serve all batches.
const (
	sourceStep = 16
	targetStep = 4
)

// roundUp is the smallest multiple of step that holds n, but no more than most.
func roundUp(n, step, most int) int { return max(1, min((n+step-1)/step*step, most)) }

// bucketOf is the shape for examples under the given limits.
func bucketOf(examples []data.Example, rows, maxSource, maxTarget int) shape {
	s := shape{rows: rows}
	for _, x := range examples {
		s.source = max(s.source, len(x.Source))
		s.target = max(s.target, len(x.Target))
	}
	s.source = roundUp(s.source, sourceStep, maxSource)
	s.target = roundUp(s.target, targetStep, maxTarget)
	return s
}

// inputs are the arrays that a batch is written into.
type inputs struct {
	shape   shape
	prompt  int      // positions before the text
	ahead   nn.Ahead // keys in front of those of each kind of attention
	start   int32
	pad     int32
	source  nn.Tokens
	target  nn.Tokens
	spans   nn.Spans     // of which the source ones include the prompt
	passage *tensor.Ints // [rows, 2] the encoder's positions that a row's target reads
	labels  *tensor.Ints // [rows·target]
}

// newInputs makes the arrays of a shape, for a method with a prompt and keys in
// front; runs are needed to train an embedding.
func newInputs(e *tensor.Engine, d nn.Description, s shape, prompt int, ahead nn.Ahead, withRuns bool) (*inputs, error) {
	in := &inputs{shape: s, prompt: prompt, ahead: ahead, start: int32(d.Start), pad: int32(d.Pad)}
	var err error
	array := func(name string, shape ...int) *tensor.Ints {
		if err != nil {
			return nil
		}
		var a *tensor.Ints
		a, err = e.NewInts(name, shape...)
		return a
	}
	tokens := func(name string, length int) nn.Tokens {
		t := nn.Tokens{IDs: array(name, s.rows, length)}
		if withRuns {
			t.Runs, t.Order = array(name+".runs", s.rows*length*3), array(name+".order", s.rows*length)
		}
		return t
	}
	in.source = tokens("source", s.source)
	in.target = tokens("target", s.target)
	positions := prompt + s.source
	in.spans = nn.Spans{
		Source: array("source spans", s.rows*positions, 2), Target: array("target spans", s.rows*s.target, 2),
		Cross: array("cross spans", s.rows*s.target, 2), CrossBy: array("crossed spans", s.rows*(ahead.Cross+positions), 2),
	}
	// Where nothing is in front, who reads a position is whom it reads.
	in.spans.SourceBy, in.spans.TargetBy = in.spans.Source, in.spans.Target
	if ahead.Encoder > 0 {
		in.spans.SourceBy = array("source readers", s.rows*(ahead.Encoder+positions), 2)
	}
	if ahead.Decoder > 0 {
		in.spans.TargetBy = array("target readers", s.rows*(ahead.Decoder+s.target), 2)
	}
	in.passage = array("passage", s.rows, 2)
	in.labels = array("labels", s.rows*s.target)
	if err != nil {
		in.release()
		return nil, err
	}
	return in, nil
}

func (in *inputs) release() {
	for _, a := range in.arrays() {
		a.Release()
	}
}

// arrays lists those that have been made, each once.
func (in *inputs) arrays() []*tensor.Ints {
	var made []*tensor.Ints
	for _, a := range []*tensor.Ints{
		in.source.IDs, in.source.Runs, in.source.Order, in.target.IDs, in.target.Runs, in.target.Order,
		in.spans.Source, in.spans.SourceBy, in.spans.Target, in.spans.TargetBy, in.spans.Cross, in.spans.CrossBy, in.passage, in.labels,
	} {
		if a != nil && !slices.Contains(made, a) {
			made = append(made, a)
		}
	}
	return made
}

// write fills the arrays. What lies after the passages of a row, and rows beyond
// the examples, is padding: without labels, and attended to by nothing.
func (in *inputs) write(examples []data.Example) error {
	w := in.written()
	for row, x := range examples {
		if len(x.Source) > in.shape.source || len(x.Target) > in.shape.target {
			return fmt.Errorf("batch row %d: %d source and %d target ids in a bucket of %d and %d", row, len(x.Source), len(x.Target), in.shape.source, in.shape.target)
		}
		parts, err := x.Passages()
		if err != nil {
			return fmt.Errorf("batch row %d: %w", row, err)
		}
		if front := in.prompt > 0 || in.ahead != (nn.Ahead{}); front && len(parts) > 1 {
			return fmt.Errorf("batch row %d: %d passages behind one prompt; give each a row of its own", row, len(parts))
		}
		for i, id := range x.Source {
			w[in.source.IDs][row*in.shape.source+i] = uint32(id)
		}
		var from data.Part // in positions
		for _, to := range parts {
			to.Source += in.prompt
			in.span(w, row, from, to)
			in.shift(w, row, from.Target, x.Target[from.Target:to.Target])
			from = to
		}
	}
	for a, x := range w {
		if err := a.Write(x); err != nil {
			return err
		}
	}
	for _, t := range []nn.Tokens{in.source, in.target} {
		if t.Runs == nil {
			continue
		}
		runs, order := tensor.Runs(w[t.IDs])
		if err := t.Runs.Write(runs); err != nil {
			return err
		}
		if err := t.Order.Write(order); err != nil {
			return err
		}
	}
	return nil
}

// written is what the arrays hold of an empty batch.
func (in *inputs) written() map[*tensor.Ints][]uint32 {
	w := map[*tensor.Ints][]uint32{}
	for _, a := range in.arrays() {
		if a != in.source.Runs && a != in.source.Order && a != in.target.Runs && a != in.target.Order {
			w[a] = make([]uint32, a.Len())
		}
	}
	missing := int32(data.Ignored)
	for a, filler := range map[*tensor.Ints]int32{in.labels: missing, in.source.IDs: in.pad, in.target.IDs: in.pad} {
		for i := range w[a] {
			w[a][i] = uint32(filler)
		}
	}
	return w
}

// span writes whom the positions of a passage read and who reads them: positions of
// the source with the prompt, of the target, and the keys in front, if any.
func (in *inputs) span(w map[*tensor.Ints][]uint32, row int, from, to data.Part) {
	positions, ahead := in.prompt+in.shape.source, in.ahead
	run := func(a *tensor.Ints, position, first, end int) {
		w[a][2*position], w[a][2*position+1] = uint32(first), uint32(end)
	}
	for i := from.Source; i < to.Source; i++ {
		run(in.spans.Source, row*positions+i, from.Source, ahead.Encoder+to.Source)
	}
	if ahead.Encoder > 0 {
		for i := range ahead.Encoder + to.Source {
			run(in.spans.SourceBy, row*(ahead.Encoder+positions)+i, 0, to.Source)
		}
	}
	for i := from.Target; i < to.Target; i++ {
		end := to.Target
		if ahead.Decoder > 0 {
			end = ahead.Decoder + i + 1
		}
		run(in.spans.Target, row*in.shape.target+i, from.Target, end)
		run(in.spans.Cross, row*in.shape.target+i, from.Source, ahead.Cross+to.Source)
	}
	if ahead.Decoder > 0 {
		for i := range ahead.Decoder + to.Target {
			run(in.spans.TargetBy, row*(ahead.Decoder+in.shape.target)+i, max(0, i-ahead.Decoder), to.Target)
		}
	}
	for i := from.Source; i < ahead.Cross+to.Source; i++ {
		run(in.spans.CrossBy, row*(ahead.Cross+positions)+i, from.Target, to.Target)
	}
	if from.Source == 0 { // generation has rows of one passage
		run(in.passage, row, 0, ahead.Cross+to.Source)
	}
}

// shift writes the labels of a passage and, shifted right by one, what the decoder
// reads.
func (in *inputs) shift(w map[*tensor.Ints][]uint32, row, first int, ids []int32) {
	before := in.start
	for i, id := range ids {
		at := row*in.shape.target + first + i
		w[in.target.IDs][at], w[in.labels][at] = uint32(before), uint32(id)
		if before = id; before == data.Ignored {
			before = in.pad
		}
	}
}

// forward records a batch's pass up to its loss, which is added to total, and
// returns the loss of each position.
func (in *inputs) forward(p *nn.Pass, total *tensor.Array) *tensor.Value {
	g := p.Graph()
	g.Section("encoder")
	encoded := p.Encode(in.source, in.spans)
	g.Section("decoder")
	states := p.Decode(in.target, encoded, in.spans)
	g.Section("loss")
	return p.Loss(states, in.labels, g.Use(total))
}

// targetTokens counts the positions that have a label.
func targetTokens(examples []data.Example) (n int) {
	for _, x := range examples {
		for _, id := range x.Target {
			if id != data.Ignored {
				n++
			}
		}
	}
	return n
}

// checkIDs refuses ids that the model has no row for; a kernel would read
// another id's row.
func checkIDs(vocabulary int, x data.Example) error {
	for _, id := range x.Source {
		if id < 0 || int(id) >= vocabulary {
			return fmt.Errorf("token id %d is beyond the model's vocabulary of %d: the tokenizer belongs to another model", id, vocabulary)
		}
	}
	for _, id := range x.Target {
		if id != data.Ignored && (id < 0 || int(id) >= vocabulary) {
			return fmt.Errorf("token id %d of the target is beyond the model's vocabulary of %d: the tokenizer belongs to another model", id, vocabulary)
		}
	}
	return nil
}
