package text

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-dept/dept/internal/jsontext"
)

// tokenizerJSON is the part of a tokenizer.json that decides how a text is encoded. What holds lists is read
// by itself, when it is known how long they are.
type tokenizerJSON struct {
	AddedTokens  json.RawMessage `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
	Model        modelJSON       `json:"model"`
}

// maxSteps bounds the steps of a normalizer or pre-tokenizer.
const maxSteps = 64

// part reads a part of a file, which may not have more entries, each with a byte that marks it.
func part(name string, mark byte, data []byte, most int, v any) error {
	if n := bytes.Count(data, []byte{mark}); n > most {
		return fmt.Errorf("%s has %d entries, more than %d", name, n, most)
	}
	if len(data) == 0 {
		return nil
	}
	if err := jsontext.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

type addedJSON struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type normalizerJSON struct {
	Type                string           `json:"type"`
	PrecompiledCharsmap string           `json:"precompiled_charsmap,omitempty"`
	Normalizers         []normalizerJSON `json:"normalizers,omitempty"`
	Content             string           `json:"content,omitempty"`
	Pattern             patternJSON      `json:"pattern,omitzero"`
	StripLeft           *bool            `json:"strip_left,omitempty"`
	StripRight          *bool            `json:"strip_right,omitempty"`
}

type patternJSON struct {
	String string `json:"String,omitempty"`
	Regex  string `json:"Regex,omitempty"`
}

type metaspaceJSON struct {
	Type           string          `json:"type"`
	Replacement    string          `json:"replacement,omitempty"`
	AddPrefixSpace *bool           `json:"add_prefix_space,omitempty"`
	PrependScheme  string          `json:"prepend_scheme,omitempty"`
	Split          *bool           `json:"split,omitempty"`
	Pretokenizers  []metaspaceJSON `json:"pretokenizers,omitempty"`
}

type modelJSON struct {
	Type         string          `json:"type"`
	UnkID        *int            `json:"unk_id"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       json.RawMessage `json:"merges,omitempty"`
	ByteFallback bool            `json:"byte_fallback"`
}

// ParseJSON reads a tokenizer.json with a unigram model, as T5's have it: a normaliser that
// is a precompiled charsmap (or none), words split at white space, a ▁ in front of each.
func ParseJSON(data []byte) (*Tokenizer, error) { return parseJSON(data, companions{}) }

func parseJSON(data []byte, beside companions) (*Tokenizer, error) {
	var file tokenizerJSON
	if err := jsontext.UnmarshalParts(data, &file); err != nil {
		return nil, err
	}
	if err := file.Model.checkType(); err != nil {
		return nil, err
	}
	if file.Model.UnkID == nil {
		return nil, errors.New("the model has no unk_id")
	}
	v := vocabulary{unk: *file.Model.UnkID, byteFallback: file.Model.ByteFallback}
	var err error
	if v.pieces, err = parseVocab(file.Model.Vocab); err != nil {
		return nil, err
	}
	var normalizer *normalizerJSON
	if err := part("normalizer", '{', file.Normalizer, maxSteps, &normalizer); err != nil {
		return nil, err
	}
	if normalizer != nil {
		if err := normalizer.apply(&v); err != nil {
			return nil, err
		}
	}
	var preTokenizer *metaspaceJSON
	if err := part("pre_tokenizer", '{', file.PreTokenizer, maxSteps, &preTokenizer); err != nil {
		return nil, err
	}
	if preTokenizer == nil {
		return nil, errors.New("there is no pre_tokenizer: T5's is Metaspace")
	}
	if err := preTokenizer.apply(&v); err != nil {
		return nil, err
	}
	for i := range v.pieces {
		if p := &v.pieces[i]; v.byteFallback && isByte(p.text) {
			p.kind = byteKind
		} else if v.split && strings.LastIndex(p.text, wordStart) > 0 {
			p.kind = hidden // longer than a word
		}
	}
	var added []addedJSON
	if err := part("added_tokens", '{', file.AddedTokens, maxAdded, &added); err != nil {
		return nil, err
	}
	for _, a := range added {
		if a.SingleWord {
			return nil, fmt.Errorf("added token %q has single_word, which is not supported", a.Content)
		}
		v.added = append(v.added, addedToken{text: a.Content, id: a.ID, special: a.Special, lstrip: a.LStrip, rstrip: a.RStrip})
	}
	for _, a := range beside.added {
		if a.id >= len(v.pieces) && !slices.ContainsFunc(v.added, func(b addedToken) bool { return a.text == b.text }) {
			v.added = append(v.added, a)
		}
	}
	t, err := newTokenizer(v)
	if err != nil {
		return nil, err
	}
	t.files = map[string][]byte{tokenizerFile: data}
	return t, nil
}

// whatIsRead ends the refusal of a tokenizer of another kind.
const whatIsRead = "dept reads T5's Unigram and ByT5's bytes"

// checkType refuses all models but Unigram by their names. Old files have no type.
func (m *modelJSON) checkType() error {
	kind := m.Type
	if kind == "" && len(m.Merges) > 0 {
		kind = "BPE"
	}
	switch kind {
	case "", "Unigram":
		return nil
	case "BPE":
		kind = "BPE, as CodeT5's"
	case "WordPiece":
		kind = "WordPiece, as BERT's"
	}
	return fmt.Errorf("this tokenizer is a %s; %s", kind, whatIsRead)
}

// parseVocab reads a list of pairs [piece, score]. There are 250,000 in a large vocabulary, so that how long
// it takes is most of what opening one takes: the package for JSON, which has checked the syntax, is ten
// times slower.
func parseVocab(data []byte) ([]piece, error) {
	s := scanner{data}
	if string(data) == "null" || len(data) == 0 {
		return nil, nil
	}
	if !s.take('[') {
		return nil, fmt.Errorf("model.vocab is %.60s, and no list of pieces with their scores", data)
	}
	pieces := make([]piece, 0, min(bytes.Count(data, []byte{'['}), maxVocab))
	for !s.take(']') {
		entry := s.rest
		if len(pieces) > maxVocab {
			return nil, fmt.Errorf("the vocabulary has more than %d pieces", maxVocab)
		}
		p, ok := s.pair()
		if !ok {
			return nil, fmt.Errorf("the vocabulary's entry %.60s is not a pair of a piece and its score", entry)
		}
		pieces = append(pieces, p)
		s.take(',')
	}
	return pieces, nil
}

// scanner goes through JSON that is known to be well formed.
type scanner struct{ rest []byte }

// take goes past white space and c, if that follows.
func (s *scanner) take(c byte) bool {
	s.rest = bytes.TrimLeft(s.rest, " \t\r\n")
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// pair reads a piece and its score, a finite number of 32 bits.
func (s *scanner) pair() (p piece, ok bool) {
	if !s.take('[') || !s.take('"') {
		return p, false
	}
	end, escaped := 0, false
	for s.rest[end] != '"' {
		if s.rest[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	if escaped {
		quoted := append(append([]byte{'"'}, s.rest[:end]...), '"')
		if json.Unmarshal(quoted, &p.text) != nil {
			return p, false
		}
	} else {
		p.text = string(s.rest[:end])
	}
	s.rest = s.rest[end+1:]
	if !s.take(',') {
		return p, false
	}
	s.take(' ')
	end = bytes.IndexAny(s.rest, " \t\r\n],")
	score, err := strconv.ParseFloat(string(s.rest[:end]), 64)
	p.score = float32(score)
	s.rest = s.rest[end:]
	return p, err == nil && s.take(']')
}

// apply puts the normaliser into v, or says that it is not supported.
func (n *normalizerJSON) apply(v *vocabulary) error {
	switch n.Type {
	case "Precompiled":
		charsmap, err := base64.StdEncoding.DecodeString(n.PrecompiledCharsmap)
		if err != nil {
			return fmt.Errorf("the normalizer's precompiled_charsmap: %w", err)
		}
		if v.charsmap != nil {
			return errors.New("the normalizer has two precompiled charsmaps")
		}
		v.charsmap = charsmap
		return nil
	case "Sequence":
		for i := range n.Normalizers {
			if err := n.Normalizers[i].apply(v); err != nil {
				return err
			}
		}
		return nil
	case "Strip":
		return nil // spaces at the ends separate no words
	case "Replace":
		// Newer files reduce runs of spaces to one, which splitting at white space does.
		spaces := n.Pattern.Regex == " {2,}" || n.Pattern.String != "" && strings.Trim(n.Pattern.String, " ") == ""
		if spaces && (n.Content == " " || n.Content == wordStart) {
			return nil
		}
	}
	return fmt.Errorf("the normalizer %q is not supported: T5's are Precompiled, Strip, and Replace of spaces", n.Type)
}

// apply puts the pre-tokenizer into v, or says that it is not supported.
func (m *metaspaceJSON) apply(v *vocabulary) error {
	steps := m.Pretokenizers
	if m.Type != "Sequence" {
		steps = []metaspaceJSON{*m}
	}
	if len(steps) == 2 && steps[0].Type == "WhitespaceSplit" {
		steps = steps[1:]
	}
	if len(steps) != 1 || steps[0].Type != "Metaspace" {
		return fmt.Errorf("the pre_tokenizer %q is not supported: T5's is Metaspace, or WhitespaceSplit and Metaspace in a Sequence", m.Type)
	}
	step := steps[0]
	if step.Replacement != wordStart {
		return fmt.Errorf("the pre_tokenizer's replacement is %q: only %q is supported", step.Replacement, wordStart)
	}
	scheme := step.PrependScheme
	if scheme == "" && (step.AddPrefixSpace == nil || *step.AddPrefixSpace) {
		scheme = "always"
	}
	if scheme != "always" && scheme != "first" {
		return errors.New("the pre_tokenizer puts no ▁ in front of a text (prepend_scheme never), which is not supported")
	}
	v.unicodeSpaces = len(m.Pretokenizers) == 2
	v.split = step.Split == nil || *step.Split
	// Behind WhitespaceSplit every word but the first would go without: nobody means that.
	v.prefixFirstOnly = scheme == "first" && len(m.Pretokenizers) == 0
	return nil
}

// Piece is an entry of a vocabulary. A piece that starts a word starts with ▁ (U+2581), as in
// "▁film"; the others continue a word. Score is the logarithm of its probability: of all ways to cut
// a word into pieces, the one with the highest sum is taken. 32 bits of it count.
type Piece struct {
	Text  string
	Score float64
}

// separates says whether r is no part of a word: white space, or the ▁ that stands for it.
func separates(r rune) bool { return unicode.IsSpace(r) || r == '▁' }

// NewUnigram makes a tokenizer for a vocabulary of one's own: <pad>, </s> and <unk> get the ids 0, 1
// and 2, pieces follow in their order, and <extra_id_99> down to <extra_id_0> come last. The text is
// not normalised in any other way than at white space. Characters that no piece has become <unk>.
// Save writes it as a tokenizer.json, which Hugging Face's tokenizers read as well.
func NewUnigram(pieces []Piece) (*Tokenizer, error) {
	v := vocabulary{unk: 2, unicodeSpaces: true}
	for id, text := range []string{padPiece, eosPiece, unkPiece} {
		v.pieces = append(v.pieces, piece{text: text})
		v.added = append(v.added, addedToken{text: text, id: id, special: true})
	}
	seen := map[string]bool{padPiece: true, eosPiece: true, unkPiece: true}
	for i := range sentinels {
		seen[sentinel(i)] = true
	}
	for _, p := range pieces {
		switch rest := strings.TrimPrefix(p.Text, wordStart); {
		case p.Text == "" || strings.ContainsFunc(rest, separates):
			return nil, fmt.Errorf("piece %q is empty, or has a space or a ▁ behind its first character", p.Text)
		case !utf8.ValidString(p.Text):
			return nil, fmt.Errorf("piece %q is not valid UTF-8", p.Text)
		case seen[p.Text]:
			return nil, fmt.Errorf("piece %q is there twice", p.Text)
		case math.IsNaN(p.Score) || math.IsInf(p.Score, 0):
			return nil, fmt.Errorf("piece %q has the score %g", p.Text, p.Score)
		}
		seen[p.Text] = true
		v.pieces = append(v.pieces, piece{text: p.Text, score: float32(p.Score)})
	}
	for i := range sentinels {
		v.added = append(v.added, addedToken{text: sentinel(sentinels - 1 - i), id: len(v.pieces) + i, special: true})
	}
	data, err := v.json()
	if err != nil {
		return nil, err
	}
	return ParseJSON(data)
}

// json is the vocabulary as a tokenizer.json, which Hugging Face's tokenizers read as well.
func (v *vocabulary) json() ([]byte, error) {
	var file struct {
		Version       string          `json:"version"`
		AddedTokens   []addedJSON     `json:"added_tokens"`
		Normalizer    *normalizerJSON `json:"normalizer"`
		PreTokenizer  *metaspaceJSON  `json:"pre_tokenizer"`
		PostProcessor any             `json:"post_processor"`
		Decoder       any             `json:"decoder"`
		Model         modelJSON       `json:"model"`
	}
	file.Version = "1.0"
	added := map[int]string{}
	size := len(v.pieces)
	for _, a := range v.added {
		added[a.id] = a.text
		size = max(size, a.id+1)
		file.AddedTokens = append(file.AddedTokens, addedJSON{ID: a.id, Content: a.text, Special: a.special, LStrip: a.lstrip, RStrip: a.rstrip})
	}
	slices.SortStableFunc(file.AddedTokens, func(a, b addedJSON) int { return cmp.Compare(a.ID, b.ID) })
	eos := 0
	// Hugging Face's tokenizers count added tokens on from the vocabulary, whatever ids they have, unless they
	// are in it.
	entries := make([][2]any, size)
	for id := range entries {
		p := piece{kind: hidden}
		if id < len(v.pieces) {
			p = v.pieces[id]
		}
		if text, ok := added[id]; ok {
			p.text = text
		} else if p.kind == hidden {
			// The file has no other way to say that a piece is not to be found: no word has a space.
			p.text = fmt.Sprintf(" %s%d", p.text, id)
		}
		if p.text == eosPiece {
			eos = id
		}
		entries[id] = [2]any{p.text, float64(p.score)} // as Hugging Face's programs write scores
	}
	vocab, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	file.Model = modelJSON{Type: "Unigram", UnkID: &v.unk, Vocab: vocab, ByteFallback: v.byteFallback}
	charsmap := normalizerJSON{Type: "Precompiled", PrecompiledCharsmap: base64.StdEncoding.EncodeToString(v.charsmap)}
	yes, no := true, false
	metaspace := metaspaceJSON{Type: "Metaspace", Replacement: wordStart, AddPrefixSpace: &yes, PrependScheme: "always"}
	file.Decoder = metaspace
	if v.byteFallback {
		file.Decoder = map[string]any{"type": "Sequence", "decoders": []any{map[string]any{"type": "ByteFallback"}, metaspace}}
	}
	if v.unicodeSpaces {
		if len(v.charsmap) > 0 {
			file.Normalizer = &charsmap
		}
		file.PreTokenizer = &metaspaceJSON{Type: "Sequence", Pretokenizers: []metaspaceJSON{{Type: "WhitespaceSplit"}, metaspace}}
	} else {
		// As SentencePiece: only spaces separate words, and a piece can go over several.
		steps := []normalizerJSON{{Type: "Strip", StripLeft: &no, StripRight: &yes}, {Type: "Replace", Pattern: patternJSON{Regex: " {2,}"}, Content: wordStart}}
		if len(v.charsmap) > 0 {
			steps = append([]normalizerJSON{charsmap}, steps...)
		}
		file.Normalizer = &normalizerJSON{Type: "Sequence", Normalizers: steps}
		metaspace.Split = &no
		file.PreTokenizer = &metaspace
	}
	// Text, then </s>: what T5 expects of a source and of a target.
	sequence := map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}}
	end := map[string]any{"SpecialToken": map[string]any{"id": eosPiece, "type_id": 0}}
	second := map[string]any{"Sequence": map[string]any{"id": "B", "type_id": 0}}
	file.PostProcessor = map[string]any{
		"type":           "TemplateProcessing",
		"single":         []any{sequence, end},
		"pair":           []any{sequence, end, second, end},
		"special_tokens": map[string]any{eosPiece: map[string]any{"id": eosPiece, "ids": []int{eos}, "tokens": []string{eosPiece}}},
	}
	return json.Marshal(file)
}
