package text

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// charsmap is SentencePiece's precompiled_charsmap: rules that replace a run of bytes by another
// (T5's are Unicode NFKC with some clean-up of spaces and control characters). In the file it is
// the length of a trie in bytes, the trie, and the replacements, each ended by a zero byte.
type charsmap struct {
	// trie is a double array, as github.com/s-yata/darts-clone builds it. Of a unit, bits 0-7 and 31
	// are the byte that leads to it, bit 8 says that a key ends here, and the rest is the offset to
	// its children, of which the first (for byte 0) then holds the key's value.
	trie []uint32
	text []byte
}

// maxReplacement bounds a replacement, in bytes, so that a hostile file cannot blow a text up by
// more. The longest of NFKC has 33.
const maxReplacement = 256

func parseCharsmap(data []byte) (*charsmap, error) {
	if len(data) < 4 {
		return nil, errors.New("the precompiled charsmap is shorter than 4 bytes")
	}
	size := int64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if size == 0 || size%4 != 0 || size > int64(len(data)) {
		return nil, fmt.Errorf("the precompiled charsmap claims a trie of %d bytes, %d follow", size, len(data))
	}
	c := &charsmap{trie: make([]uint32, size/4), text: data[size:]}
	for i := range c.trie {
		c.trie[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	if !utf8.Valid(c.text) || len(c.text) > 0 && c.text[len(c.text)-1] != 0 {
		return nil, errors.New("the replacements of the precompiled charsmap are not valid UTF-8 that ends in a zero byte")
	}
	for replacement := range bytes.SplitSeq(c.text, []byte{0}) {
		if len(replacement) > maxReplacement {
			return nil, fmt.Errorf("the precompiled charsmap has a replacement of %d bytes, more than %d", len(replacement), maxReplacement)
		}
	}
	return c, nil
}

// normalize replaces, from left to right, the longest run of bytes that has a rule, except where one of
// the texts in verbatim is. Bytes that are not UTF-8 become U+FFFD. A nil charsmap has no rules.
func (c *charsmap) normalize(text string, verbatim *trie) string {
	var b strings.Builder
	b.Grow(len(text) + 8)
	for len(text) > 0 {
		if n := verbatim.longest(text); n > 0 {
			b.WriteString(text[:n])
			text = text[n:]
			continue
		}
		replacement, n := c.longest(text)
		if n == 0 {
			r, size := utf8.DecodeRuneInString(text)
			b.WriteRune(r)
			n = size
		} else {
			b.Write(replacement)
		}
		text = text[n:]
	}
	return b.String()
}

// longest finds the rule for the longest prefix of text, and returns its replacement and the
// length of that prefix, 0 when there is none. A trie that leads outside of itself ends there.
func (c *charsmap) longest(text string) (replacement []byte, n int) {
	if c == nil {
		return nil, 0
	}
	node := offset(c.trie[0])
	// A zero byte ends a key, so no key has one.
	for i := 0; i < len(text) && text[i] != 0; i++ {
		node ^= uint32(text[i])
		if node >= uint32(len(c.trie)) {
			break
		}
		unit := c.trie[node]
		if unit&(1<<31|0xff) != uint32(text[i]) {
			break
		}
		node ^= offset(unit)
		if unit&(1<<8) == 0 {
			continue
		}
		if node >= uint32(len(c.trie)) {
			break
		}
		if start := c.trie[node] &^ (1 << 31); start < uint32(len(c.text)) {
			end := bytes.IndexByte(c.text[start:], 0)
			replacement, n = c.text[start:start+uint32(end)], i+1
		}
	}
	return replacement, n
}

// offset is the distance from a unit's place to its children's, to be combined by exclusive or.
// Bit 9 says that it is in steps of 256.
func offset(unit uint32) uint32 {
	return unit >> 10 << (unit & (1 << 9) >> 6)
}
