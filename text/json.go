package text

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// tokenizerJSON is the part of a tokenizer.json that decides how a text is encoded.
type tokenizerJSON struct {
	Version       string          `json:"version"`
	AddedTokens   []addedJSON     `json:"added_tokens"`
	Normalizer    *normalizerJSON `json:"normalizer"`
	PreTokenizer  *metaspaceJSON  `json:"pre_tokenizer"`
	PostProcessor any             `json:"post_processor"`
	Decoder       any             `json:"decoder"`
	Model         modelJSON       `json:"model"`
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
}

type patternJSON struct {
	String string `json:"String"`
	Regex  string `json:"Regex"`
}

type metaspaceJSON struct {
	Type           string          `json:"type"`
	Replacement    string          `json:"replacement,omitempty"`
	AddPrefixSpace *bool           `json:"add_prefix_space,omitempty"`
	PrependScheme  string          `json:"prepend_scheme,omitempty"`
	Pretokenizers  []metaspaceJSON `json:"pretokenizers,omitempty"`
}

type modelJSON struct {
	Type         string      `json:"type"`
	UnkID        *int        `json:"unk_id"`
	Vocab        []scoreJSON `json:"vocab"`
	ByteFallback bool        `json:"byte_fallback"`
}

// scoreJSON is a pair [piece, score].
type scoreJSON struct {
	text  string
	score float64
}

func (s *scoreJSON) UnmarshalJSON(data []byte) error {
	var pair []any
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) == 2 {
		text, isText := pair[0].(string)
		score, isNumber := pair[1].(float64)
		if isText && isNumber {
			*s = scoreJSON{text, score}
			return nil
		}
	}
	return fmt.Errorf("the vocabulary's entry %.60s is not a pair of a piece and its score", data)
}

func (s scoreJSON) MarshalJSON() ([]byte, error) { return json.Marshal([]any{s.text, s.score}) }

// ParseJSON reads a tokenizer.json with a unigram model, as T5's have it: a normaliser that
// is a precompiled charsmap (or none), words split at white space, a ▁ in front of each.
func ParseJSON(data []byte) (*Tokenizer, error) {
	var file tokenizerJSON
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	if file.Model.Type != "" && file.Model.Type != "Unigram" {
		return nil, fmt.Errorf(`the model's type is %q: only "Unigram" is supported, which all T5 tokenizers are`, file.Model.Type)
	}
	if file.Model.ByteFallback {
		return nil, errors.New("the model has byte_fallback, which no T5 tokenizer has and which is not supported")
	}
	if file.Model.UnkID == nil {
		return nil, errors.New("the model has no unk_id")
	}
	v := vocabulary{unk: *file.Model.UnkID}
	for _, s := range file.Model.Vocab {
		v.pieces = append(v.pieces, piece{text: s.text, score: s.score})
	}
	if file.Normalizer != nil {
		if err := file.Normalizer.apply(&v); err != nil {
			return nil, err
		}
	}
	if file.PreTokenizer == nil {
		return nil, errors.New("there is no pre_tokenizer: T5's is Metaspace")
	}
	if err := file.PreTokenizer.apply(&v); err != nil {
		return nil, err
	}
	for _, a := range file.AddedTokens {
		if a.SingleWord {
			return nil, fmt.Errorf("added token %q has single_word, which is not supported", a.Content)
		}
		// Spaces beside an added token vanish anyway, so lstrip and rstrip make no difference.
		v.added = append(v.added, addedToken{text: a.Content, id: a.ID, special: a.Special})
	}
	t, err := newTokenizer(v)
	if err != nil {
		return nil, err
	}
	t.files = map[string][]byte{tokenizerFile: data}
	return t, nil
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
	// Behind WhitespaceSplit every word but the first would go without: nobody means that.
	v.prefixFirstOnly = scheme == "first" && len(m.Pretokenizers) == 0
	return nil
}

// Piece is an entry of a vocabulary. A piece that starts a word starts with ▁ (U+2581), as in
// "▁film"; the others continue a word. Score is the logarithm of its probability: of all ways to cut
// a word into pieces, the one with the highest sum is taken.
type Piece struct {
	Text  string
	Score float64
}

// maxPiece is the longest piece, in bytes, that the library's search finds.
const maxPiece = 20

// NewUnigram makes a tokenizer for a vocabulary of one's own: <pad>, </s> and <unk> get the ids 0, 1
// and 2, pieces follow in their order, and <extra_id_99> down to <extra_id_0> come last. The text is
// not normalised in any other way than at white space. Characters that no piece has become <unk>.
// Save writes it as a tokenizer.json, which Hugging Face's tokenizers read as well.
func NewUnigram(pieces []Piece) (*Tokenizer, error) {
	v := vocabulary{unk: 2}
	for id, text := range []string{padPiece, eosPiece, unkPiece} {
		v.pieces = append(v.pieces, piece{text: text})
		v.added = append(v.added, addedToken{text: text, id: id, special: true})
	}
	seen := map[string]bool{padPiece: true, eosPiece: true, unkPiece: true}
	for i := range Sentinels {
		seen[sentinel(i)] = true
	}
	for _, p := range pieces {
		switch rest := strings.TrimPrefix(p.Text, wordStart); {
		case p.Text == "" || strings.ContainsFunc(rest, isSpace):
			return nil, fmt.Errorf("piece %q is empty, or has a space or a ▁ behind its first character", p.Text)
		case !utf8.ValidString(p.Text):
			return nil, fmt.Errorf("piece %q is not valid UTF-8", p.Text)
		case len(p.Text) > maxPiece:
			return nil, fmt.Errorf("piece %q has %d bytes, more than %d: it would never be found (▁ has 3)", p.Text, len(p.Text), maxPiece)
		case seen[p.Text]:
			return nil, fmt.Errorf("piece %q is there twice", p.Text)
		case math.IsNaN(p.Score) || math.IsInf(p.Score, 0):
			return nil, fmt.Errorf("piece %q has the score %g", p.Text, p.Score)
		}
		seen[p.Text] = true
		v.pieces = append(v.pieces, piece{text: p.Text, score: p.Score})
	}
	for i := range Sentinels {
		v.added = append(v.added, addedToken{text: sentinel(Sentinels - 1 - i), id: len(v.pieces) + i, special: true})
	}
	data, err := v.json()
	if err != nil {
		return nil, err
	}
	return ParseJSON(data)
}

// json is the vocabulary as a tokenizer.json, which Hugging Face's tokenizers read as well.
func (v *vocabulary) json() ([]byte, error) {
	file := tokenizerJSON{Version: "1.0", Model: modelJSON{Type: "Unigram", UnkID: &v.unk}}
	eos := 0
	for id, p := range v.pieces {
		if added := slices.ContainsFunc(v.added, func(a addedToken) bool { return a.id == id }); p.hidden && !added {
			p.text = hiddenText + p.text // the file has no other way to say that it is not to be found
		}
		file.Model.Vocab = append(file.Model.Vocab, scoreJSON{p.text, p.score})
		if p.text == eosPiece {
			eos = id
		}
	}
	for _, a := range v.added {
		file.AddedTokens = append(file.AddedTokens, addedJSON{ID: a.id, Content: a.text, Special: a.special})
	}
	if len(v.charsmap) > 0 {
		file.Normalizer = &normalizerJSON{Type: "Precompiled", PrecompiledCharsmap: base64.StdEncoding.EncodeToString(v.charsmap)}
	}
	always := true
	metaspace := metaspaceJSON{Type: "Metaspace", Replacement: wordStart, AddPrefixSpace: &always, PrependScheme: "always"}
	file.PreTokenizer = &metaspaceJSON{Type: "Sequence", Pretokenizers: []metaspaceJSON{{Type: "WhitespaceSplit"}, metaspace}}
	file.Decoder = metaspace
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
