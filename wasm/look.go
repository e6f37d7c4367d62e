package main

import (
	"context"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
)

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
	ids, _ := data.Encode(w.model.Tokenizer, d.source(cutText(m.Text, textBytes(most))), most)
	reply := Looked{ID: m.ID, Text: m.Text, Width: w.model.Model.Width, Prompt: []float32{}, A: []float32{}, B: []float32{}}
	reply.Tokens = mapped(ids, func(id int32) TokenID { return TokenID{w.model.Tokenizer.Piece(id), id} })
	if reply.Embeddings, err = w.model.embeddings(ids); err != nil {
		return err
	}
	reply.take(a)
	w.post(reply)
	return nil
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
