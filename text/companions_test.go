package text

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/reference"
)

// folder makes a file system of texts by file name.
func folder(files map[string]string) fstest.MapFS {
	dir := fstest.MapFS{}
	for name, data := range files {
		dir[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return dir
}

// How many sentinels there are and where they begin: as added_tokens_decoder or added_tokens.json say, else
// extra_ids, else 100 of them.
func TestInteropSentinels(t *testing.T) {
	model := string(tinyModel(nil))
	n := must(ParseSentencePiece([]byte(model))).VocabSize() - sentinels
	for name, c := range map[string]struct {
		files       map[string]string
		size        int
		first, last string // tokens, with their ids
		firstID     int
		lastID      int
		not         string // a text that is no token
	}{
		"nothing said":  {nil, n + 100, "<extra_id_0>", "<extra_id_99>", n + 99, n, "<extra_id_100>"},
		"extra_ids 20":  {map[string]string{configFile: `{"extra_ids": 20}`}, n + 20, "<extra_id_0>", "<extra_id_19>", n + 19, n, "<extra_id_20>"},
		"extra_ids 0":   {map[string]string{configFile: `{"extra_ids": 0}`}, n, "</s>", "<pad>", 1, 0, "<extra_id_0>"},
		"with a mark":   {map[string]string{configFile: "\ufeff" + `{"extra_ids": 2}`}, n + 2, "<extra_id_0>", "<extra_id_1>", n + 1, n, "<extra_id_2>"},
		"added_tokens":  {map[string]string{addedFile: fmt.Sprintf(`{"<extra_id_0>": %d, "<extra_id_1>": %d}`, n+7, n+3)}, n + 8, "<extra_id_0>", "<extra_id_1>", n + 7, n + 3, "<extra_id_2>"},
		"own token too": {map[string]string{addedFile: fmt.Sprintf(`{"<own>": %d}`, n+100)}, n + 101, "<extra_id_0>", "<own>", n + 99, n + 100, "<extra_id_100>"},
		"decoder": {map[string]string{
			configFile: fmt.Sprintf(`{"extra_ids": 1, "added_tokens_decoder": {"%d": {"content": "<extra_id_0>", "special": true}}}`, n+4),
			addedFile:  `{"<extra_id_0>": 5000}`,
		}, n + 5, "<extra_id_0>", "</s>", n + 4, 1, "<extra_id_1>"},
	} {
		files := map[string]string{sentencePieceFile: model}
		maps.Copy(files, c.files)
		tokenizer, err := OpenFS(folder(files))
		require.NoError(t, err, name)
		assert.Equal(t, c.size, tokenizer.VocabSize(), name)
		assert.Equal(t, []int32{int32(c.firstID), int32(c.lastID)}, tokenizer.Encode(c.first+" "+c.last), name)
		assert.Greater(t, len(tokenizer.Encode(c.not)), 2, name)
	}
	if dir, ok := reference.Path(t, "cases", "interop-sentinels"); ok {
		var expect []struct {
			Text string
			IDs  []int32
		}
		require.NoError(t, json.Unmarshal(must(os.ReadFile(filepath.Join(dir, "expect.json"))), &expect))
		tokenizer := must(Open(dir))
		for _, c := range expect {
			assert.Equal(t, c.IDs, append(tokenizer.Encode(c.Text), tokenizer.EOS()), "%q", c.Text)
		}
	}
}

func TestBadCompanions(t *testing.T) {
	for name, c := range map[string]struct{ file, data, want string }{
		"no JSON":          {configFile, `{"extra_ids": 1,`, "the JSON ends too early"},
		"extra_ids a text": {configFile, `{"extra_ids": "1"}`, "extra_ids is a text, expected a whole number"},
		"extra_ids < 0":    {configFile, `{"extra_ids": -1}`, "extra_ids is -1"},
		"extra_ids huge":   {configFile, `{"extra_ids": 100000000}`, "extra_ids is 100000000"},
		"no id":            {configFile, `{"added_tokens_decoder": {"x": {"content": "<own>"}}}`, `"x" where an id should be`},
		"id negative":      {configFile, `{"added_tokens_decoder": {"-1": {"content": "<own>"}}}`, "outside"},
		"id huge":          {addedFile, `{"<own>": 100000000}`, "outside"},
		"id a text":        {addedFile, `{"<own>": "1"}`, "is a text, expected a whole number"},
		"a list":           {addedFile, `["<own>"]`, "the whole is a list, expected"},
	} {
		_, err := OpenFS(folder(map[string]string{sentencePieceFile: string(tinyModel(nil)), c.file: c.data}))
		require.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "Go ", name)
	}
}

// mT5's sentinels are pieces of its own, with a ▁, and nothing is added to them.
func TestSentinelsThatArePieces(t *testing.T) {
	m := tinyModel(nil)
	for i := range 3 {
		m = m.bytes(1, entry(wordStart+sentinel(2-i), -1, 0))
	}
	tokenizer, err := ParseSentencePiece(m)
	require.NoError(t, err)
	id, ok := tokenizer.Sentinel(0)
	assert.True(t, ok)
	assert.Equal(t, tokenizer.VocabSize()-1, int(id))
	_, ok = tokenizer.Sentinel(3)
	assert.False(t, ok)
	assert.False(t, tokenizer.Ordinary(id))
	assert.True(t, tokenizer.Ordinary(tokenizer.Encode("the")[0]))
	for _, none := range []int32{tokenizer.Pad(), tokenizer.EOS(), -1, int32(tokenizer.VocabSize())} {
		assert.False(t, tokenizer.Ordinary(none), none)
	}
}
