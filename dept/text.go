package dept

import (
	"fmt"
	"sync"

	"github.com/go-dept/dept/text"
)

// encodeText is the ids of a text, cut to the first most-1, and the end token.
func encodeText(tok *text.Tokenizer, text string, most int) (ids []int32, cut bool, err error) {
	ids, err = tok.Encode(text)
	if err != nil {
		return nil, false, err
	}
	if len(ids) > most-1 {
		ids, cut = ids[:most-1:most-1], true
	}
	return append(ids, tok.EOS()), cut, nil
}

// TextExamples tokenises the rows of a data set when they are asked for.
type TextExamples struct {
	data                 *Dataset
	tok                  *text.Tokenizer
	maxSource, maxTarget int

	mu  sync.Mutex
	cut map[int]bool // rows whose source or target was too long
}

// NewTextExamples limits sources and targets to the given numbers of tokens,
// the end token included.
func NewTextExamples(data *Dataset, tok *text.Tokenizer, maxSource, maxTarget int) *TextExamples {
	return &TextExamples{data: data, tok: tok, maxSource: maxSource, maxTarget: maxTarget, cut: map[int]bool{}}
}

// Len is the number of rows.
func (x *TextExamples) Len() int { return x.data.Len() }

// Example tokenises row i.
func (x *TextExamples) Example(i int) (Example, error) {
	row := x.data.Row(i)
	source, cutSource, err := encodeText(x.tok, row.Source, x.maxSource)
	if err != nil {
		return Example{}, fmt.Errorf("tokenise the source of line %d: %w", row.Line, err)
	}
	target, cutTarget, err := encodeText(x.tok, row.Target, x.maxTarget)
	if err != nil {
		return Example{}, fmt.Errorf("tokenise the target of line %d: %w", row.Line, err)
	}
	if cutSource || cutTarget {
		x.mu.Lock()
		x.cut[i] = true
		x.mu.Unlock()
	}
	return Example{Source: source, Target: target}, nil
}

// Cut is how many of the rows asked for so far were cut to fit.
func (x *TextExamples) Cut() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.cut)
}
