package text

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A trie finds what a search through all pieces finds, and takes the room it foresaw.
func TestTrie(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	letters := func(most int) string {
		text := make([]byte, random.IntN(most+1))
		for i := range text {
			text[i] = "ab\x00\xff"[random.IntN(4)]
		}
		return string(text)
	}
	for n := range 60 {
		pieces := make([]piece, n)
		last := map[string]int32{}
		for id := range pieces {
			pieces[id].text = letters(6)
			if random.IntN(5) == 0 {
				pieces[id].text += "a tail that is its own"
			}
			last[pieces[id].text] = int32(id)
		}
		trie := newTrie(pieces)
		assert.Equal(t, len(trie.id), cap(trie.label), "nodes")
		assert.Equal(t, len(trie.first), cap(trie.first), "nodes")
		for range 50 {
			text := letters(12) + "a tail that is its own"
			if n > 0 && random.IntN(2) == 0 {
				text = pieces[random.IntN(n)].text + text
			}
			type match struct {
				length int
				id     int32
			}
			var want, got []match
			for length := 1; length <= len(text); length++ {
				if id, ok := last[text[:length]]; ok {
					want = append(want, match{length, id})
				}
			}
			for length, id := range trie.prefixes(text) {
				got = append(got, match{length, id})
			}
			assert.Equal(t, want, got, "%q", text)
			longest := 0
			if len(want) > 0 {
				longest = want[len(want)-1].length
			}
			assert.Equal(t, longest, trie.longest(text))
			id, ok := last[text]
			if !ok {
				id = none
			}
			assert.Equal(t, id, trie.find(text))
		}
	}
	wide := newTrie([]piece{{text: strings.Repeat("x", 100)}})
	assert.Equal(t, 2, len(wide.id), "one piece is one node")
}
