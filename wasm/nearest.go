package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/text"
)

// direction is a vector that is compared with the vocabulary, and the pieces whose embeddings point most
// nearly where it does, the nearest first.
type direction struct {
	vector []float64
	size   float64
	most   int   // pieces
	own    int32 // counts as a piece whatever it is, and before its equals; noID is none
	found  []found
	least  float64 // cosine that a piece must have to be among them
}

const noID = -1

type found struct {
	id     int32
	cosine float64
}

func newDirection(vector []float32, most int, own int32) *direction {
	v := &direction{vector: make([]float64, len(vector)), size: float64(size(vector)), most: most, own: own, least: math.Inf(-1)}
	for i, x := range vector {
		v.vector[i] = float64(x)
	}
	return v
}

// cosine is that of the angle to a row; 0 where either is zero.
func (v *direction) cosine(row []float32) float64 {
	var dot float64
	for i, x := range row {
		dot += v.vector[i] * float64(x)
	}
	return v.over(dot, float64(size(row)))
}

// over is the cosine of the angle to a row of a size, by the product with it.
func (v *direction) over(dot, size float64) float64 {
	if dot == 0 {
		return 0
	}
	return dot / (v.size * size)
}

// offer takes a piece where it is near enough. It is inlined: in a tab a call takes as long as the product.
func (v *direction) offer(id int32, cosine float64) {
	if cosine < v.least {
		return
	}
	v.insert(id, cosine)
}

// insert puts a piece in its place, if it has one.
func (v *direction) insert(id int32, cosine float64) {
	at := len(v.found)
	for at > 0 && (cosine > v.found[at-1].cosine || cosine == v.found[at-1].cosine && id == v.own) {
		at--
	}
	if at == v.most {
		return
	}
	v.found = slices.Insert(v.found[:min(len(v.found), v.most-1)], at, found{id, cosine})
	if len(v.found) == v.most {
		v.least = v.found[v.most-1].cosine
	}
}

// near are the pieces that were found.
func (v *direction) near(tok *text.Tokenizer) []Near {
	return mapped(v.found, func(f found) Near { return Near{tok.Piece(f.id), float32(f.cosine)} })
}

// tableBytes is how much of the embedding's table is gone through at a time. A table that is no larger is
// read once.
var tableBytes = 4 << 20

// compare offers the directions all pieces that texts are made of, and each its own.
func (m *model) compare(list []*direction) error {
	if len(list) == 0 {
		return nil
	}
	if m.table != nil {
		m.offer(list, 0, m.table)
		return nil
	}
	dtype, r, err := m.Checkpoint.Reader(m.Model.Embedding)
	if err != nil {
		return err
	}
	row := m.Model.Width * dtype.Size()
	data := make([]byte, min(r.Size(), int64(max(1, tableBytes/row)*row)))
	for at := int64(0); at < r.Size(); at += int64(len(data)) {
		data = data[:min(int64(len(data)), r.Size()-at)]
		if n, err := r.ReadAt(data, at); n < len(data) {
			return fmt.Errorf("read %s: %w", m.Model.Embedding, err)
		}
		rows, err := safetensors.Decode(dtype, data)
		if err != nil {
			return fmt.Errorf("read %s: %w", m.Model.Embedding, err)
		}
		m.offer(list, int32(at/int64(row)), rows)
		if int64(len(data)) == r.Size() {
			m.table = rows
		}
	}
	return nil
}

// offer offers the directions those of some rows of the table, the first of which is a token's.
func (m *model) offer(list []*direction, first int32, rows []float32) {
	width := m.Model.Width
	all := make([][]float64, (len(list)+3)/4*4) // four share what it takes to read a row
	zero := make([]float64, width)
	for k := range all {
		all[k] = zero
		if k < len(list) {
			all[k] = list[k].vector
		}
	}
	dots := make([]float64, len(all))
	for id := first; len(rows) > 0; id++ {
		row := rows[:width]
		rows = rows[width:]
		for k := 0; k < len(all); k += 4 {
			dots[k], dots[k+1], dots[k+2], dots[k+3] = products(row, all[k], all[k+1], all[k+2], all[k+3])
		}
		size, ordinary := float64(size(row)), m.Tokenizer.Ordinary(id)
		for k, v := range list {
			if ordinary || id == v.own {
				v.offer(id, v.over(dots[k], size))
			}
		}
	}
}

// products are those of a row with four vectors.
func products(row []float32, a, b, c, d []float64) (ra, rb, rc, rd float64) {
	n := len(row)
	a, b, c, d = a[:n], b[:n], c[:n], d[:n]
	for i, x := range row {
		x := float64(x)
		ra += x * a[i]
		rb += x * b[i]
		rc += x * c[i]
		rd += x * d[i]
	}
	return ra, rb, rc, rd
}
