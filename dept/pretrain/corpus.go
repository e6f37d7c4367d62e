// Package pretrain makes the rows that a T5 is pre-trained on:
//
//	corpus, err := pretrain.ReadCorpus("wikipedia.txt.gz")
//	rows, err := pretrain.NewMixture(corpus, tokenizer, demo.Train, pretrain.Options{
//		MaxSourceLength: 256, MaxTargetLength: 64, Questions: 70, Rows: 1000,
//	})
//
// They are examples as train.Rows takes them. Some are plain text
// with spans left out; the others are questions with short answers, so that the decoder
// learns to answer with a label: about sentences of the text (their tone, their topic,
// what their article is about, their word order, ...), about phrases of praise and blame
// that the package makes itself, and about sentences of the demonstration's language.
// Several short passages are packed into one row.
//
// Every row is a function of the text, the seed and its number, so that a run can
// be repeated and resumed.
package pretrain

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Corpus is plain text, held as it lies in its files: a paragraph a line.
type Corpus struct {
	text     []byte
	starts   []int // of the paragraphs that are not empty
	articles []int // the first paragraphs of what stands between empty lines
	print    string
}

// ReadCorpus reads text files, those named .gz unpacked, one after the other.
func ReadCorpus(paths ...string) (*Corpus, error) {
	var text bytes.Buffer
	for _, path := range paths {
		if err := appendFile(&text, path); err != nil {
			return nil, fmt.Errorf("read text: %w", err)
		}
		text.WriteString("\n\n") // no article goes on in the next file
	}
	c, err := NewCorpus(text.Bytes())
	if err != nil {
		return nil, fmt.Errorf("read text %s: %w", strings.Join(paths, ", "), err)
	}
	return c, nil
}

func appendFile(to *bytes.Buffer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		unpacked, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		defer unpacked.Close()
		r = unpacked
	}
	if _, err := to.ReadFrom(r); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// NewCorpus takes text as it is; it must be UTF-8 and have a paragraph.
func NewCorpus(text []byte) (*Corpus, error) {
	if !utf8.Valid(text) {
		line := 1 + bytes.Count(text[:firstInvalid(text)], []byte("\n"))
		return nil, fmt.Errorf("line %d is not UTF-8: convert the text (iconv does)", line)
	}
	sum := sha256.Sum256(text)
	c := &Corpus{text: text, print: hex.EncodeToString(sum[:])}
	apart := true
	for at := 0; at < len(text); {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at
		}
		empty := len(bytes.TrimSpace(text[at:at+end])) == 0
		if !empty {
			if apart {
				c.articles = append(c.articles, len(c.starts))
			}
			c.starts = append(c.starts, at)
		}
		apart = empty
		at += end + 1
	}
	if len(c.starts) == 0 {
		return nil, fmt.Errorf("there is no text")
	}
	return c, nil
}

func firstInvalid(text []byte) int {
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

// Len is the number of paragraphs.
func (c *Corpus) Len() int { return len(c.starts) }

// Opening is the first paragraph of the article of paragraph i: articles stand between
// empty lines.
func (c *Corpus) Opening(i int) int {
	at, found := slices.BinarySearch(c.articles, i)
	if !found {
		at--
	}
	return c.articles[at]
}

// Fingerprint identifies the text.
func (c *Corpus) Fingerprint() string { return c.print }

// Sentences are the sentences of paragraph i, at least one.
func (c *Corpus) Sentences(i int) []string { return sentences(c.words(i)) }

// words are those of paragraph i, at least one.
func (c *Corpus) words(i int) []string {
	text := c.text[c.starts[i]:]
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		text = text[:end]
	}
	return strings.Fields(string(text))
}

// sentences splits words where a full stop, question mark or exclamation mark, with any
// quotes and brackets behind it, ends a word that is no abbreviation and the next
// word does not begin with a small letter.
func sentences(words []string) []string {
	var all []string
	start := 0
	for i, w := range words {
		if i+1 == len(words) || endsSentence(w) && !unicode.IsLower(firstRune(words[i+1])) {
			all = append(all, strings.Join(words[start:i+1], " "))
			start = i + 1
		}
	}
	return all
}

var abbreviations = map[string]bool{
	"mr": true, "mrs": true, "ms": true, "dr": true, "st": true, "prof": true, "gen": true, "col": true, "capt": true,
	"lt": true, "rev": true, "no": true, "vs": true, "etc": true, "jr": true, "sr": true, "vol": true, "u.s": true, "e.g": true, "i.e": true,
}

func endsSentence(word string) bool {
	bare := strings.TrimRight(word, `"'”’)]`)
	stem := strings.TrimRight(bare, ".?!")
	if stem == bare {
		return false
	}
	stem = strings.ToLower(strings.TrimLeft(stem, `"'“‘([`))
	return strings.HasSuffix(bare, "?") || strings.HasSuffix(bare, "!") || bare != word ||
		len(stem) > 1 && !abbreviations[stem]
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}
