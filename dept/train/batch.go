package train

import (
	"fmt"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
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
	shape  shape
	prompt int // positions before the text
	start  int32
	pad    int32
	source tokenArrays
	target tokenArrays
	spans  spanArrays
	labels *tensor.Array // [rows·target]
}

type tokenArrays struct{ ids, runs, order *tensor.Array }

// spanArrays are t5.Spans, of which source includes the prompt.
type spanArrays struct{ source, target, cross, crossBy *tensor.Array }

// newInputs makes the arrays of a shape; runs are needed to train an embedding.
func newInputs(e *tensor.Engine, c *t5.Config, s shape, prompt int, withRuns bool) (*inputs, error) {
	in := &inputs{shape: s, prompt: prompt, start: int32(c.DecoderStartTokenID), pad: int32(c.PadTokenID)}
	var err error
	array := func(name string, shape ...int) *tensor.Array {
		if err != nil {
			return nil
		}
		var a *tensor.Array
		a, err = e.NewArray(name, shaders.F32, shape...)
		return a
	}
	tokens := func(name string, length int) tokenArrays {
		t := tokenArrays{ids: array(name, s.rows, length)}
		if withRuns {
			t.runs, t.order = array(name+".runs", s.rows*length*3), array(name+".order", s.rows*length)
		}
		return t
	}
	in.source = tokens("source", s.source)
	in.target = tokens("target", s.target)
	in.spans = spanArrays{
		source: array("source spans", s.rows*(prompt+s.source), 2), target: array("target spans", s.rows*s.target, 2),
		cross: array("cross spans", s.rows*s.target, 2), crossBy: array("crossed spans", s.rows*(prompt+s.source), 2),
	}
	in.labels = array("labels", s.rows*s.target)
	if err != nil {
		in.release()
		return nil, err
	}
	return in, nil
}

func (in *inputs) release() {
	for _, a := range []*tensor.Array{
		in.source.ids, in.source.runs, in.source.order, in.target.ids, in.target.runs, in.target.order,
		in.spans.source, in.spans.target, in.spans.cross, in.spans.crossBy, in.labels,
	} {
		if a != nil {
			a.Release()
		}
	}
}

// use brings tokens into a graph.
func (t tokenArrays) use(g *tensor.Graph) t5.Tokens {
	tokens := t5.Tokens{IDs: g.Use(t.ids)}
	if t.runs != nil {
		tokens.Runs, tokens.Order = g.Use(t.runs), g.Use(t.order)
	}
	return tokens
}

// use brings spans into a graph.
func (a spanArrays) use(g *tensor.Graph) t5.Spans {
	return t5.Spans{Source: g.Use(a.source), Target: g.Use(a.target), Cross: g.Use(a.cross), CrossBy: g.Use(a.crossBy)}
}

// write fills the arrays. What lies after the passages of a row, and rows beyond
// the examples, is padding: without labels, and attended to by nothing.
func (in *inputs) write(examples []data.Example) error {
	s := in.shape
	positions := in.prompt + s.source
	source := make([]uint32, s.rows*s.source)
	target := make([]uint32, s.rows*s.target)
	labels := make([]uint32, s.rows*s.target)
	sourceSpans, crossBySpans := make([]uint32, 2*s.rows*positions), make([]uint32, 2*s.rows*positions)
	targetSpans, crossSpans := make([]uint32, 2*s.rows*s.target), make([]uint32, 2*s.rows*s.target)
	missing := int32(data.Ignored)
	for i := range labels {
		labels[i] = uint32(missing)
	}
	for i := range source {
		source[i] = uint32(in.pad)
	}
	for i := range target {
		target[i] = uint32(in.pad)
	}
	for row, x := range examples {
		if len(x.Source) > s.source || len(x.Target) > s.target {
			return fmt.Errorf("batch row %d: %d source and %d target ids in a bucket of %d and %d", row, len(x.Source), len(x.Target), s.source, s.target)
		}
		parts, err := x.Passages()
		if err != nil {
			return fmt.Errorf("batch row %d: %w", row, err)
		}
		if in.prompt > 0 && len(parts) > 1 {
			return fmt.Errorf("batch row %d: %d passages behind one prompt; give each a row of its own", row, len(parts))
		}
		for i, id := range x.Source {
			source[row*s.source+i] = uint32(id)
		}
		var from data.Part // in positions
		for _, to := range parts {
			to.Source += in.prompt
			for i := from.Source; i < to.Source; i++ {
				setSpan(sourceSpans, row*positions+i, from.Source, to.Source)
				setSpan(crossBySpans, row*positions+i, from.Target, to.Target)
			}
			// The decoder reads the labels shifted right by one.
			before := in.start
			for i := from.Target; i < to.Target; i++ {
				setSpan(targetSpans, row*s.target+i, from.Target, to.Target)
				setSpan(crossSpans, row*s.target+i, from.Source, to.Source)
				target[row*s.target+i] = uint32(before)
				labels[row*s.target+i] = uint32(x.Target[i])
				if before = x.Target[i]; before == data.Ignored {
					before = in.pad
				}
			}
			from = to
		}
	}
	for _, w := range []struct {
		to   *tensor.Array
		from []uint32
	}{
		{in.source.ids, source}, {in.target.ids, target}, {in.labels, labels},
		{in.spans.source, sourceSpans}, {in.spans.target, targetSpans}, {in.spans.cross, crossSpans}, {in.spans.crossBy, crossBySpans},
	} {
		if err := w.to.WriteUints(w.from); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		tokenArrays
		ids []uint32
	}{{in.source, source}, {in.target, target}} {
		if t.runs == nil {
			continue
		}
		runs, order := shaders.Runs(t.ids, func(int) bool { return false })
		if err := t.runs.WriteUints(runs); err != nil {
			return err
		}
		if err := t.order.WriteUints(order); err != nil {
			return err
		}
	}
	return nil
}

// setSpan writes the span of a position.
func setSpan(spans []uint32, position, first, end int) {
	spans[2*position], spans[2*position+1] = uint32(first), uint32(end)
}

// forward records a batch's pass up to its loss, which is added to total, and
// returns the loss of each position.
func (in *inputs) forward(p *t5.Pass, m dept.Method, total *tensor.Array) *tensor.Value {
	g := p.Graph()
	g.Section("encoder")
	spans := in.spans.use(g)
	encoded := p.Encode(m.Embed(p, in.source.use(g)), in.shape.rows, spans)
	g.Section("decoder")
	states := p.Decode(in.target.use(g), encoded, spans)
	g.Section("loss")
	return p.Loss(states, g.Use(in.labels), g.Use(total))
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
func checkIDs(c *t5.Config, x data.Example) error {
	for _, id := range x.Source {
		if id < 0 || int(id) >= c.VocabSize {
			return fmt.Errorf("token id %d is beyond the model's vocabulary of %d: the tokenizer belongs to another model", id, c.VocabSize)
		}
	}
	for _, id := range x.Target {
		if id != data.Ignored && (id < 0 || int(id) >= c.VocabSize) {
			return fmt.Errorf("token id %d of the target is beyond the model's vocabulary of %d: the tokenizer belongs to another model", id, c.VocabSize)
		}
	}
	return nil
}
