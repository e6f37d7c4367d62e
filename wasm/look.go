package main

import (
	"context"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
)

// nearest is how many pieces of the vocabulary are shown for a row of a prompt.
const nearest = 5

// lookInto shows what becomes of a text under the adapter as it stands.
func (w *worker) lookInto(ctx context.Context, m Look) error {
	if err := w.loaded(); err != nil {
		return err
	}
	a, err := w.current(ctx)
	if err != nil {
		return err
	}
	d, err := w.asked(a, m.Task)
	if err != nil {
		return err
	}
	most := maxSource(a)
	source := d.source(cutText(m.Text, textBytes(most)))
	ids, _ := data.Encode(w.model.Tokenizer, source, most)
	reply := Looked{ID: m.ID, Text: m.Text, Width: w.model.Model.Width, Prompt: []float32{}, A: []float32{}, B: []float32{}}
	reply.Tokens = mapped(ids, func(id int32) TokenID { return TokenID{w.model.Tokenizer.Piece(id), id} })
	if reply.Embeddings, err = w.model.embeddings(ids); err != nil {
		return err
	}
	reply.take(a)
	if err := reply.compare(w.model); err != nil {
		return err
	}
	if m.Attention {
		if reply.Attention, err = w.attention(ctx, a, source); err != nil {
			return err
		}
	}
	w.post(reply)
	return nil
}

// attention is the encoder's under an adapter.
func (w *worker) attention(ctx context.Context, a *dept.Adapter, source string) (*Attention, error) {
	r, err := w.readerOf(a, nil)
	if err != nil {
		return nil, err
	}
	x, err := r.predictor.Attention(ctx, source)
	if err != nil {
		return nil, err
	}
	return &Attention{x.Blocks, x.Heads, x.Positions, x.Values}, nil
}

// take shows what of an adapter, or of none, reaches the text's tokens.
func (l *Looked) take(a *dept.Adapter) {
	if a == nil {
		return
	}
	c, ok := a.Config.(*dept.PromptConfig)
	if !ok {
		return
	}
	if c.PromptLength > 0 {
		l.Prompt = a.Values(dept.TensorP)
	}
	if c.Rank > 0 {
		l.Rank, l.Scale = c.Rank, c.Scale()
		l.A, l.B = a.Values(dept.TensorA)[:len(l.Tokens)*c.Rank], a.Values(dept.TensorB)
	}
}

// compare compares the prompt's rows, and the tokens as the shift moves them, with the vocabulary.
func (l *Looked) compare(m *model) error {
	var vectors []*direction
	for at := 0; at < len(l.Prompt); at += l.Width {
		vectors = append(vectors, newDirection(l.Prompt[at:at+l.Width], nearest, noID))
	}
	rows := len(vectors)
	l.Moved = []Moved{}
	if l.Rank > 0 {
		moved := make([]float32, l.Width)
		for t, token := range l.Tokens {
			e := l.Embeddings[t*l.Width:][:l.Width]
			shift(moved, l.A[t*l.Rank:][:l.Rank], l.B, float32(l.Scale))
			x := Moved{Shift: size(moved), Embedding: size(e)}
			for i, v := range e {
				moved[i] += v
			}
			v := newDirection(moved, 1, token.ID)
			x.Own = float32(v.cosine(e))
			vectors, l.Moved = append(vectors, v), append(l.Moved, x)
		}
	}
	if err := m.compare(vectors); err != nil {
		return err
	}
	l.Near = mapped(vectors[:rows], func(v *direction) []Near { return v.near(m.Tokenizer) })
	for t, v := range vectors[rows:] {
		l.Moved[t].Near = v.near(m.Tokenizer)[0]
	}
	return nil
}

// embeddings are E(x) of tokens, row by row.
func (m *model) embeddings(ids []int32) ([]float32, error) {
	e := make([]float32, 0, len(ids)*m.Model.Width)
	for _, id := range ids {
		row, err := m.Checkpoint.Row(m.Model.Embedding, int(id))
		if err != nil {
			return nil, err
		}
		e = append(e, row...)
	}
	return e, nil
}
