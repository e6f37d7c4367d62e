package data

import (
	"sync"

	"github.com/go-dept/dept/text"
)

// Encode is the ids of a text, cut to the first most-1, and the end token.
func Encode(tok *text.Tokenizer, text string, most int) (ids []int32, cut bool) {
	ids = tok.Encode(text)
	if len(ids) > most-1 {
		ids, cut = ids[:most-1:most-1], true
	}
	return append(ids, tok.EOS()), cut
}

// Tokenized tokenizes the rows of a data set when they are asked for.
type Tokenized struct {
	data                 *Dataset
	tok                  *text.Tokenizer
	maxSource, maxTarget int

	mu  sync.Mutex
	cut map[int]bool // rows whose source or target was too long
}

// Tokenize limits sources and targets to the given numbers of tokens,
// the end token included.
func Tokenize(data *Dataset, tok *text.Tokenizer, maxSource, maxTarget int) *Tokenized {
	return &Tokenized{data: data, tok: tok, maxSource: maxSource, maxTarget: maxTarget, cut: map[int]bool{}}
}

// Len is the number of rows.
func (x *Tokenized) Len() int { return x.data.Len() }

// Example tokenizes row i.
func (x *Tokenized) Example(i int) (Example, error) {
	row := x.data.Row(i)
	source, cutSource := Encode(x.tok, row.Source, x.maxSource)
	target, cutTarget := Encode(x.tok, row.Target, x.maxTarget)
	if cutSource || cutTarget {
		x.mu.Lock()
		x.cut[i] = true
		x.mu.Unlock()
	}
	return Example{Source: source, Target: target}, nil
}

// Cut is how many of the rows asked for so far were cut to fit.
func (x *Tokenized) Cut() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.cut)
}
