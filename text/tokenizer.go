// Package text turns text into token ids and back:
//
//	tokenizer, err := text.Open("t5-small")
//	ids := tokenizer.Encode("a fine film")
//	again := tokenizer.Decode(ids)
//
// It knows SentencePiece's unigram tokenizers, as T5 and mT5 have them, read from the tokenizer.json or the
// spiece.model of a checkpoint's folder, or made of a vocabulary; and ByT5's bytes.
//
// The search for the best pieces is the package's own. That of github.com/sugarme/tokenizer, which tests
// compare it with, finds pieces of up to 20 bytes (mT5 has longer ones), reads the scores of the whole
// vocabulary for each word, has no byte fallback that keeps to the pieces, and breaks ties in another way
// than SentencePiece.
package text

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/internal/foreign"
)

// Tokenizer turns text into ids and back, as SentencePiece does: the text is normalised, each word gets a
// ▁ in front, and the pieces of the vocabulary that make it up with the highest sum of scores are its
// tokens. Characters that no piece has are bytes where the vocabulary has byte fallback, else <unk>. Its
// methods may be called from several goroutines.
type Tokenizer struct {
	pieces   []piece // by id; without text where an id has none
	unk      int32
	eos, pad int32

	charsmap   *charsmap
	verbatim   *trie             // the pieces that are taken as they are, if there are such
	added      [256][]addedToken // by first byte of the text, longest first
	model      *unigram
	files      map[string][]byte // what it was read from, by name
	vocabulary vocabulary        // in the same words
}

// Files of a tokenizer. The first that exists of the first two is read, and the next two with it; all are
// for Hugging Face's programs too, and Save hands them on.
var tokenizerFiles = []string{tokenizerFile, sentencePieceFile, configFile, addedFile, specialFile}

const (
	tokenizerFile     = "tokenizer.json"
	sentencePieceFile = "spiece.model"
	configFile        = "tokenizer_config.json"
	addedFile         = "added_tokens.json"
	specialFile       = "special_tokens_map.json"
)

const (
	wordStart = "▁" // what SentencePiece writes for the space in front of a word
	eosPiece  = "</s>"
	padPiece  = "<pad>"
	unkPiece  = "<unk>"
	sentinels = 100 // <extra_id_0> to <extra_id_99>, where a folder does not say how many

	// maxVocab and maxText are twice the ids and four times the bytes of the largest vocabulary in use, so
	// that no file makes lists that memory cannot hold; nor do more added tokens than maxAdded.
	maxVocab = 1 << 19
	maxText  = 8 << 20
	maxAdded = 1 << 14
)

func sentinel(i int) string { return fmt.Sprintf("<extra_id_%d>", i) }

func isSentinel(text string) bool {
	number, ok := strings.CutPrefix(text, "<extra_id_")
	return ok && strings.TrimLeft(number, "0123456789") == ">" && number != ">"
}

// Open reads tokenizer.json in dir, or else spiece.model.
func Open(dir string) (*Tokenizer, error) {
	return open(os.DirFS(dir), dir)
}

// OpenFS is Open for a folder that need not be on disk.
func OpenFS(dir fs.FS) (*Tokenizer, error) { return open(dir, "") }

// open calls the folder by name, if it has one, in errors.
func open(dir fs.FS, name string) (*Tokenizer, error) {
	files := map[string][]byte{}
	for _, file := range tokenizerFiles {
		data, err := fs.ReadFile(dir, file)
		if err == nil {
			err = foreign.Check(data)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(name, file), err)
		}
		if err != nil {
			continue
		}
		if err := foreign.Check(data); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(name, file), err)
		}
		files[file] = data
	}
	beside, err := parseCompanions(files)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", cmp.Or(name, "the tokenizer"), err)
	}
	if beside.class == "" && files[tokenizerFile] == nil && files[sentencePieceFile] == nil {
		beside.class = modelsTokenizer(dir)
	}
	if beside.class == byT5 {
		t, err := newBytes(beside)
		if err != nil {
			return nil, fmt.Errorf("reading ByT5's tokenizer in %s: %w", cmp.Or(name, "the folder"), err)
		}
		maps.Copy(t.files, files)
		return t, nil
	}
	for _, format := range []struct {
		name  string
		parse func([]byte, companions) (*Tokenizer, error)
	}{{tokenizerFile, parseJSON}, {sentencePieceFile, parseSentencePiece}} {
		data, ok := files[format.name]
		if !ok {
			continue
		}
		t, err := format.parse(data, beside)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(name, format.name), err)
		}
		t.files = files
		return t, nil
	}
	for _, other := range []struct{ file, kind string }{
		{"merges.txt", "BPE, as CodeT5's"}, {"vocab.txt", "WordPiece, as BERT's"}, {"tokenizer.model", "SentencePiece model of another name, as Llama's"},
	} {
		if _, err := fs.Stat(dir, other.file); err == nil {
			return nil, fmt.Errorf("reading %s: this tokenizer is a %s; %s", filepath.Join(name, other.file), other.kind, whatIsRead)
		}
	}
	return nil, fmt.Errorf("%s has no tokenizer: neither %s nor %s is there, and no %s that names %s", cmp.Or(name, "the folder"), tokenizerFile, sentencePieceFile, configFile, byT5)
}

// Save writes the files that the tokenizer was read from into dir, which it makes if need be, and a
// tokenizer.json if that is not one of them and can say the same.
func (t *Tokenizer) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	files := maps.Clone(t.files)
	if _, ok := files[tokenizerFile]; !ok && t.verbatim == nil && !t.vocabulary.bytesOnly {
		data, err := t.vocabulary.json()
		if err != nil {
			return err
		}
		files[tokenizerFile] = data
		if t.vocabulary.byteFallback {
			if files[configFile], err = genericConfig(files[configFile]); err != nil {
				return err
			}
		}
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
	pieces       []piece
	unk          int
	byteFallback bool
	charsmap     []byte // empty: the text is taken as it is
	added        []addedToken

	// What a tokenizer.json can ask for beyond SentencePiece: all of Unicode's white space separates
	// words, a word with a ▁ of its own gets no other, and no word behind an added token gets one.
	unicodeSpaces, prefixFirstOnly bool
	split                          bool // no piece is longer than a word

	bytesOnly bool // ByT5's: a text is its bytes, and has no words
}

// piece is one entry of the vocabulary.
type piece struct {
	text    string
	score   float32 // log probability
	kind    kind
	special bool // no part of a decoded text
}

// kind is how a piece is found in a text.
type kind uint8

const (
	normal      kind = iota
	userDefined      // before all others, and not normalised
	byteKind         // as a byte of a character that has no piece
	hidden           // never
)

// addedToken is text that is found before anything else happens.
type addedToken struct {
	text           string
	id             int
	special        bool
	lstrip, rstrip bool // it takes the white space before it, behind it
}

// newTokenizer checks a vocabulary and builds the tokenizer.
func newTokenizer(v vocabulary) (*Tokenizer, error) {
	if len(v.pieces) == 0 || len(v.pieces) > maxVocab {
		return nil, fmt.Errorf("the vocabulary has %d pieces, outside 1 to %d", len(v.pieces), maxVocab)
	}
	if v.unk < 0 || v.unk >= len(v.pieces) {
		return nil, fmt.Errorf("the id of the unknown piece is %d, outside the %d pieces of the vocabulary", v.unk, len(v.pieces))
	}
	t := &Tokenizer{unk: int32(v.unk), pieces: v.pieces, vocabulary: v}
	size := 0
	for _, p := range v.pieces {
		size += len(p.text)
	}
	if size > maxText {
		return nil, fmt.Errorf("the pieces of the vocabulary have %d bytes of text, more than %d", size, maxText)
	}
	if len(v.added) > maxAdded {
		return nil, fmt.Errorf("there are %d added tokens, more than %d", len(v.added), maxAdded)
	}
	bytes, nBytes := new([256]int32), 0
	var verbatim []piece
	for id := range v.pieces {
		p := &v.pieces[id]
		if math.IsNaN(float64(p.score)) || math.IsInf(float64(p.score), 0) {
			return nil, fmt.Errorf("piece %d, %q, has the score %g", id, p.text, p.score)
		}
		if !utf8.ValidString(p.text) {
			return nil, fmt.Errorf("piece %d, %q, is not valid UTF-8", id, p.text)
		}
		if p.kind == byteKind {
			bytes[byteOf(p.text)] = int32(id)
			nBytes++
		}
		if p.kind == userDefined {
			verbatim = append(verbatim, *p)
		}
	}
	if !v.byteFallback || nBytes < len(bytes) {
		bytes = nil
	}
	v.pieces[v.unk].kind, v.pieces[v.unk].special = hidden, true
	t.model = newUnigram(v.pieces, t.unk, bytes)
	if err := t.addTokens(v.added); err != nil {
		return nil, err
	}
	var ok bool
	if t.eos, ok = t.id(eosPiece); !ok {
		return nil, fmt.Errorf("there is no piece %q to end a text with", eosPiece)
	}
	t.pieces[t.eos].special = true
	if t.pad, ok = t.id(padPiece); ok {
		t.pieces[t.pad].special = true
	}
	if len(verbatim) > 0 {
		t.verbatim = newTrie(verbatim)
	}
	if len(v.charsmap) > 0 {
		var err error
		if t.charsmap, err = parseCharsmap(v.charsmap); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// id is the id of an added token or a piece.
func (t *Tokenizer) id(text string) (int32, bool) {
	if a, ok := t.addedAt(text); ok && a.text == text {
		return int32(a.id), true
	}
	id := t.model.trie.find(text)
	return id, id != none
}

// addTokens enters the added tokens into t, and hides from the search those that the vocabulary has as
// pieces.
func (t *Tokenizer) addTokens(added []addedToken) error {
	ids := map[string]int{}
	for _, a := range added {
		if a.text == "" {
			continue
		}
		if a.id < 0 || a.id >= maxVocab {
			return fmt.Errorf("added token %q has id %d, outside 0 to %d", a.text, a.id, maxVocab-1)
		}
		if id := t.model.trie.find(a.text); id != none && int(id) != a.id {
			return fmt.Errorf("added token %q has id %d, but the vocabulary has it at %d", a.text, a.id, id)
		}
		if id, ok := ids[a.text]; ok {
			if id != a.id {
				return fmt.Errorf("added token %q has the ids %d and %d", a.text, id, a.id)
			}
			continue
		}
		ids[a.text] = a.id
		if more := a.id + 1 - len(t.pieces); more > 0 {
			t.pieces = append(t.pieces, slices.Repeat([]piece{{kind: hidden, special: true}}, more)...)
		}
		p := &t.pieces[a.id]
		if p.text != "" && p.text != a.text {
			return fmt.Errorf("added token %q has id %d, but %q has that", a.text, a.id, p.text)
		}
		p.text, p.kind, p.special = a.text, hidden, a.special || a.id == int(t.unk)
		t.added[a.text[0]] = append(t.added[a.text[0]], a)
	}
	t.model.pieces = t.pieces
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
// U+FFFD.
func (t *Tokenizer) Encode(text string) []int32 {
	var ids []int32
	start := 0
	for i := 0; i < len(text); {
		token, ok := t.addedAt(text[i:])
		if !ok {
			i++
			continue
		}
		before := text[start:i]
		if token.lstrip {
			before = strings.TrimRightFunc(before, unicode.IsSpace)
		}
		ids = append(t.encodePlain(ids, before, start == 0), int32(token.id))
		i += len(token.text)
		if token.rstrip {
			i = len(text) - len(strings.TrimLeftFunc(text[i:], unicode.IsSpace))
		}
		start = i
	}
	return t.encodePlain(ids, text[start:], start == 0)
}

// addedAt finds the longest added token that text starts with.
func (t *Tokenizer) addedAt(text string) (addedToken, bool) {
	if text == "" {
		return addedToken{}, false
	}
	for _, a := range t.added[text[0]] {
		if strings.HasPrefix(text, a.text) {
			return a, true
		}
	}
	return addedToken{}, false
}

// encodePlain appends the ids of text without added tokens. first says that no token is before it.
func (t *Tokenizer) encodePlain(ids []int32, text string, first bool) []int32 {
	text = t.charsmap.normalize(text, t.verbatim)
	if !t.vocabulary.bytesOnly {
		text = t.markWords(text, first)
	}
	return t.model.encode(ids, text)
}

// markWords puts a ▁ in front of each word of a normalised text, in place of the spaces there.
func (t *Tokenizer) markWords(text string, first bool) string {
	v := &t.vocabulary
	var b strings.Builder
	b.Grow(len(text) + len(text)/2 + len(wordStart))
	mark := first || !v.prefixFirstOnly
	for _, r := range text {
		if r == ' ' || v.unicodeSpaces && unicode.IsSpace(r) {
			mark = true
			continue
		}
		if mark && !(v.unicodeSpaces && r == '▁') {
			b.WriteString(wordStart)
		}
		mark = false
		b.WriteRune(r)
	}
	marked := b.String()
	if v.unicodeSpaces {
		return marked
	}
	for strings.HasSuffix(marked, wordStart) { // a ▁ of the text's own is a space to SentencePiece
		marked = strings.TrimSuffix(marked, wordStart)
	}
	return marked
}

// Decode returns the text of ids. Special tokens (<pad>, </s>, <unk>, <extra_id_N>) and ids outside
// the vocabulary have none. Bytes that make no character become U+FFFD each; in ByT5's texts they vanish.
func (t *Tokenizer) Decode(ids []int32) string {
	var b strings.Builder
	var run []byte
	for _, id := range ids {
		if id < 0 || int(id) >= len(t.pieces) || t.pieces[id].special {
			continue
		}
		if p := t.pieces[id]; p.kind == byteKind {
			run = append(run, byteOf(p.text))
		} else {
			t.writeBytes(&b, run)
			run = run[:0]
			text := strings.ReplaceAll(p.text, wordStart, " ")
			if b.Len() == 0 {
				text = strings.TrimPrefix(text, " ") // what Encode put there
			}
			b.WriteString(text)
		}
	}
	t.writeBytes(&b, run)
	return b.String()
}

// writeBytes writes the characters that bytes make. A byte that is no part of one becomes U+FFFD, as
// SentencePiece does it, or nothing in ByT5's texts, as Hugging Face's transformers do.
func (t *Tokenizer) writeBytes(b *strings.Builder, bytes []byte) {
	for len(bytes) > 0 {
		r, size := utf8.DecodeRune(bytes)
		if size > 1 || r != utf8.RuneError || !t.vocabulary.bytesOnly {
			b.WriteRune(r)
		}
		bytes = bytes[size:]
	}
}

// Unwritable says whether text is another one when its ids are decoded, and which of its characters are then
// gone, each once, in their order: those that no piece has, and those that are normalised to others. Spaces,
// which vanish with what is beside them, are named only where nothing else is gone. Special tokens, and white
// space beside them and at the ends, do not count.
func (t *Tokenizer) Unwritable(text string) (differs bool, gone []rune) {
	for part := range t.plainParts(text) {
		read := t.Decode(t.Encode(part))
		if read == part {
			continue
		}
		differs = true
		left := map[rune]int{}
		for _, r := range read {
			left[r]++
		}
		for _, r := range part {
			if left[r]--; left[r] < 0 && r != ' ' && !slices.Contains(gone, r) {
				gone = append(gone, r)
			}
		}
	}
	if differs && len(gone) == 0 {
		gone = []rune{' '}
	}
	return differs, gone
}

// plainParts are what is between the special tokens of a text, without white space at the ends.
func (t *Tokenizer) plainParts(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start := 0
		for i := 0; i < len(text); {
			token, ok := t.addedAt(text[i:])
			if !ok || !t.pieces[token.id].special {
				i++
				continue
			}
			if !yield(strings.TrimSpace(text[start:i])) {
				return
			}
			i += len(token.text)
			start = i
		}
		yield(strings.TrimSpace(text[start:]))
	}
}

// Piece is the text of an id as the vocabulary has it, where ▁ starts a word; "" where it has none.
func (t *Tokenizer) Piece(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	return t.pieces[id].text
}

// Ordinary says whether an id is a piece that texts are made of: no special token, none that stands for
// a span that was left out, and none of the ids that have no text.
func (t *Tokenizer) Ordinary(id int32) bool {
	text := t.Piece(id)
	return text != "" && !t.pieces[id].special && !isSentinel(strings.TrimPrefix(text, wordStart))
}

// Sentinel is the id of <extra_id_i>, which stands for span i that was left out of a text. T5 has 100 of
// them, counted from 0; ok is false where the tokenizer has none of that number.
func (t *Tokenizer) Sentinel(i int) (id int32, ok bool) {
	if ids := t.Encode(sentinel(i)); len(ids) == 1 && ids[0] != t.unk {
		return ids[0], true // mT5's are pieces with a ▁
	}
	return 0, false
}
