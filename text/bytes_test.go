package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The ids are those of transformers 4.57 and 5.24, which scripts/tokenizer_peers.py compares on more.
func TestByT5(t *testing.T) {
	special := `{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 0, "additional_special_tokens": ["<extra_id_0>", {"content": "<extra_id_1>"}]}`
	for name, c := range map[string]struct {
		files map[string]string
		size  int
	}{
		"its tokenizer_config.json": {map[string]string{configFile: `{"tokenizer_class": "ByT5Tokenizer"}`}, 384},
		"the model's config.json":   {map[string]string{"config.json": `{"tokenizer_class": "ByT5Tokenizer"}`}, 384},
		"listed sentinels":          {map[string]string{configFile: special}, 261},
		"extra_ids":                 {map[string]string{configFile: `{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 3}`}, 262},
		"added_tokens.json": {map[string]string{
			configFile: `{"tokenizer_class": "ByT5Tokenizer"}`, addedFile: `{"<extra_id_1>": 260, "<extra_id_0>": 259}`,
		}, 261},
	} {
		tokenizer, err := OpenFS(folder(c.files))
		require.NoError(t, err, name)
		assert.Equal(t, c.size, tokenizer.VocabSize(), name)
		assert.Equal(t, []int32{0, 1}, []int32{tokenizer.Pad(), tokenizer.EOS()}, name)
		for text, want := range map[string][]int32{
			"":                          {},
			"hello":                     {107, 104, 111, 111, 114},
			"a <extra_id_0> b":          {100, 35, 259, 35, 101},
			"a </s> b":                  {100, 1, 101},
			"a  <pad>  b":               {100, 0, 101},
			"é\n<unk>x":                 {198, 172, 2, 123},
			"  sp ":                     {35, 35, 118, 115, 35},
			"<extra_id_1><extra_id_9 >": append([]int32{260}, tokenizer.Encode("<extra_id_9 >")...),
		} {
			assert.Equal(t, want, append([]int32{}, tokenizer.Encode(text)...), "%s: %q", name, text)
		}
		for want, ids := range map[string][]int32{
			"é":            {198, 172, 1},
			"a\x02":        {198, 100, 1, 5},
			"":             {258, 0, 229, 153},
			"ab":           {100, 259, 2, 101, 5000, -1},
			"\x00\x01  ▁ ": tokenizer.Encode("\x00\x01  ▁ "),
		} {
			assert.Equal(t, want, tokenizer.Decode(ids), "%s: %v", name, ids)
		}

		dir := t.TempDir()
		require.NoError(t, tokenizer.Save(dir))
		again := must(Open(dir))
		assert.Equal(t, tokenizer.pieces, again.pieces, name)
		assert.NoFileExists(t, filepath.Join(dir, tokenizerFile), "transformers would read it as another kind")
	}
	_, err := OpenFS(folder(map[string]string{configFile: `{"tokenizer_class": "ByT5Tokenizer"}`, addedFile: `{"x": 2000000}`}))
	assert.ErrorContains(t, err, "ByT5")
}

// Each kind of tokenizer that is not read is called by its name.
func TestOtherTokenizers(t *testing.T) {
	for name, c := range map[string]struct{ file, data, want string }{
		"BPE":               {tokenizerFile, `{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}}`, "this tokenizer is a BPE, as CodeT5's; dept reads T5's Unigram and ByT5's bytes"},
		"CodeT5's files":    {"merges.txt", "#version: 0.2\n", "this tokenizer is a BPE, as CodeT5's; dept reads"},
		"WordPiece":         {tokenizerFile, `{"model":{"type":"WordPiece","vocab":{"a":0}}}`, "a WordPiece, as BERT's; dept reads"},
		"BERT's file":       {"vocab.txt", "[PAD]\n", "a WordPiece, as BERT's; dept reads"},
		"WordLevel":         {tokenizerFile, `{"model":{"type":"WordLevel","vocab":{"a":0}}}`, "a WordLevel; dept reads"},
		"Llama's file":      {"tokenizer.model", "\n", "as Llama's; dept reads"},
		"SentencePiece BPE": {sentencePieceFile, string(message{}.bytes(2, message{}.number(3, 2))), "a BPE, as Llama's; dept reads"},
		"byte-order mark":   {tokenizerFile, "\ufeff" + `{"model":{"type":"BPE"}}`, "a BPE, as CodeT5's"},
		"not JSON":          {tokenizerFile, "<html>", "an HTML page"},
		"LFS pointer":       {sentencePieceFile, "version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
		"cut off":           {tokenizerFile, "{", "the JSON ends too early"},
		"another shape":     {tokenizerFile, `{"model":[]}`, "model is a list"},
		"vocab of another":  {tokenizerFile, `{"model":{"type":"Unigram","unk_id":0,"vocab":{"a":0}}}`, "no list of pieces"},
	} {
		_, err := OpenFS(folder(map[string]string{c.file: c.data}))
		require.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "Go ", name)
		assert.NotContains(t, err.Error(), "text.", name)
	}
}

// A small model of mT5's kind gives the ids that SentencePiece gives, from its spiece.model and from the
// tokenizer.json that is saved beside it. scripts/tokenizer_peers.py made the file and compares more.
func TestMT5(t *testing.T) {
	dir := filepath.Join("testdata", "byte_fallback")
	var expect struct {
		Cases []struct {
			Text, Decoded *string
			Bytes         []int // of a text that is not UTF-8
			IDs           []int32
		}
	}
	require.NoError(t, json.Unmarshal(must(os.ReadFile(filepath.Join(dir, "expect.json"))), &expect))
	require.NotEmpty(t, expect.Cases)
	model := string(must(os.ReadFile(filepath.Join(dir, sentencePieceFile))))
	config := `{"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": null}`
	first, err := OpenFS(folder(map[string]string{sentencePieceFile: model, configFile: config}))
	require.NoError(t, err)
	saved := t.TempDir()
	require.NoError(t, first.Save(saved))
	for name, tokenizer := range map[string]*Tokenizer{sentencePieceFile: first, tokenizerFile: must(Open(saved))} {
		for _, c := range expect.Cases {
			var invalid []byte
			for _, b := range c.Bytes {
				invalid = append(invalid, byte(b))
			}
			if c.Text != nil || invalid != nil {
				text := string(invalid)
				if c.Text != nil {
					text = *c.Text
				}
				assert.Equal(t, c.IDs, append([]int32{}, tokenizer.Encode(text)...), "%s: %q", name, text)
			}
			if c.Decoded != nil {
				assert.Equal(t, *c.Decoded, tokenizer.Decode(c.IDs), "%s: %v", name, c.IDs)
			}
		}
		ids := tokenizer.Encode("x</s>" + strings.Repeat("界", 3))
		assert.Equal(t, tokenizer.EOS(), ids[len(tokenizer.Encode("x"))], "added tokens in the middle")
	}
}
