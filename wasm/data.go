package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
)

// dataset is what a run learns from and is measured on, or what an adapter that came from elsewhere was.
type dataset struct {
	train, held *data.Dataset // nil of such an adapter
	labels      []label       // empty where answers are free text
	rank        bool          // answers are ranked over the labels
	template    string        // what the model is to read of a text, {text}; empty is the text alone
	texts       []string      // of the rows held back, as people read them
	notice      string        // a sentence about the rows, else empty
	cut         int           // about as many of the rows are too long; of the page's tasks none is
}

// label is a class: what the model learns to write, and what people call it.
type label struct{ target, name string }

// source is a text as the model is to read it.
func (d *dataset) source(text string) string {
	return (&dept.Answers{Template: d.template}).Source(text)
}

// name is what people call an answer.
func (d *dataset) name(answer string) string {
	answer = strings.TrimSpace(answer)
	for _, l := range d.labels {
		if l.target == answer {
			return l.name
		}
	}
	return answer
}

// names and targets list the labels; ranked are those that answers are ranked over, nil where they are
// written.
func (d *dataset) names() []string { return mapped(d.labels, func(l label) string { return l.name }) }
func (d *dataset) targets() []string {
	return mapped(d.labels, func(l label) string { return l.target })
}
func (d *dataset) ranked() []string {
	if !d.rank || len(d.labels) == 0 {
		return nil
	}
	return d.targets()
}

// answers is what an adapter says of it; nil is nothing.
func (d *dataset) answers() *dept.Answers {
	if d == nil {
		return nil
	}
	a := &dept.Answers{Template: d.template, Rank: d.rank && len(d.labels) > 0}
	if len(d.labels) > 0 {
		a.Labels = d.targets()
		if names := d.names(); !slices.Equal(names, a.Labels) {
			a.Names = names
		}
	}
	if a.Template == "" && a.Labels == nil {
		return nil
	}
	return a
}

// mapped is never nil, so that it is an array in a message.
func mapped[A, B any](list []A, f func(A) B) []B {
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = f(a)
	}
	return out
}

// chance is the accuracy of always naming the commonest label of the rows held
// back.
func (d *dataset) chance() float64 {
	counts := map[string]int{}
	most := 0
	for i := range d.held.Len() {
		target := strings.TrimSpace(d.held.Row(i).Target)
		counts[target]++
		most = max(most, counts[target])
	}
	return float64(most) / float64(max(1, d.held.Len()))
}

// cutText cuts a text to most bytes, so that a very long one is not tokenized
// whole.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(most, len(text))], "")
}

// textBytes is more bytes than s tokens take.
func textBytes(s int) int { return 40 * s }

// table writes rows as tab-separated text with a header.
func table(rows []Row) string {
	var b strings.Builder
	b.WriteString("text\tlabel\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "%s\t%s\n", strings.Join(strings.Fields(r.Text), " "), r.Label)
	}
	return b.String()
}
