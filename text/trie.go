package text

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// trie finds which of many pieces a text starts with. The nodes lie level by level: those that follow
// node i are the nodes first[i] up to first[i+1], in the order of the bytes that lead to them. Where only
// one piece is left it is compared as a whole. That takes nine bytes a node, hardly two nodes a piece, and
// one pass over the sorted pieces, which is what makes a vocabulary of 250,000 pieces load quickly.
type trie struct {
	pieces []piece
	first  []uint32
	label  []byte  // the byte that leads to a node
	id     []int32 // of the piece that ends at a node, or of the only one that is left there, or none
}

// none is where the trie has no piece.
const none = -1

// newTrie enters the text of each piece but the empty ones. Of equal pieces the last counts.
func newTrie(pieces []piece) *trie {
	order := make([]sortable, 0, len(pieces))
	for id, p := range pieces {
		if p.text != "" {
			order = append(order, sortable{beginning(p.text), int32(id)})
		}
	}
	text := func(place int) string { return pieces[order[place].id].text }
	slices.SortFunc(order, func(a, b sortable) int {
		return cmp.Or(cmp.Compare(a.beginning, b.beginning), strings.Compare(pieces[a.id].text, pieces[b.id].text), cmp.Compare(a.id, b.id))
	})

	// A piece has the nodes behind what it shares with the one before, down to the first that is its own.
	nodes, before := 1, 0
	for i := range order {
		behind := 0
		if i+1 < len(order) {
			behind = shared(text(i), text(i+1))
		}
		nodes += min(len(text(i)), max(before, behind)+1) - before
		before = behind
	}
	t := &trie{pieces: pieces, first: make([]uint32, 0, nodes+1), label: make([]byte, 1, nodes), id: make([]int32, 0, nodes)}
	type span struct{ start, end int32 } // of the places in order of the pieces that go through a node
	level, next := make([]span, 0, len(order)+1), make([]span, 0, len(order)+1)
	level = append(level, span{0, int32(len(order))})
	for depth := 0; len(level) > 0; depth++ {
		next = next[:0]
		for _, s := range level {
			id := int32(none)
			if s.end-s.start == 1 && depth > 0 {
				id = order[s.start].id
				s.start++
			}
			for s.start < s.end && len(text(int(s.start))) == depth {
				id = order[s.start].id
				s.start++
			}
			t.id = append(t.id, id)
			t.first = append(t.first, uint32(len(t.label)))
			for s.start < s.end {
				child := span{s.start, s.start}
				label := text(int(s.start))[depth]
				for child.end < s.end && text(int(child.end))[depth] == label {
					child.end++
				}
				t.label = append(t.label, label)
				next = append(next, child)
				s.start = child.end
			}
		}
		level, next = next, level
	}
	t.first = append(t.first, uint32(len(t.label)))
	return t
}

// sortable is a piece's id behind the first eight bytes of its text, which mostly decide the order.
type sortable struct {
	beginning uint64
	id        int32
}

func beginning(text string) (b uint64) {
	for i := range 8 {
		b <<= 8
		if i < len(text) {
			b |= uint64(text[i])
		}
	}
	return b
}

// shared is how many bytes two texts have in common at the beginning.
func shared(a, b string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// prefixes are the pieces that text starts with, the shortest first: their lengths in bytes and ids. A nil
// trie has none.
func (t *trie) prefixes(text string) iter.Seq2[int, int32] {
	return func(yield func(int, int32) bool) {
		if t == nil {
			return
		}
		node := uint32(0)
		for n := 1; n <= len(text); n++ {
			if node = t.child(node, text[n-1]); node == 0 {
				return
			}
			id := t.id[node]
			if id == none {
				continue
			}
			whole := len(t.pieces[id].text)
			if whole > n && !strings.HasPrefix(text[n:], t.pieces[id].text[n:]) {
				return
			}
			if !yield(whole, id) || whole > n {
				return
			}
		}
	}
}

// child is the node that byte b leads to from node, 0 where there is none.
func (t *trie) child(node uint32, b byte) uint32 {
	start, end := t.first[node], t.first[node+1]
	for end-start > 8 {
		middle := (start + end) / 2
		if t.label[middle] <= b {
			start = middle
		} else {
			end = middle
		}
	}
	for ; start < end; start++ {
		if t.label[start] == b {
			return start
		}
	}
	return 0
}

// find is the id of the piece that text is, or none.
func (t *trie) find(text string) int32 {
	found := int32(none)
	for n, id := range t.prefixes(text) {
		if n == len(text) {
			found = id
		}
	}
	return found
}

// longest is how many bytes the longest piece has that text starts with, 0 where there is none.
func (t *trie) longest(text string) (n int) {
	for n = range t.prefixes(text) {
	}
	return n
}
