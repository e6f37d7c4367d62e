package jsontext

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/allocation"
)

type file struct {
	Whole  int                `json:"whole"`
	Number float64            `json:"number"`
	Text   string             `json:"text"`
	Switch *bool              `json:"switch"`
	List   []int              `json:"list"`
	Object map[string]int     `json:"object"`
	Inner  struct{ Deep int } `json:"inner"`
}

func TestUnmarshal(t *testing.T) {
	for text, want := range map[string]file{
		"\xef\xbb\xbf{\"whole\": 3}": {Whole: 3},
		`{"whole": 64.0, "number": 2.5, "list": [1e3, -2.0, 7], "text": "64.0 \" 1.0"}`: {
			Whole: 64, Number: 2.5, List: []int{1000, -2, 7}, Text: `64.0 " 1.0`},
		`{"number": 3, "object": {"a": 1.0}}`: {Number: 3, Object: map[string]int{"a": 1}},
	} {
		var got file
		require.NoError(t, Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got, text)
	}
	// What is kept as it stands stays as it is.
	var raw map[string]json.RawMessage
	require.NoError(t, Unmarshal([]byte(`{"a": 1.0}`), &raw))
	assert.Equal(t, "1.0", string(raw["a"]))
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"whole": [1]}`:           "whole is a list, expected a whole number",
		`{"whole": "8"}`:           "whole is a text, expected a whole number",
		`{"whole": 8.5}`:           "whole is 8.5, expected a whole number",
		`{"whole": 1e300}`:         "whole is 1e300, expected a whole number",
		`{"number": {}}`:           "number is an object, expected a number",
		`{"text": 3}`:              "text is a number, expected a text",
		`{"switch": "yes"}`:        "switch is a text, expected true or false",
		`{"list": true}`:           "list is true or false, expected a list",
		`{"object": []}`:           "object is a list, expected an object",
		`{"inner": {"Deep": "x"}}`: "inner.Deep is a text, expected a whole number",
		`[]`:                       "the whole is a list, expected an object",
		"{\n \"a\": vé}":           "line 2, column 7: this is no JSON: invalid character 'v' looking for beginning of value",
		"{\"é\": 1,}":              "line 1, column 9: this is no JSON",
		`{"whole": 1`:              "the JSON ends too early: is the file cut off?",
		" \n":                      "the file is empty",
		"":                         "the file is empty",
		"\xef\xbb\xbf":             "the file is empty",
	} {
		var f file
		err := Unmarshal([]byte(text), &f)
		require.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "Go ", text)
		assert.NotContains(t, err.Error(), "jsontext", text)
		assert.NotContains(t, err.Error(), "\n", text)
	}
}

func TestSeparators(t *testing.T) {
	for text, want := range map[string]int{"": 0, `{"a": 1}`: 1, `{"a": [1, 2], "b:,": "\",:"}`: 4, `"\\`: 0} {
		assert.Equal(t, want, Separators([]byte(text)), text)
	}
	crowded := []byte("{" + strings.Repeat(`"":1,`, maxSeparators) + `"a":1}`)
	allocation.Check(t, len(crowded), func() {
		var raw map[string]json.RawMessage
		assert.ErrorContains(t, Unmarshal(crowded, &raw), "members and elements")
	})
	full := []byte(`{"": 1` + strings.Repeat(`,"a":1`, maxSeparators/2-1) + "}")
	allocation.Check(t, len(full), func() {
		var raw map[string]json.RawMessage
		assert.NoError(t, Unmarshal(full, &raw))
	})
}

func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{"whole": 64.0, "list": [1e3]}`, `{"text": "\\", "whole": 1.}`, `{"a":"\"`, "\xef\xbb\xbf{}", "[1,\n2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v file
		if err := Unmarshal(data, &v); err != nil {
			require.NotContains(t, err.Error(), "Go struct")
			return
		}
		require.True(t, json.Valid(data) || strings.HasPrefix(string(data), "\xef\xbb\xbf"))
	})
}
