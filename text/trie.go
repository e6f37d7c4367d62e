package text

import (
	"cmp"
	"slices"
	"strings"
)

// trie finds which of many pieces a text starts with. The nodes lie level by level: those that follow
// node i are the nodes first[i] up to first[i+1], in the order of the bytes that lead to them. That takes
// nine bytes a node and is built in one pass over the sorted pieces, which is what makes a vocabulary of
// 250,000 pieces load quickly.
type trie struct {
	first []uint32
	label []byte  // the byte that leads to a node
	id    []int32 // of the piece that ends at a node, or none
}

// none is where the trie has no piece.
const none = -1

// newTrie enters the text of each piece but the empty ones, which begin every text and are none's part.
// Of equal pieces the last counts.
func newTrie(pieces []piece) *trie {
	order := make([]sortable, 0, len(pieces))
	for id, p := range pieces {
		if p.text != "" {
			order = append(order, sortable{beginning(p.text), int32(id)})
		}
	}
	slices.SortFunc(order, func(a, b sortable) int {
		return cmp.Or(cmp.Compare(a.beginning, b.beginning), strings.Compare(pieces[a.id].text, pieces[b.id].text), cmp.Compare(a.id, b.id))
	})
	t := &trie{label: []byte{0}}
	type span struct{ start, end int } // of the pieces in order that a node begins
	level := []span{{0, len(order)}}
	for depth, nodes := 0, 0; len(level) > 0; depth++ {
		nodes += len(level)
		var next []span
		for _, s := range level {
			id := int32(none)
			for s.start < s.end && len(pieces[order[s.start].id].text) == depth {
				id = order[s.start].id
				s.start++
			}
			t.id = append(t.id, id)
			t.first = append(t.first, uint32(nodes+len(next)))
			for s.start < s.end {
				label := pieces[order[s.start].id].text[depth]
				child := s.start
				for s.start < s.end && pieces[order[s.start].id].text[depth] == label {
					s.start++
				}
				t.label = append(t.label, label)
				next = append(next, span{child, s.start})
			}
		}
		level = next
	}
	t.first = append(t.first, uint32(len(t.id)))
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
	node := uint32(0)
	for i := range len(text) {
		if node = t.child(node, text[i]); node == 0 {
			return none
		}
	}
	return t.id[node]
}

// longest is how many bytes the longest piece has that text starts with, 0 where there is none. A nil
// trie has no pieces.
func (t *trie) longest(text string) (n int) {
	if t == nil {
		return 0
	}
	node := uint32(0)
	for i := range len(text) {
		if node = t.child(node, text[i]); node == 0 {
			break
		}
		if t.id[node] != none {
			n = i + 1
		}
	}
	return n
}
