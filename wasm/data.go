package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/data"
)

// dataset is what a run learns from and is measured on.
type dataset struct {
	train, held *data.Dataset
	labels      []label             // empty where answers are free text
	source      func(string) string // a text as the model is to read it
	texts       []string            // of the rows held back, as people read them
}

// label is a class: what the model writes, and what people call it.
type label struct{ target, name string }

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

// names and targets list the labels.
func (d *dataset) names() []string { return mapped(d.labels, func(l label) string { return l.name }) }
func (d *dataset) targets() []string {
	return mapped(d.labels, func(l label) string { return l.target })
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

// maxLabels is how many different labels still count as classes.
const maxLabels = 20

// rowsRemedy says what rows look like.
const rowsRemedy = "Write one row a line, the text and then its label with a tab or a comma between them; put a text that has commas in double quotes."

// parseRows reads rows that somebody has pasted: JSON lines, or a table with
// tabs or commas whose first line may name the columns. Every fifth row is held
// back. Texts are cut to most bytes.
func parseRows(text string, most int) (*dataset, error) {
	text = strings.TrimRight(text, " \t\r\n")
	if text == "" {
		return nil, failf(codeRows, rowsRemedy, "there are no rows to train on")
	}
	format := data.CSV
	text = strings.TrimLeft(text, "\ufeff \t\r\n")
	if first, _, _ := strings.Cut(text, "\n"); strings.HasPrefix(strings.TrimLeft(text, "[ \t\r\n"), "{") {
		format = data.JSON
	} else if strings.Contains(first, "\t") {
		format = data.TSV
	}
	r, err := data.NewReader(pasted, strings.NewReader(text), data.Options{Format: format, NeedTarget: true, Header: []string{"text", "label"}})
	if err != nil {
		return nil, err
	}
	var rows []data.Row
	for {
		row, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, &failure{codeRows, rowsRemedy, nameLine(err)}
		}
		row.Source, row.Target = cutText(row.Source, most), strings.TrimSpace(row.Target)
		if row.Target == "" {
			return nil, failf(codeRows, rowsRemedy, "line %d of your rows: the label is empty", row.Line)
		}
		rows = append(rows, row)
	}
	return splitRows(rows)
}

func splitRows(rows []data.Row) (*dataset, error) {
	d := &dataset{source: func(text string) string { return text }}
	var train, held []data.Row
	for i, row := range rows {
		if !slices.ContainsFunc(d.labels, func(l label) bool { return l.target == row.Target }) {
			d.labels = append(d.labels, label{row.Target, row.Target})
		}
		if i%5 == 4 || i == len(rows)-1 && held == nil {
			held = append(held, row)
			d.texts = append(d.texts, row.Source)
		} else {
			train = append(train, row)
		}
	}
	switch {
	case len(rows) < 2:
		return nil, failf(codeRows, "Give at least two rows, better a hundred: every fifth is held back to measure accuracy on.", "there is only one row")
	case len(d.labels) < 2:
		return nil, failf(codeRows, "Add rows with another label.", "all rows have the label %q, so there is nothing to tell apart", d.labels[0].name)
	case len(d.labels) > maxLabels:
		d.labels = nil // free text
	}
	d.train, d.held = data.NewDataset(train), data.NewDataset(held)
	return d, nil
}

// pasted stands for a file's name in the errors of pasted rows.
const pasted = "rows"

// nameLine turns "rows:3: …" into words.
func nameLine(err error) error {
	rest, ok := strings.CutPrefix(err.Error(), pasted+":")
	line, what, found := strings.Cut(rest, ": ")
	if !ok || !found {
		return err
	}
	return errors.New("line " + strings.Replace(line, ":", ", column ", 1) + " of your rows: " + what)
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
