package train

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/text"
)

// Labels that are one text to the tokenizer are refused, before anything is trained.
func TestLabelsReadAlike(t *testing.T) {
	tok, err := text.NewUnigram([]text.Piece{{Text: "▁yes"}, {Text: "▁no"}})
	require.NoError(t, err)
	check := func(labels ...string) error { return CheckLabels(tok, labels) }
	assert.NoError(t, check("yes", "no", "yes"))
	assert.ErrorContains(t, check("yes", "no", "no!"), `reads the labels "no" and "no!" alike, as "no": give labels that it can write`)
}

func TestLargest(t *testing.T) {
	for limit := range 12 {
		assert.Equal(t, min(limit, 9), largest(10, func(n int) bool { return n <= limit }))
	}
}
