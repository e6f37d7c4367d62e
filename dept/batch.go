package dept

import (
	"fmt"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// Example is a row as the model sees it: ids of the source and of the target,
// each with its end token.
type Example struct {
	Source, Target []int32
}

// Examples gives rows by number. It may be asked from another goroutine than
// the one that trains, one call at a time.
type Examples interface {
	Len() int
	Example(i int) (Example, error)
}

// ignored is the label of a position that does not count.
const ignored = -100

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
func bucketOf(examples []Example, rows, maxSource, maxTarget int) shape {
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
	prompt  int // positions before the text
	start   int32
	pad     int32
	source  tokenArrays
	target  tokenArrays
	lengths *tensor.Array // [rows] prompt and text, at least 1
	labels  *tensor.Array // [rows·target]
}

type tokenArrays struct{ ids, runs, order *tensor.Array }

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
	in.lengths = array("lengths", s.rows)
	in.labels = array("labels", s.rows*s.target)
	if err != nil {
		in.release()
		return nil, err
	}
	return in, nil
}

func (in *inputs) release() {
	for _, a := range []*tensor.Array{
		in.source.ids, in.source.runs, in.source.order, in.target.ids, in.target.runs, in.target.order, in.lengths, in.labels,
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

// write fills the arrays. Rows beyond the examples are padding with no labels;
// they attend to one position, so that nothing is divided by zero.
func (in *inputs) write(examples []Example) error {
	s := in.shape
	source := make([]uint32, s.rows*s.source)
	target := make([]uint32, s.rows*s.target)
	labels := make([]uint32, s.rows*s.target)
	lengths := make([]uint32, s.rows)
	missing := int32(ignored)
	for i := range labels {
		labels[i] = uint32(missing)
	}
	for i := range source {
		source[i] = uint32(in.pad)
	}
	for i := range target {
		target[i] = uint32(in.pad)
	}
	for row := range s.rows {
		lengths[row] = uint32(max(1, in.prompt))
		if s.target > 0 {
			target[row*s.target] = uint32(in.start)
		}
		if row >= len(examples) {
			continue
		}
		x := examples[row]
		if len(x.Source) > s.source || len(x.Target) > s.target {
			return fmt.Errorf("batch row %d: %d source and %d target ids in a bucket of %d and %d", row, len(x.Source), len(x.Target), s.source, s.target)
		}
		lengths[row] = uint32(max(1, in.prompt+len(x.Source)))
		for i, id := range x.Source {
			source[row*s.source+i] = uint32(id)
		}
		// The decoder reads the labels shifted right by one.
		for i, id := range x.Target {
			labels[row*s.target+i] = uint32(id)
			if i+1 < s.target {
				target[row*s.target+i+1] = uint32(id)
				if id == ignored {
					target[row*s.target+i+1] = uint32(in.pad)
				}
			}
		}
	}
	for _, w := range []struct {
		to   *tensor.Array
		from []uint32
	}{{in.source.ids, source}, {in.target.ids, target}, {in.lengths, lengths}, {in.labels, labels}} {
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

// forward records a batch's pass up to its loss, which is added to total, and
// returns the loss of each position.
func (in *inputs) forward(p *t5.Pass, m Method, total *tensor.Array) *tensor.Value {
	g := p.Graph()
	g.Section("encoder")
	lengths := g.Use(in.lengths)
	encoded := p.Encode(m.Embed(p, in.source.use(g)), in.shape.rows, lengths)
	g.Section("decoder")
	states := p.Decode(in.target.use(g), encoded, lengths)
	g.Section("loss")
	return p.Loss(states, g.Use(in.labels), g.Use(total))
}

// targetTokens counts the positions that have a label.
func targetTokens(examples []Example) (n int) {
	for _, x := range examples {
		for _, id := range x.Target {
			if id != ignored {
				n++
			}
		}
	}
	return n
}

// checkIDs refuses ids that the model has no row for; a kernel would read
// another id's row.
func checkIDs(c *t5.Config, x Example) error {
	for _, id := range x.Source {
		if id < 0 || int(id) >= c.VocabSize {
			return fmt.Errorf("token id %d is beyond the model's vocabulary of %d: the tokenizer belongs to another model", id, c.VocabSize)
		}
	}
	for _, id := range x.Target {
		if id != ignored && (id < 0 || int(id) >= c.VocabSize) {
			return fmt.Errorf("token id %d of the target is beyond the model's vocabulary of %d: the tokenizer belongs to another model", id, c.VocabSize)
		}
	}
	return nil
}
