package text

import (
	"encoding/json"
	"fmt"
)

// byT5 is what transformers calls ByT5's tokenizer.
const byT5 = "ByT5Tokenizer"

// newBytes makes ByT5's tokenizer, which needs no vocabulary: the ids of <pad>, </s> and <unk> are 0, 1 and 2,
// that of a byte is three more than the byte, and the sentinels follow, <extra_id_0> first, other than T5's. There
// are 125 unless the files beside say otherwise.
func newBytes(beside companions) (*Tokenizer, error) {
	v := vocabulary{unk: 2, byteFallback: true, bytesOnly: true}
	for _, text := range []string{padPiece, eosPiece, unkPiece} {
		v.added = append(v.added, addedToken{text: text, id: len(v.pieces), special: true, lstrip: true, rstrip: true})
		v.pieces = append(v.pieces, piece{text: text, kind: hidden})
	}
	for b := range 256 {
		v.pieces = append(v.pieces, piece{text: byteText(byte(b)), kind: byteKind})
	}
	for _, a := range beside.added {
		if a.id >= len(v.pieces) { // those of the first three are as they are in every version
			v.added = append(v.added, a)
		}
	}
	special := beside.special
	if special == nil { // where these are listed, extra_ids does not count them
		extra := 125
		if beside.extraIDs != nil {
			extra = *beside.extraIDs
		}
		for i := range extra {
			special = append(special, sentinel(i))
		}
	}
	if !beside.hasSentinels() {
		for i, text := range special {
			v.added = append(v.added, addedToken{text: text, id: len(v.pieces) + i, special: true})
		}
	}
	t, err := newTokenizer(v)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"tokenizer_class": byT5, "additional_special_tokens": special, "extra_ids": len(special), "pad_token": padPiece, "eos_token": eosPiece, "unk_token": unkPiece,
	})
	t.files = map[string][]byte{configFile: config}
	return t, err
}

// byteText is the piece that stands for a byte.
func byteText(b byte) string { return fmt.Sprintf("<0x%02X>", b) }

// isByte says whether a piece's text is that of a byte.
func isByte(text string) bool {
	return len(text) == len("<0x00>") && text[:3] == "<0x" && text[5] == '>' && hexadecimal(text[3]) >= 0 && hexadecimal(text[4]) >= 0
}

// byteOf is the byte that a piece of which isByte is true stands for.
func byteOf(text string) byte { return byte(hexadecimal(text[3])<<4 | hexadecimal(text[4])) }

func hexadecimal(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
