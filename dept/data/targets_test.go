package data

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/text"
)

func TestFindUnwritable(t *testing.T) {
	var pieces []text.Piece
	for c := 'a'; c <= 'z'; c++ {
		pieces = append(pieces, text.Piece{Text: string(c), Score: -5}, text.Piece{Text: "▁" + string(c), Score: -6})
	}
	tok, err := text.NewUnigram(pieces)
	require.NoError(t, err)
	find := func(targets ...string) string {
		var rows []Row
		for _, target := range targets {
			rows = append(rows, Row{Target: target})
		}
		return FindUnwritable(NewDataset(rows), tok).String()
	}
	assert.Empty(t, find("good film", "  good ", "<extra_id_0> good <extra_id_1> film</s>", ""))
	assert.Equal(t, `1 of 1 targets cannot be written by this tokenizer: \n; "line one\nline two" is learned and scored as "line one line two"`, find("line one\nline two"))
	assert.Equal(t, `3 of 4 targets cannot be written by this tokenizer: {, }, ' '; "a { b } c" is learned and scored as "a b c"`, find("a { b } c", "a", "a { b } c", "a  b"))
	assert.Contains(t, find("ABCDEFGHIJKLMNO"), "A, B, C, D, E, F, G, H, I, J, K, L, and 3 more; ")
}
