package main

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/safetensors"
)

// nearest is how many pieces of the vocabulary are named for a vector.
const nearest = 5

// lookAt shows what the encoder reads of a text.
func (w *worker) lookAt(ctx context.Context, m Look) error {
	if err := w.loaded(); err != nil {
		return err
	}
	a, err := w.current(ctx)
	if err != nil {
		return err
	}
	d := w.data
	if d == nil {
		d = &dataset{}
	}
	most := maxSource(a)
	ids, _ := data.Encode(w.model.Tokenizer, d.source(cutText(m.Text, textBytes(most))), most)
	width := w.model.Model.Width
	l := Looked{
		ID: m.ID, Text: m.Text, Width: width, Tokens: []Piece{}, Embeddings: make([]float32, 0, len(ids)*width),
		Prompt: []float32{}, A: []float32{}, B: []float32{}, Near: [][]Near{}, Moved: []Near{},
	}
	for _, id := range ids {
		row, err := w.model.Checkpoint.Row(w.model.Model.Embedding, int(id))
		if err != nil {
			return err
		}
		l.Tokens = append(l.Tokens, Piece{w.model.Tokenizer.Piece(id), int(id)})
		l.Embeddings = append(l.Embeddings, row...)
	}
	moved := slices.Clone(l.Embeddings)
	if a != nil {
		if c, ok := a.Config.(*dept.PromptConfig); ok {
			l.Prompt = append(l.Prompt, a.Values(dept.TensorP)...)
			if c.Rank > 0 {
				l.Rank, l.Scale = c.Rank, float32(c.Scale())
				l.A, l.B = append(l.A, a.Values(dept.TensorA)[:len(ids)*c.Rank]...), append(l.B, a.Values(dept.TensorB)...)
				row := make([]float32, width)
				for t := range ids {
					shift(row, l.A[t*c.Rank:(t+1)*c.Rank], l.B, l.Scale)
					for j, x := range row {
						moved[t*width+j] += x
					}
				}
			}
		}
	}
	near, err := w.model.near(slices.Concat(l.Prompt, moved))
	if err != nil {
		return err
	}
	l.Near = append(l.Near, near[:len(l.Prompt)/width]...)
	for _, n := range near[len(l.Prompt)/width:] {
		l.Moved = append(l.Moved, n[0])
	}
	w.post(l)
	return nil
}

// near finds for each of the vectors, one after the other, the pieces of the vocabulary
// whose embeddings have the largest cosines with it, the nearest first. It goes through the
// table in parts, so that a large one never lies in memory whole.
func (m *model) near(vectors []float32) ([][]Near, error) {
	const rows = 1024
	width, table := m.Model.Width, m.Model.Embedding
	dtype, r, err := m.Checkpoint.Reader(table)
	if err != nil {
		return nil, err
	}
	sizes := make([]float32, len(vectors)/width)
	best := make([][]Near, len(sizes))
	for i := range sizes {
		sizes[i] = size(vectors[i*width : (i+1)*width])
	}
	buffer := make([]byte, rows*width*dtype.Size())
	for first := 0; first < m.Model.Vocabulary; first += rows {
		part := buffer[:min(rows, m.Model.Vocabulary-first)*width*dtype.Size()]
		if n, err := r.ReadAt(part, int64(first*width*dtype.Size())); n < len(part) {
			return nil, err
		}
		values, err := safetensors.Decode(dtype, part)
		if err != nil {
			return nil, err
		}
		for k := range len(values) / width {
			piece := m.Tokenizer.Piece(int32(first + k))
			if piece == "" || strings.HasPrefix(piece, "<") && strings.HasSuffix(piece, ">") {
				continue // the end, an unknown piece, a sentinel
			}
			row := values[k*width : (k+1)*width]
			length := size(row)
			for i, of := range sizes {
				if of == 0 || length == 0 {
					continue
				}
				var dot float32
				for j, x := range vectors[i*width : (i+1)*width] {
					dot += x * row[j]
				}
				cosine := dot / (of * length)
				if n := len(best[i]); n == nearest && cosine <= best[i][n-1].Cosine {
					continue
				}
				at, _ := slices.BinarySearchFunc(best[i], cosine, func(n Near, c float32) int { return int(math.Copysign(1, float64(c-n.Cosine))) })
				best[i] = slices.Insert(best[i], at, Near{piece, cosine})
				best[i] = best[i][:min(nearest, len(best[i]))]
			}
		}
	}
	return best, nil
}
