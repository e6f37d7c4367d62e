package text

import (
	"math"
	"slices"
	"unicode/utf8"
)

// unigram finds the pieces that make up a text with the highest sum of scores, as SentencePiece's
// EncodeOptimized does, bit by bit: it looks at the whole text, its sums are of 32 bits, and of equal sums
// the one whose last piece starts first is taken.
type unigram struct {
	pieces   []piece
	trie     *trie
	unk      int32
	unkScore float32 // of a character that is no piece
	topScore float32
	bytes    *[256]int32 // ids of the pieces <0x00> to <0xFF>; nil where unknown characters are <unk>
}

// A character without a piece counts as much as the rarest piece and this much less.
const unkPenalty = 10

func newUnigram(pieces []piece, unk int32, bytes *[256]int32) *unigram {
	u := &unigram{pieces: pieces, trie: newTrie(pieces), unk: unk, bytes: bytes}
	lowest := float32(math.MaxFloat32)
	u.topScore = 0x1p-126 // SentencePiece starts from the smallest normal number
	for _, p := range pieces {
		if p.kind == normal {
			lowest, u.topScore = min(lowest, p.score), max(u.topScore, p.score)
		}
	}
	u.unkScore = lowest - unkPenalty
	return u
}

// ending is the best way to cut the text up to a place: its sum, and its last piece and where that starts.
type ending struct {
	sum   float32
	start int32
	id    int32
}

// encode appends the ids of text, which is valid UTF-8, to ids.
func (u *unigram) encode(ids []int32, text string) []int32 {
	best := make([]ending, len(text)+1)
	for i := range best {
		best[i].start = none
	}
	for start := 0; start < len(text); {
		_, size := utf8.DecodeRuneInString(text[start:])
		sum := best[start].sum
		known := false
		for n, id := range u.trie.prefixes(text[start:]) {
			score := u.pieces[id].score
			switch u.pieces[id].kind {
			case normal:
			case userDefined: // more than anything else can have
				score = float32(float32(n)*u.topScore) - 0.1
			default:
				continue
			}
			best[start+n].improve(sum+score, start, id)
			known = known || n == size
		}
		if !known {
			best[start+size].improve(sum+u.unkScore, start, u.unk)
		}
		start += size
	}
	first := len(ids)
	for end := len(text); end > 0; end = int(best[end].start) {
		switch id := best[end].id; {
		case id != u.unk:
			ids = append(ids, id)
		case u.bytes != nil:
			for i := end - 1; i >= int(best[end].start); i-- {
				ids = append(ids, u.bytes[text[i]])
			}
		case len(ids) == first || ids[len(ids)-1] != u.unk: // unknown characters side by side are one <unk>
			ids = append(ids, u.unk)
		}
	}
	slices.Reverse(ids[first:])
	return ids
}

// improve takes another way to the same place if its sum is higher.
func (e *ending) improve(sum float32, start int, id int32) {
	if e.start == none || sum > e.sum {
		*e = ending{sum, int32(start), id}
	}
}
