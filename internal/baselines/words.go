package main

import (
	"math"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/internal/draw"
)

// classifier is a softmax regression on which words a text has.
type classifier struct {
	labels  []string
	weights map[string][]float64 // of each word, by label; "" is every text's
}

// The classifier's training: Adagrad (Duchi et al., 2011).
const (
	epochs = 8
	rate   = 0.2
	decay  = 1e-4
)

// learn trains on rows.
func learn(r draw.Source, rows []data.Row, labels []string) *classifier {
	c := &classifier{labels, map[string][]float64{}}
	squares := map[string][]float64{}
	for _, row := range rows {
		for _, w := range wordsOf(row.Source) {
			if c.weights[w] == nil {
				c.weights[w], squares[w] = make([]float64, len(labels)), make([]float64, len(labels))
			}
		}
	}
	order := slices.Clone(rows)
	for range epochs {
		draw.Shuffle(r, order)
		for _, row := range order {
			p := c.chances(row.Source)
			p[slices.Index(labels, row.Target)]--
			for _, w := range wordsOf(row.Source) {
				for k, slope := range p {
					g := slope + decay*c.weights[w][k]
					squares[w][k] += g * g
					c.weights[w][k] -= rate * g / (math.Sqrt(squares[w][k]) + 1e-8)
				}
			}
		}
	}
	return c
}

// chances are the probabilities of the labels.
func (c *classifier) chances(text string) []float64 {
	p := make([]float64, len(c.labels))
	for _, w := range wordsOf(text) {
		for k, x := range c.weights[w] {
			p[k] += x
		}
	}
	most, sum := slices.Max(p), 0.0
	for k := range p {
		p[k] = math.Exp(p[k] - most)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

// answer is the likeliest label.
func (c *classifier) answer(text string) string {
	p := c.chances(text)
	return c.labels[slices.Index(p, slices.Max(p))]
}

// wordsOf is the words of a text, each once and in small letters, without the marks
// around them, and "".
func wordsOf(text string) []string {
	all := []string{""}
	for _, w := range strings.Fields(strings.ToLower(text)) {
		all = append(all, strings.Trim(w, `.,;:!?"'()[]-`))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
