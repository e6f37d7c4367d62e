// Package text turns text into token ids and back: SentencePiece's unigram tokenizers, read from the
// tokenizer.json or the spiece.model of a checkpoint's folder, or made of a vocabulary.
package text

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/sugarme/tokenizer/model/unigram"

	"github.com/go-dept/dept/internal/atomicfile"
)

// Tokenizer turns text into ids and back, as SentencePiece does: the text is normalised, split
// at white space, each word gets a ▁ in front, and the pieces of the vocabulary that make up a word
// with the highest sum of scores are its tokens. Its methods may be called from several goroutines.
//
// The search for the best pieces is that of github.com/sugarme/tokenizer. Its own reader and
// normaliser are not used: they end the program on a malformed file, and they take the first rule
// of a charsmap that fits where SentencePiece takes the longest. The search considers pieces of up
// to 20 bytes, which all pieces of T5 are, and breaks ties between equal sums (in long runs of one
// character) in its own way.
type Tokenizer struct {
	pieces   []string // by id; "" where an id has no text
	special  []bool   // by id: no part of a decoded text
	unk      int32
	eos, pad int32

	charsmap        *charsmap
	added           [256][]addedToken // by first byte of the text, longest first
	prefixFirstOnly bool              // no ▁ for a word right behind an added token
	model           *unigram.Unigram
	words           wordCache

	files      map[string][]byte // what it was read from, by name
	vocabulary vocabulary        // in the same words
}

// Files of a tokenizer. The first that exists of the first two is read; the others are for Hugging
// Face's programs, and Save hands them on.
const (
	tokenizerFile     = "tokenizer.json"
	sentencePieceFile = "spiece.model"
)

var tokenizerCompanions = []string{"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}

const (
	wordStart = "▁" // what SentencePiece writes for the space in front of a word
	eosPiece  = "</s>"
	padPiece  = "<pad>"
	unkPiece  = "<unk>"
	Sentinels = 100 // <extra_id_0> to <extra_id_99>

	// maxVocab is four times the largest vocabulary in use, so that no file makes a list of ids
	// that memory cannot hold.
	maxVocab = 1 << 20
)

func sentinel(i int) string { return fmt.Sprintf("<extra_id_%d>", i) }

// Open reads tokenizer.json in dir, or else spiece.model.
func Open(dir string) (*Tokenizer, error) {
	return open(os.DirFS(dir), dir)
}

// OpenFS is Open for a folder that need not be on disk.
func OpenFS(dir fs.FS) (*Tokenizer, error) { return open(dir, "") }

// open calls the folder by name, if it has one, in errors.
func open(dir fs.FS, name string) (*Tokenizer, error) {
	files := map[string][]byte{}
	for _, file := range append([]string{tokenizerFile, sentencePieceFile}, tokenizerCompanions...) {
		data, err := fs.ReadFile(dir, file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(name, file), err)
		}
		if err == nil {
			files[file] = data
		}
	}
	for _, format := range []struct {
		name  string
		parse func([]byte) (*Tokenizer, error)
	}{{tokenizerFile, ParseJSON}, {sentencePieceFile, ParseSentencePiece}} {
		data, ok := files[format.name]
		if !ok {
			continue
		}
		t, err := format.parse(data)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(name, format.name), err)
		}
		t.files = files
		return t, nil
	}
	return nil, fmt.Errorf("%s has no tokenizer: neither %s nor %s is there", cmp.Or(name, "the folder"), tokenizerFile, sentencePieceFile)
}

// Save writes the files that the tokenizer was read from into dir, which it makes if need be, and a
// tokenizer.json if that is not one of them.
func (t *Tokenizer) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	files := maps.Clone(t.files)
	if _, ok := files[tokenizerFile]; !ok {
		data, err := t.vocabulary.json()
		if err != nil {
			return err
		}
		files[tokenizerFile] = data
	}
	for name, data := range files {
		err := atomicfile.WriteFile(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// vocabulary is what the file formats have in common.
type vocabulary struct {
	pieces          []piece
	unk             int
	charsmap        []byte // empty: the text is taken as it is
	added           []addedToken
	prefixFirstOnly bool
}

// piece is one entry of the unigram model.
type piece struct {
	text   string
	score  float64 // log probability
	hidden bool    // never the result of encoding a text, nor part of a decoded one
}

// addedToken is text that is found before anything else happens.
type addedToken struct {
	text    string
	id      int
	special bool
}

// hiddenText stands in the model's vocabulary for a piece that must not be found: no word has a
// space.
const hiddenText = " "

// newTokenizer checks a vocabulary and builds the tokenizer.
func newTokenizer(v vocabulary) (*Tokenizer, error) {
	if len(v.pieces) == 0 || len(v.pieces) > maxVocab {
		return nil, fmt.Errorf("the vocabulary has %d pieces, outside 1 to %d", len(v.pieces), maxVocab)
	}
	if v.unk < 0 || v.unk >= len(v.pieces) {
		return nil, fmt.Errorf("the id of the unknown piece is %d, outside the %d pieces of the vocabulary", v.unk, len(v.pieces))
	}
	t := &Tokenizer{unk: int32(v.unk), prefixFirstOnly: v.prefixFirstOnly, vocabulary: v}
	scores := make([]unigram.TokenScore, len(v.pieces))
	ids := map[string]int32{}
	for id, p := range v.pieces {
		if math.IsNaN(p.score) || math.IsInf(p.score, 0) {
			return nil, fmt.Errorf("piece %d, %q, has the score %g", id, p.text, p.score)
		}
		if !utf8.ValidString(p.text) {
			return nil, fmt.Errorf("piece %d, %q, is not valid UTF-8", id, p.text)
		}
		ids[p.text] = int32(id)
		t.pieces = append(t.pieces, p.text)
		t.special = append(t.special, p.hidden)
		if p.hidden || id == v.unk {
			p.text = hiddenText
		}
		scores[id] = unigram.TokenScore{Token: p.text, Score: p.score}
	}
	t.special[v.unk] = true
	if err := t.addTokens(v.added, ids, scores); err != nil {
		return nil, err
	}
	var ok bool
	if t.eos, ok = ids[eosPiece]; !ok {
		return nil, fmt.Errorf("there is no piece %q to end a text with", eosPiece)
	}
	t.special[t.eos] = true
	if t.pad, ok = ids[padPiece]; ok {
		t.special[t.pad] = true
	}
	var err error
	if len(v.charsmap) > 0 {
		if t.charsmap, err = parseCharsmap(v.charsmap); err != nil {
			return nil, err
		}
	}
	t.model, err = unigram.NewUnigramBuilder().Vocab(scores).UnkID(v.unk).Build()
	return t, err
}

// addTokens enters the added tokens into t and ids, and hides from the search those that the
// vocabulary has as pieces.
func (t *Tokenizer) addTokens(added []addedToken, ids map[string]int32, scores []unigram.TokenScore) error {
	for _, a := range added {
		if a.text == "" {
			continue
		}
		if a.id < 0 || a.id >= maxVocab {
			return fmt.Errorf("added token %q has id %d, outside 0 to %d", a.text, a.id, maxVocab-1)
		}
		if id, ok := ids[a.text]; ok && int(id) != a.id {
			return fmt.Errorf("added token %q has id %d, but the vocabulary has it at %d", a.text, a.id, id)
		}
		for len(t.pieces) <= a.id {
			t.pieces = append(t.pieces, "")
			t.special = append(t.special, true)
		}
		if text := t.pieces[a.id]; text != "" && text != a.text {
			return fmt.Errorf("added token %q has id %d, but %q has that", a.text, a.id, text)
		}
		ids[a.text] = int32(a.id)
		t.pieces[a.id] = a.text
		t.special[a.id] = a.special || a.id == int(t.unk)
		if a.id < len(scores) {
			scores[a.id].Token = hiddenText
		}
		t.added[a.text[0]] = append(t.added[a.text[0]], a)
	}
	for _, list := range t.added {
		slices.SortStableFunc(list, func(a, b addedToken) int { return len(b.text) - len(a.text) })
	}
	return nil
}

// VocabSize is the largest id plus one. A model's embedding has that many rows or more.
func (t *Tokenizer) VocabSize() int { return len(t.pieces) }

// EOS is the id of </s>, which ends every source and every target.
func (t *Tokenizer) EOS() int32 { return t.eos }

// Pad is the id of <pad>, or 0, which T5 pads with, where the vocabulary does not name it.
func (t *Tokenizer) Pad() int32 { return t.pad }

// Encode returns the ids of text, without </s> at the end. Text that spells an added token, such as
// <extra_id_0> or </s>, becomes that token. Any bytes are a text: those that are not UTF-8 count as
// U+FFFD. A word of more than 1,024 bytes is looked at in parts of that length.
func (t *Tokenizer) Encode(text string) (ids []int32, err error) {
	defer func() {
		// The library is young: should it panic on some text, that text is the error.
		if r := recover(); r != nil {
			ids, err = nil, fmt.Errorf("tokenizing a text of %d bytes that starts %.40q: %v", len(text), text, r)
		}
	}()
	start := 0
	for i := 0; i < len(text); {
		token, ok := t.addedAt(text[i:])
		if !ok {
			i++
			continue
		}
		if ids, err = t.encodePlain(ids, text[start:i], start == 0); err != nil {
			return nil, err
		}
		ids = append(ids, int32(token.id))
		i += len(token.text)
		start = i
	}
	return t.encodePlain(ids, text[start:], start == 0)
}

// addedAt finds the longest added token that text starts with.
func (t *Tokenizer) addedAt(text string) (addedToken, bool) {
	for _, a := range t.added[text[0]] {
		if strings.HasPrefix(text, a.text) {
			return a, true
		}
	}
	return addedToken{}, false
}

// encodePlain appends the ids of text without added tokens. first says that no token is before it.
func (t *Tokenizer) encodePlain(ids []int32, text string, first bool) ([]int32, error) {
	text = t.charsmap.normalize(text)
	glued := t.prefixFirstOnly && !first && strings.IndexFunc(text, isSpace) != 0
	for word := range strings.FieldsFuncSeq(text, isSpace) {
		if !glued {
			word = wordStart + word
		}
		glued = false
		found, err := t.encodeWord(word)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	return ids, nil
}

// isSpace says whether r separates words. A literal ▁ does, since it stands for a space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '▁' }

// maxWord is how many bytes of a word are searched at once: the library's time and memory grow with
// the square of it.
const maxWord = 1024

// encodeWord returns the ids of one word. Do not change the slice.
func (t *Tokenizer) encodeWord(word string) ([]int32, error) {
	if ids, ok := t.words.get(word); ok {
		return ids, nil
	}
	var ids []int32
	for rest := word; len(rest) > 0; {
		n := min(len(rest), maxWord)
		for n < len(rest) && !utf8.RuneStart(rest[n]) {
			n--
		}
		tokens, err := t.model.Tokenize(rest[:n])
		if err != nil {
			return nil, fmt.Errorf("tokenizing %.40q: %w", word, err)
		}
		for _, token := range tokens {
			// Unknown characters side by side are one unknown token, across two parts too.
			if id := int32(token.Id); id != t.unk || len(ids) == 0 || ids[len(ids)-1] != id {
				ids = append(ids, id)
			}
		}
		rest = rest[n:]
	}
	t.words.put(word, ids)
	return ids, nil
}

// Decode returns the text of ids. Special tokens (<pad>, </s>, <unk>, <extra_id_N>) and ids outside
// the vocabulary have none.
func (t *Tokenizer) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		if id >= 0 && int(id) < len(t.pieces) && !t.special[id] {
			b.WriteString(t.pieces[id])
		}
	}
	text := strings.ReplaceAll(b.String(), wordStart, " ")
	return strings.TrimPrefix(text, " ")
}

// Piece is the text of an id as the vocabulary has it, where ▁ starts a word; "" where it has none.
func (t *Tokenizer) Piece(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	return t.pieces[id]
}

// wordCache remembers the ids of words, most of which are frequent ones: the search for one word
// reads the whole vocabulary's scores. It stops growing when it is full.
type wordCache struct {
	ids  sync.Map // from string to []int32
	size atomic.Int32
}

const (
	maxCachedWords = 1 << 16
	maxCachedWord  = 64 // bytes
)

func (c *wordCache) get(word string) ([]int32, bool) {
	if len(word) > maxCachedWord {
		return nil, false
	}
	ids, ok := c.ids.Load(word)
	if !ok {
		return nil, false
	}
	return ids.([]int32), true
}

func (c *wordCache) put(word string, ids []int32) {
	if len(word) > maxCachedWord || c.size.Load() >= maxCachedWords {
		return
	}
	// A copy, so that the cache does not keep the text alive that the word is cut from.
	if _, loaded := c.ids.LoadOrStore(strings.Clone(word), ids); !loaded {
		c.size.Add(1)
	}
}

// Sentinel is the id of <extra_id_i>, which stands for span i that was left out of a text; i is from
// 0 to Sentinels-1.
func (t *Tokenizer) Sentinel(i int) (id int32, ok bool) {
	text := sentinel(i)
	if a, ok := t.addedAt(text); ok && a.text == text {
		return int32(a.id), true
	}
	return 0, false
}
