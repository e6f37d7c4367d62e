package dept

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnswers(t *testing.T) {
	var none *Answers
	assert.Equal(t, []any{"a text", "an answer", []string(nil)}, []any{none.Source("a text"), none.Name("an answer"), none.Ranked()})
	a := &Answers{Template: "Is {text} good?", Labels: []string{"0", "1"}, Names: []string{"no", "yes"}}
	assert.Equal(t, "Is it {text} good?", a.Source("it {text}"))
	assert.Equal(t, []string{"yes", "maybe"}, []string{a.Name(" 1"), a.Name("maybe")})
	assert.Equal(t, []string{"1", "0", "maybe"}, []string{a.Target("yes "), a.Target("0"), a.Target("maybe")})
	assert.Equal(t, [][]string{nil, {"no", "yes"}, {"0"}}, [][]string{none.Classes(), a.Classes(), (&Answers{Labels: []string{"0"}}).Classes()})
	assert.Equal(t, "yes", none.Target("yes"))
	assert.Nil(t, a.Ranked())
	assert.Equal(t, `as "Is {text} good?", answered by writing 0 for no, 1 for yes`, a.String())

	for note, want := range map[string]string{
		`[]`: "no JSON object", `{"labels": 3}`: "no JSON object", `{"rank": true}`: "no labels to rank", `{"labels": ["a", " "]}`: "empty",
		`{"template": "x"}`: "no {text}", `{"names": ["a"]}`: "1 names for 0 labels",
	} {
		_, err := parseAnswers(note)
		assert.ErrorContains(t, err, want, note)
	}
	read, err := parseAnswers("")
	require.NoError(t, err)
	assert.Nil(t, read)
}
