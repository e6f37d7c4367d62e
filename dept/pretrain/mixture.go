package pretrain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/internal/draw"
	"github.com/go-dept/dept/text"
)

// Options say how rows are made.
type Options struct {
	MaxSourceLength int `json:"max_source_length"` // tokens of a row, all its passages together
	MaxTargetLength int `json:"max_target_length"`
	// Questions is how many out of a hundred passages are questions; the others are
	// span corruption.
	Questions int    `json:"questions"`
	Seed      uint64 `json:"seed"`
	Rows      int    `json:"rows"`
	More      int    `json:"-"` // rows of later legs of the run, which begins with the same ones
}

// passageLength is the most tokens of a passage of text.
const passageLength = 112

// Mixture is the rows of a pre-training run. It is dept.Examples.
type Mixture struct {
	corpus    *Corpus
	tok       *text.Tokenizer
	o         Options
	split     demo.Split
	denoisers []denoiser
	sentinels []int32

	tones, topics, kinds, sections map[string]int
}

// NewMixture makes rows from a text. The demonstration's sentences are of the
// split's forms.
func NewMixture(c *Corpus, tok *text.Tokenizer, split demo.Split, o Options) (*Mixture, error) {
	if o.MaxSourceLength < minTokens+2 || o.MaxTargetLength < minTokens {
		return nil, fmt.Errorf("pre-train: rows of %d source and %d target tokens hold hardly a passage: make them at least %d and %d", o.MaxSourceLength, o.MaxTargetLength, minTokens+2, minTokens)
	}
	m := &Mixture{corpus: c, tok: tok, o: o, split: split, denoisers: denoisers}
	m.tones, m.topics, m.kinds, m.sections = toneWords(), topics.classes(), kinds.classes(), sections.classes()
	most := 0
	for _, d := range denoisers {
		most = max(most, d.spansOf(passageLength))
	}
	for i := range most {
		id, ok := tok.Sentinel(i)
		if !ok {
			return nil, fmt.Errorf("pre-train: the tokenizer has no <extra_id_%d>: take one of T5's kind, as sentencepiece's spiece.model makes", i)
		}
		m.sentinels = append(m.sentinels, id)
	}
	return m, nil
}

// weights are how often out of all questions each kind is asked.
var weights = []struct {
	Question
	weight int
}{
	{Language, 30}, {Opinion, 18}, {Tone, 15}, {Topic, 11}, {Kind, 12}, {Section, 2},
	{Order, 2}, {Grammar, 3}, {Follow, 2}, {Means, 3}, {Missing, 2},
}

// Paragraphs is how many the text has.
func (m *Mixture) Paragraphs() int { return m.corpus.Len() }

// Fingerprint identifies the rows.
func (m *Mixture) Fingerprint() string {
	options, err := json.Marshal(m.o)
	if err != nil {
		panic(err) // numbers
	}
	sum := sha256.Sum256(append(options, m.corpus.Fingerprint()...))
	return hex.EncodeToString(sum[:])
}

// Len is the number of rows.
func (m *Mixture) Len() int { return m.o.Rows + m.o.More }

// passage is a source and a target, both with their end tokens.
type passage struct{ source, target []int32 }

// Example is row i: passages one behind the other until one has no room.
func (m *Mixture) Example(i int) (data.Example, error) {
	r := draw.New(m.o.Seed, uint64(i))
	var x data.Example
	for range tries {
		p, err := m.draw(r)
		if err != nil {
			return data.Example{}, err
		}
		if len(x.Source)+len(p.source) > m.o.MaxSourceLength || len(x.Target)+len(p.target) > m.o.MaxTargetLength {
			if len(x.Parts) > 0 {
				return x, nil
			}
			continue // too long even alone
		}
		x.Source, x.Target = append(x.Source, p.source...), append(x.Target, p.target...)
		x.Parts = append(x.Parts, data.Part{Source: len(x.Source), Target: len(x.Target)})
	}
	return data.Example{}, fmt.Errorf("pre-train: hardly a passage fits into rows of %d source and %d target tokens: make them longer", m.o.MaxSourceLength, m.o.MaxTargetLength)
}

func (m *Mixture) draw(r draw.Source) (passage, error) {
	if r.Below(100) >= m.o.Questions {
		return m.text(r)
	}
	k := r.Below(100)
	for _, w := range weights {
		if k -= w.weight; k >= 0 {
			continue
		}
		if source, target, ok := m.Ask(r, w.Question); ok {
			return m.encode(source, target), nil
		}
		break
	}
	return m.text(r)
}

// tries is how often is drawn until a draw is good for something. One of a few
// dozen is, in plain English; a text of another kind may have none.
const tries = 1000

// Ask makes a question of a kind and its answer; ok is false where the text has
// nothing to ask about.
func (m *Mixture) Ask(r draw.Source, q Question) (source, target string, ok bool) {
	class := r.Below(q.classes())
	for range tries {
		if source, target, ok = m.ask(r, q, class); ok {
			return source, target, true
		}
	}
	return "", "", false
}

func (m *Mixture) encode(source, target string) passage {
	return passage{append(m.tok.Encode(source), m.tok.EOS()), append(m.tok.Encode(target), m.tok.EOS())}
}

// text is a passage of the text, spans of it left out.
func (m *Mixture) text(r draw.Source) (passage, error) {
	for range tries {
		all := m.corpus.Sentences(r.Below(m.corpus.Len()))
		most := min(passageLength, m.o.MaxSourceLength-1)
		var ids []int32
		for _, s := range all[r.Below(len(all)):] {
			if ids = append(ids, m.tok.Encode(s)...); len(ids) >= most {
				ids = ids[:most]
				break
			}
		}
		if len(ids) < minTokens {
			continue
		}
		source, target := m.denoiser(r).corrupt(r, ids, func(i int) int32 { return m.sentinels[i] })
		return passage{append(source, m.tok.EOS()), append(target, m.tok.EOS())}, nil
	}
	return passage{}, fmt.Errorf("pre-train: hardly a paragraph of the text has %d tokens: give text with whole paragraphs on a line", minTokens)
}

// denoiser is one of them, as often as each is taken.
func (m *Mixture) denoiser(r draw.Source) denoiser {
	if len(m.denoisers) > 1 {
		k := r.Below(100)
		for _, d := range m.denoisers {
			if k -= d.weight; k < 0 {
				return d
			}
		}
	}
	return m.denoisers[0]
}

// minTokens is the shortest text that spans are left out of.
const minTokens = 8
