package text

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sugarme "github.com/sugarme/tokenizer/model/unigram"

	"github.com/go-dept/dept/internal/allocation"
	"github.com/go-dept/dept/internal/reference"
)

// tinyPieces is a vocabulary of a few words and of letters to spell others with.
func tinyPieces() []Piece {
	pieces := []Piece{{"▁", -3}, {"▁the", -1}, {"▁film", -2}, {"▁a", -2}, {"s", -3}, {".", -3}, {"ing", -3}, {"é", -6}, {"生", -8}}
	for c := 'a'; c <= 'z'; c++ {
		if c != 's' {
			pieces = append(pieces, Piece{string(c), -5})
		}
	}
	return pieces
}

func tinyTokenizer(t testing.TB) *Tokenizer {
	t.Helper()
	tokenizer, err := NewUnigram(tinyPieces())
	require.NoError(t, err)
	return tokenizer
}

// texts of the pieces that encoding finds.
func piecesOf(t testing.TB, tokenizer *Tokenizer, text string) []string {
	t.Helper()
	ids := tokenizer.Encode(text)
	pieces := []string{}
	for _, id := range ids {
		pieces = append(pieces, tokenizer.Piece(id))
	}
	return pieces
}

func TestTinyTokenizer(t *testing.T) {
	tokenizer := tinyTokenizer(t)
	n := 3 + len(tinyPieces()) + sentinels
	assert.Equal(t, n, tokenizer.VocabSize())
	assert.Equal(t, int32(0), tokenizer.Pad())
	assert.Equal(t, int32(1), tokenizer.EOS())
	for text, want := range map[string][]string{
		"":                           {},
		"   \t\n":                    {},
		"the film":                   {"▁the", "▁film"},
		"  the\n films. ":            {"▁the", "▁film", "s", "."},
		"filming":                    {"▁film", "ing"},
		"thesis":                     {"▁the", "s", "i", "s"},
		"▁the ▁film":                 {"▁the", "▁film"},
		"Xé":                         {"▁", "<unk>", "é"},
		"QXY the":                    {"▁", "<unk>", "▁the"},
		"生活的":                        {"▁", "生", "<unk>"},
		"the <extra_id_0>film</s>":   {"▁the", "<extra_id_0>", "▁film", "</s>"},
		"<extra_id_10><extra_id_1>0": {"<extra_id_10>", "<extra_id_1>", "▁", "<unk>"},
		"<extra_id_100>":             {"▁", "<unk>", "e", "x", "t", "r", "a", "<unk>", "i", "d", "<unk>"},
		"<pad>the<unk>":              {"<pad>", "▁the", "<unk>"},
		"\xff\xfe":                   {"▁", "<unk>"},
		"a\x00b":                     {"▁a", "<unk>", "b"},
	} {
		assert.Equal(t, want, piecesOf(t, tokenizer, text), "%q", text)
	}
	ids := tokenizer.Encode("<extra_id_0><extra_id_99>")
	assert.Equal(t, []int32{int32(n - 1), int32(n - sentinels)}, ids)
}

func TestDecode(t *testing.T) {
	tokenizer := tinyTokenizer(t)
	ids := tokenizer.Encode("the films <extra_id_3> a film.")
	assert.Equal(t, "the films a film.", tokenizer.Decode(ids))
	ids = slices.Concat([]int32{0}, ids, []int32{1, 0, 0, 2, -1, math.MinInt32, math.MaxInt32, int32(tokenizer.VocabSize())})
	assert.Equal(t, "the films a film.", tokenizer.Decode(ids), "special ids and such that do not exist have no text")
	assert.Empty(t, tokenizer.Decode(nil))
}

func TestUnwritable(t *testing.T) {
	tokenizer := tinyTokenizer(t)
	for text, want := range map[string]string{
		"":                                  "",
		" the films. ":                      "",
		"<extra_id_0> the <extra_id_1>film": "",
		"the\nfilm":                         "\n",
		"the  film":                         " ",
		"the {film} {X}":                    "{}X",
		"the 生{<extra_id_0>{ a }":           "{}",
	} {
		differs, gone := tokenizer.Unwritable(text)
		assert.Equal(t, want, string(gone), "%q", text)
		assert.Equal(t, want != "", differs, "%q", text)
	}
	differs, gone := charsmapTokenizer(t).Unwritable("ﬁlm ABC")
	assert.True(t, differs)
	assert.Equal(t, "ﬁABC", string(gone))
	everything, err := OpenFS(folder(map[string]string{configFile: `{"tokenizer_class": "ByT5Tokenizer"}`}))
	require.NoError(t, err)
	differs, _ = everything.Unwritable("{\n  \t生 ABC ﬁ\x00</s>}")
	assert.False(t, differs)
}

func TestTokenizerSaveAndOpen(t *testing.T) {
	first := tinyTokenizer(t)
	dir := filepath.Join(t.TempDir(), "made", "by", "it")
	require.NoError(t, first.Save(dir))
	companion := []byte(`{"tokenizer_class":"T5Tokenizer"}`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), companion, 0o644))
	second, err := Open(dir)
	require.NoError(t, err)
	copied := t.TempDir()
	require.NoError(t, second.Save(copied))
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(copied, name))
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	text := "the films <extra_id_7> é"
	assert.Equal(t, piecesOf(t, first, text), piecesOf(t, second, text))
	assert.Equal(t, first.pieces, second.pieces)
}

// A spiece.model is saved with a tokenizer.json beside it that encodes alike, if there can be one: not where
// pieces are the user's, which a tokenizer.json cannot keep from being normalised.
func TestSaveSentencePiece(t *testing.T) {
	models := map[string][]byte{"own": tinyModel(rules), "plain": tinyModelOf(rules, 1)}
	if dir, ok := reference.Path(t, "data"); ok {
		models["T5's"] = must(os.ReadFile(filepath.Join(dir, "tokenizer", "spiece.model")))
	}
	for name, data := range models {
		first := must(ParseSentencePiece(data))
		dir := t.TempDir()
		require.NoError(t, first.Save(dir))
		assert.Equal(t, data, must(os.ReadFile(filepath.Join(dir, sentencePieceFile))), name)
		second := must(Open(dir))
		_, written := second.files[tokenizerFile]
		assert.Equal(t, name != "own", written, name)
		for _, text := range []string{"the films <extra_id_7> é", "ﬁne ½ “quoted” AB ABC", "  two  spaces ", "</s> inside", "日本語 ＡＢＣ", "unused <s> own"} {
			assert.Equal(t, first.Encode(text), second.Encode(text), "%s: %.80q", name, text)
		}
	}
}

// Hugging Face's tokenizers take the ids of added tokens from the vocabulary, and transformers' T5Tokenizer has no
// byte fallback: what is written says both in their way.
func TestSaveForOthers(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"sentinels":     {sentencePieceFile: string(tinyModelOf(rules, 1))},
		"gap":           {sentencePieceFile: string(tinyModelOf(rules, 1)), addedFile: `{"<own>": 200, "<extra_id_0>": 150}`},
		"byte fallback": {sentencePieceFile: string(must(os.ReadFile("testdata/byte_fallback/spiece.model"))), configFile: `{"tokenizer_class": "T5Tokenizer", "extra_ids": 3}`},
	} {
		first := must(OpenFS(folder(files)))
		dir := t.TempDir()
		require.NoError(t, first.Save(dir), name)
		var saved struct {
			AddedTokens []addedJSON `json:"added_tokens"`
			Model       struct {
				Vocab [][]any
			}
		}
		require.NoError(t, json.Unmarshal(must(os.ReadFile(filepath.Join(dir, tokenizerFile))), &saved), name)
		assert.True(t, slices.IsSortedFunc(saved.AddedTokens, func(a, b addedJSON) int { return a.ID - b.ID }), name)
		for _, a := range saved.AddedTokens {
			assert.Equal(t, a.Content, saved.Model.Vocab[a.ID][0], name)
		}
		second := must(Open(dir))
		assert.Equal(t, first.VocabSize(), second.VocabSize(), name)
		text := "the films <extra_id_0> é <own> 生"
		assert.Equal(t, first.Encode(text), second.Encode(text), name)
		if name == "byte fallback" {
			assert.JSONEq(t, `{"tokenizer_class": "PreTrainedTokenizerFast", "extra_ids": 3, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}`, string(must(os.ReadFile(filepath.Join(dir, configFile)))))
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	assert.ErrorContains(t, err, "neither tokenizer.json nor spiece.model")
	assert.ErrorContains(t, err, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "spiece.model"), []byte("\xff"), 0o644))
	_, err = Open(dir)
	assert.ErrorContains(t, err, filepath.Join(dir, "spiece.model"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte("{"), 0o644))
	_, err = Open(dir)
	assert.ErrorContains(t, err, filepath.Join(dir, "tokenizer.json"))
}

func TestNewUnigramRefuses(t *testing.T) {
	for _, c := range []struct {
		piece Piece
		want  string
	}{
		{Piece{"", -1}, "is empty"},
		{Piece{"two words", -1}, "has a space"},
		{Piece{"▁two▁words", -1}, "has a space or a ▁"},
		{Piece{"▁the", -1}, "there twice"},
		{Piece{"<unk>", -1}, "there twice"},
		{Piece{"<extra_id_5>", -1}, "there twice"},
		{Piece{"▁x", math.NaN()}, "score NaN"},
		{Piece{"▁x", math.Inf(-1)}, "score -Inf"},
		{Piece{"\xff", -1}, "UTF-8"},
	} {
		_, err := NewUnigram(append(tinyPieces(), c.piece))
		assert.ErrorContains(t, err, c.want, "%q", c.piece.Text)
	}
	long := "▁" + strings.Repeat("abc", 500)
	longest, err := NewUnigram(append(tinyPieces(), Piece{long, -1}))
	require.NoError(t, err)
	assert.Equal(t, []string{long, "s"}, piecesOf(t, longest, long[len("▁"):]+"s"))
}

// The sum of scores is the best there is, by trying all ways to cut a word, and that of another search.
func TestEncodeFindsBestSum(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	pieces := []Piece{{"▁", -2}, {"a", -4}, {"b", -5}, {"c", -6}}
	seen := map[string]bool{}
	for len(pieces) < 40 {
		var text strings.Builder
		if random.IntN(3) == 0 {
			text.WriteString("▁")
		}
		for range 2 + random.IntN(4) {
			text.WriteByte("abc"[random.IntN(3)])
		}
		if !seen[text.String()] {
			seen[text.String()] = true
			pieces = append(pieces, Piece{text.String(), -float64(random.IntN(1<<10)) / 64})
		}
	}
	tokenizer, err := NewUnigram(pieces)
	require.NoError(t, err)
	score := map[string]float64{}
	vocab := []sugarme.TokenScore{{Token: unkPiece}}
	for _, p := range pieces {
		score[p.Text] = p.Score
		vocab = append(vocab, sugarme.TokenScore{Token: p.Text, Score: p.Score})
	}
	library, err := sugarme.NewUnigramBuilder().Vocab(vocab).UnkID(0).Build()
	require.NoError(t, err)
	for range 300 {
		word := make([]byte, 1+random.IntN(30))
		for i := range word {
			word[i] = "abc"[random.IntN(3)]
		}
		full := "▁" + string(word)
		best := make([]float64, len(full)+1)
		for end := 1; end <= len(full); end++ {
			best[end] = math.Inf(-1)
			for start := range end {
				if s, ok := score[full[start:end]]; ok {
					best[end] = max(best[end], best[start]+s)
				}
			}
		}
		found := piecesOf(t, tokenizer, string(word))
		assert.Equal(t, full, strings.Join(found, ""))
		sum := 0.0
		for _, p := range found {
			sum += score[p]
		}
		assert.Equal(t, best[len(full)], sum, string(word)) // 32 bits hold all sums
		theirs := 0.0
		for _, token := range must(library.Tokenize(full)) {
			theirs += score[token.Value]
		}
		assert.Equal(t, theirs, sum, string(word))
	}
}

// longText is how many bytes the long texts of hostile have.
const longText = 8 << 10

func long(part string) string { return strings.Repeat(part, longText/len(part)) }

// hostile are texts that have brought tokenizers down.
func hostile() map[string]string {
	return map[string]string{
		"empty":                "",
		"NUL":                  "\x00\x00 \x00",
		"invalid UTF-8":        "a\xff\xc3 \xe2\x96 \xf0\x9f\x98",
		"surrogate":            "\xed\xa0\x80",
		"one long word":        long("films"),
		"one long unknown":     long("界"),
		"long run":             long("a"),
		"many words":           long("the film "),
		"many spaces":          long(" "),
		"many sentinels":       long("<extra_id_0>"),
		"almost sentinels":     long("<extra_id_"),
		"combining marks":      "e" + long("\u0301"),
		"joined emoji":         long("👩\u200d"),
		"byte order mark":      "\ufeffthe film",
		"right to left":        "שלום עולם مرحبا",
		"line separators":      "the\u2028film\u2029a\u0085a\va\fa",
		"replacement char":     "\ufffd",
		"private use":          "\U0010ffff\ue000",
		"only word starts":     strings.Repeat("▁", 1000),
		"prefix of word start": "\xe2\x96",
	}
}

func TestEncodeHostileTexts(t *testing.T) {
	tokenizers := map[string]*Tokenizer{"tiny": tinyTokenizer(t), "with charsmap": charsmapTokenizer(t)}
	if dir, ok := reference.Path(t, "data", "tokenizer"); ok {
		real, err := Open(dir)
		require.NoError(t, err)
		tokenizers["T5"] = real
	}
	for name, tokenizer := range tokenizers {
		for kind, text := range hostile() {
			ids := tokenizer.Encode(text)
			for _, id := range ids {
				require.True(t, id >= 0 && int(id) < tokenizer.VocabSize(), "%s, %s", name, kind)
			}
			tokenizer.Decode(ids)
		}
	}
}

// A long word is searched as a whole; unknown runs are one token.
func TestLongWords(t *testing.T) {
	tokenizer := tinyTokenizer(t)
	assert.Equal(t, []string{"▁", "<unk>"}, piecesOf(t, tokenizer, strings.Repeat("界", 5000)))
	ids := tokenizer.Encode(strings.Repeat("x", 5000))
	assert.Len(t, ids, 5001)
	assert.Equal(t, strings.Repeat("é", 3000), tokenizer.Decode(tokenizer.Encode(strings.Repeat("é", 3000))))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Many goroutines get what one gets. The race detector watches when it is on.
func TestEncodeConcurrently(t *testing.T) {
	tokenizer := tinyTokenizer(t)
	texts := make([]string, 64)
	want := make([][]int32, len(texts))
	fresh := tinyTokenizer(t)
	for i := range texts {
		texts[i] = fmt.Sprintf("the film%s <extra_id_%d> é", strings.Repeat("s", i), i)
		want[i] = fresh.Encode(texts[i])
	}
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range texts {
				i = (i + 8*g) % len(texts)
				ids := tokenizer.Encode(texts[i])
				assert.Equal(t, want[i], ids)
				tokenizer.Decode(ids)
			}
		})
	}
	group.Wait()
}

// editJSON changes the tiny tokenizer.json: edit gets it decoded.
func editJSON(t testing.TB, edit func(file map[string]any)) []byte {
	t.Helper()
	var file map[string]any
	require.NoError(t, json.Unmarshal(tinyTokenizer(t).files["tokenizer.json"], &file))
	edit(file)
	data, err := json.Marshal(file)
	require.NoError(t, err)
	return data
}

// setJSON makes an edit that puts value at a path of keys.
func setJSON(value any, path ...string) func(map[string]any) {
	return func(file map[string]any) {
		for _, key := range path[:len(path)-1] {
			file = file[key].(map[string]any)
		}
		file[path[len(path)-1]] = value
	}
}

func addToken(fields map[string]any) func(map[string]any) {
	return func(file map[string]any) { file["added_tokens"] = append(file["added_tokens"].([]any), fields) }
}

type object = map[string]any

// badTokenizers are edits of a good tokenizer.json and what the error says about each.
func badTokenizers() map[string]struct {
	edit func(map[string]any)
	want string
} {
	precompiled := func(charsmap string) any { return object{"type": "Precompiled", "precompiled_charsmap": charsmap} }
	return map[string]struct {
		edit func(map[string]any)
		want string
	}{
		"BPE":                     {setJSON("BPE", "model", "type"), "this tokenizer is a BPE, as CodeT5's; dept reads T5's Unigram and ByT5's bytes"},
		"old BPE":                 {func(file map[string]any) { file["model"] = object{"vocab": object{"a": 0}, "merges": []any{}} }, "a BPE, as CodeT5's"},
		"WordPiece":               {setJSON(object{"type": "WordPiece", "vocab": object{"a": 0}}, "model"), "a WordPiece, as BERT's"},
		"no unk_id":               {setJSON(nil, "model", "unk_id"), "no unk_id"},
		"unk_id too large":        {setJSON(500, "model", "unk_id"), "500, outside"},
		"unk_id negative":         {setJSON(-1, "model", "unk_id"), "-1, outside"},
		"unk_id a fraction":       {setJSON(1.5, "model", "unk_id"), "unk_id"},
		"no vocabulary":           {setJSON(nil, "model", "vocab"), "0 pieces"},
		"vocabulary an object":    {setJSON(object{"a": 1}, "model", "vocab"), "vocab"},
		"entry of one":            {setJSON([]any{[]any{"a"}}, "model", "vocab"), "not a pair"},
		"entry reversed":          {setJSON([]any{[]any{-1, "a"}}, "model", "vocab"), "not a pair"},
		"entry null":              {setJSON([]any{nil}, "model", "vocab"), "piece"},
		"no end token":            {setJSON([]any{[]any{"a", 0}}, "model", "vocab"), "outside the 1 pieces"},
		"no pre-tokenizer":        {setJSON(nil, "pre_tokenizer"), "no pre_tokenizer"},
		"other pre-tokenizer":     {setJSON(object{"type": "ByteLevel"}, "pre_tokenizer"), `"ByteLevel"`},
		"empty sequence":          {setJSON(object{"type": "Sequence"}, "pre_tokenizer"), `"Sequence"`},
		"other replacement":       {setJSON(object{"type": "Metaspace", "replacement": "_"}, "pre_tokenizer"), `"_"`},
		"no prefix":               {setJSON(object{"type": "Metaspace", "replacement": "▁", "add_prefix_space": false}, "pre_tokenizer"), "prepend_scheme"},
		"other normalizer":        {setJSON(object{"type": "Lowercase"}, "normalizer"), `"Lowercase"`},
		"replacing letters":       {setJSON(object{"type": "Replace", "pattern": object{"String": "a"}, "content": " "}, "normalizer"), `"Replace"`},
		"charsmap not base64":     {setJSON(precompiled("*"), "normalizer"), "base64"},
		"charsmap of three bytes": {setJSON(precompiled("AAAA"), "normalizer"), "shorter than 4"},
		"charsmap cut off":        {setJSON(precompiled(base64.StdEncoding.EncodeToString([]byte{8, 0, 0, 0, 1, 2, 3, 4})), "normalizer"), "claims a trie of 8"},
		"charsmap without end":    {setJSON(precompiled(base64.StdEncoding.EncodeToString([]byte{4, 0, 0, 0, 1, 2, 3, 4, 'a'})), "normalizer"), "zero byte"},
		"charsmap that blows up":  {setJSON(precompiled(base64.StdEncoding.EncodeToString(append([]byte{4, 0, 0, 0, 1, 2, 3, 4}, strings.Repeat("a", 300)+"\x00"...))), "normalizer"), "300 bytes"},
		"two charsmaps":           {setJSON(object{"type": "Sequence", "normalizers": []any{precompiled("BAAAAAAAAAA="), precompiled("BAAAAAAAAAA=")}}, "normalizer"), "two"},
		"added token far out":     {addToken(object{"id": 1 << 40, "content": "x!"}), "outside"},
		"added token negative":    {addToken(object{"id": -1, "content": "x!"}), "outside"},
		"added token on another":  {addToken(object{"id": 1, "content": "x!"}), `"</s>" has that`},
		"added token elsewhere":   {addToken(object{"id": 500, "content": "▁the"}), "the vocabulary has it at 4"},
		"added token single word": {addToken(object{"id": 500, "content": "x!", "single_word": true}), "single_word"},
	}
}

func TestBadTokenizerJSON(t *testing.T) {
	for name, c := range badTokenizers() {
		_, err := ParseJSON(editJSON(t, c.edit))
		assert.ErrorContains(t, err, c.want, name)
	}
	for _, text := range []string{"", "{", "null", "[]", "{}", `{"model":{"vocab":[["a",1e999]]}}`} {
		_, err := ParseJSON([]byte(text))
		assert.Error(t, err, text)
	}
}

func TestTokenizerJSONVariants(t *testing.T) {
	text := "the films</s>s a<extra_id_0> s"
	want := []string{"▁the", "▁film", "s", "</s>", "▁", "s", "▁a", "<extra_id_0>", "▁", "s"}
	metaspace := func(scheme string) any {
		return object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true}
	}
	for name, edit := range map[string]func(map[string]any){
		"as written":                  func(map[string]any) {},
		"no model type":               func(file map[string]any) { delete(file["model"].(map[string]any), "type") },
		"metaspace alone":             setJSON(metaspace("always"), "pre_tokenizer"),
		"old metaspace":               setJSON(object{"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}, "pre_tokenizer"),
		"normalizer that only spaces": setJSON(object{"type": "Sequence", "normalizers": []any{object{"type": "Strip"}, object{"type": "Replace", "pattern": object{"Regex": " {2,}"}, "content": "▁"}}}, "normalizer"),
		"added token without content": addToken(object{"id": 7, "content": ""}),
		"truncation and padding": func(file map[string]any) {
			file["truncation"] = object{"max_length": 2}
			file["padding"] = object{"strategy": "BatchLongest"}
		},
	} {
		tokenizer, err := ParseJSON(editJSON(t, edit))
		require.NoError(t, err, name)
		assert.Equal(t, want, piecesOf(t, tokenizer, text), name)
	}
	first, err := ParseJSON(editJSON(t, setJSON(metaspace("first"), "pre_tokenizer")))
	require.NoError(t, err)
	assert.Equal(t, []string{"▁the", "▁film", "s", "</s>", "s", "▁a", "<extra_id_0>", "▁", "s"}, piecesOf(t, first, text))

	own, err := ParseJSON(editJSON(t, addToken(object{"id": 500, "content": "\n", "special": false})))
	require.NoError(t, err)
	assert.Equal(t, []string{"▁the", "\n", "▁film"}, piecesOf(t, own, "the\nfilm"))
	assert.Equal(t, 501, own.VocabSize())
	assert.Equal(t, "the\n film", own.Decode(own.Encode("the\nfilm")), "a token of one's own has its text")
	assert.Empty(t, own.Decode([]int32{400}), "an id between the vocabulary and the token has none")
}

// vectors are the public test vectors of T5's tokenizer.
type vectors struct {
	Vectors []struct {
		Text    string
		IDs     []int32 `json:"ids"`
		Decoded string
		Class   string `json:"cls"`
		Note    string
	}
}

// Both files of T5's own tokenizer give the ids of every public vector.
func TestReferenceVectors(t *testing.T) {
	dir, ok := reference.Path(t, "data", "tokenizer")
	if !ok {
		return
	}
	var v vectors
	require.NoError(t, json.Unmarshal(must(os.ReadFile(filepath.Join(dir, "test_vectors.json"))), &v))
	require.NotEmpty(t, v.Vectors)
	for name, tokenizer := range referenceTokenizers(t, dir) {
		assert.Equal(t, 32100, tokenizer.VocabSize(), name)
		assert.Equal(t, int32(1), tokenizer.EOS(), name)
		assert.Equal(t, int32(0), tokenizer.Pad(), name)
		for i, c := range v.Vectors {
			ids := tokenizer.Encode(c.Text)
			if c.Note != "add_special_tokens=False" {
				ids = append(ids, tokenizer.EOS())
			}
			assert.Equal(t, c.IDs, ids, "%s, vector %d: %q", name, i, c.Text)
			// The vectors' decoded text shows special tokens, and lacks the spaces before
			// punctuation that Hugging Face's clean-up removes.
			if c.Decoded != "" && c.Class == "plain" && !strings.Contains(c.Decoded, "<unk>") {
				spaceless := func(s string) string { return strings.ReplaceAll(s, " ", "") }
				assert.Equal(t, spaceless(strings.TrimSuffix(c.Decoded, "</s>")), spaceless(tokenizer.Decode(ids)))
			}
		}
		ids := tokenizer.Encode("<extra_id_0> <extra_id_99>")
		assert.Equal(t, []int32{32099, 32000}, ids)
		assert.Empty(t, tokenizer.Decode([]int32{32100, 32127}), "rows of the embedding beyond the vocabulary")
	}
}

func referenceTokenizers(t *testing.T, dir string) map[string]*Tokenizer {
	t.Helper()
	return map[string]*Tokenizer{
		"tokenizer.json": must(ParseJSON(must(os.ReadFile(filepath.Join(dir, "tokenizer.json"))))),
		"spiece.model":   must(ParseSentencePiece(must(os.ReadFile(filepath.Join(dir, "spiece.model"))))),
	}
}

// Both files agree on real text, and decoding gives back all but unknown characters and spacing.
func TestReferenceTokenizersAgree(t *testing.T) {
	dir, ok := reference.Path(t, "data")
	if !ok {
		return
	}
	f, err := os.Open(filepath.Join(dir, "corpora", "wiki_en2014.valid.txt.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	both := referenceTokenizers(t, filepath.Join(dir, "tokenizer"))
	n := 0
	for ; n < 500 && lines.Scan(); n++ {
		a := both["tokenizer.json"].Encode(lines.Text())
		b := both["spiece.model"].Encode(lines.Text())
		require.Equal(t, a, b, "%q", lines.Text())
		if !slices.Contains(a, 2) {
			again := both["spiece.model"].Encode(both["spiece.model"].Decode(a))
			require.Equal(t, a, again, "%q", lines.Text())
		}
	}
	require.NoError(t, lines.Err())
	assert.Equal(t, 500, n)
}

// A model of 1,024 pieces beside the configuration of another tokenizer: the ids there count.
func TestReferenceTinySentencePiece(t *testing.T) {
	dir, ok := reference.Path(t, "data", "tiny_t5", "ort_tiny_t5")
	if !ok {
		return
	}
	tokenizer, err := Open(dir)
	require.NoError(t, err)
	assert.Equal(t, 32000+sentinels, tokenizer.VocabSize())
	assert.Equal(t, int32(1), tokenizer.EOS())
	assert.Equal(t, int32(0), tokenizer.Pad())
	assert.Equal(t, []int32{11, 1, 0, 2, 32099}, tokenizer.Encode("a </s> <pad> <unk> <extra_id_0>"), "as transformers 4.57 has it")
	text := "the quick brown fox, and so on."
	assert.Equal(t, text, tokenizer.Decode(tokenizer.Encode(text)))
	assert.NotContains(t, tokenizer.Encode(text), tokenizer.unk)
}

// FuzzEncode: any bytes are a text; its ids exist; decoding gives valid UTF-8.
func FuzzEncode(f *testing.F) {
	for _, text := range hostile() {
		if len(text) < 1000 {
			f.Add(text)
		}
	}
	f.Add("the films <extra_id_0> </s>")
	tokenizers := []*Tokenizer{tinyTokenizer(f), charsmapTokenizer(f)}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tokenizer := range tokenizers {
			ids := tokenizer.Encode(text)
			for _, id := range ids {
				require.True(t, id >= 0 && int(id) < tokenizer.VocabSize())
			}
			require.True(t, utf8.ValidString(tokenizer.Decode(ids)))
		}
	})
}

// encodes checks that a tokenizer, whatever it was read from, does its work.
func encodes(t testing.TB, tokenizer *Tokenizer) {
	t.Helper()
	ids := tokenizer.Encode("the film\tA <extra_id_0>é界\xff" + strings.Repeat("ab", 40))
	for _, id := range ids {
		require.True(t, id >= 0 && int(id) < tokenizer.VocabSize())
	}
	require.True(t, utf8.ValidString(tokenizer.Decode(ids)))
	tokenizer.Sentinel(1)
	tokenizer.Unwritable("a {\n")
	if tokenizer.VocabSize() < 1<<12 {
		_, err := tokenizer.vocabulary.json()
		require.NoError(t, err)
	}
}

// Small files that claim or hold much are refused, or read without much more room than they have themselves.
func TestParseWithinBounds(t *testing.T) {
	list := func(entry string, n int) string { return strings.TrimSuffix(strings.Repeat(entry+",", n), ",") }
	var pieces, model strings.Builder
	for i := range maxVocab - 3 - sentinels {
		fmt.Fprintf(&pieces, `["%x",0],`, i)
		model.Write(message{}.bytes(1, message{}.bytes(1, fmt.Appendf(nil, "%x", i))))
	}
	head, tail := `{"pre_tokenizer":{"type":"Metaspace","replacement":"▁"},"model":{"unk_id":0,"vocab":[`, `["</s>",0]]}}`
	special := string(message{}.bytes(1, entry("</s>", 0, 3)).bytes(1, entry("<unk>", 0, 2)))
	var long strings.Builder
	for i := range 16 { // two by two they have most of their text in common
		long.Write(message{}.bytes(1, message{}.bytes(1, fmt.Appendf(nil, "%c%s%d", 'a'+i/2, strings.Repeat("x", maxText/16-64), i))))
	}
	for name, c := range map[string]struct{ file, data, refused string }{
		"many pieces":          {tokenizerFile, head + pieces.String() + tail, ""},
		"more pieces":          {tokenizerFile, head + list(`["",0]`, 2*maxVocab) + "," + tail, "pieces"},
		"many added tokens":    {tokenizerFile, `{"added_tokens":[` + list("{}", 1<<20) + "]," + head[1:] + tail, "added_tokens has"},
		"many normalizers":     {tokenizerFile, `{"normalizer":{"type":"Sequence","normalizers":[` + list("{}", 1<<20) + "]}," + head[1:] + tail, "normalizer has"},
		"deep normalizers":     {tokenizerFile, `{"normalizer":` + strings.Repeat(`{"normalizers":[`, 5000) + strings.Repeat("]}", 5000) + "," + head[1:] + tail, "exceeded max depth"},
		"many pretokenizers":   {tokenizerFile, `{"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + list("{}", 1<<20) + "]}," + `"model":{"unk_id":0,"vocab":[` + tail, "pre_tokenizer has"},
		"a large decoder":      {tokenizerFile, `{"decoder":[` + list("[]", 1<<20) + "]," + head[1:] + tail, ""},
		"many pieces, spm":     {sentencePieceFile, special + model.String(), ""},
		"empty pieces, spm":    {sentencePieceFile, special + strings.Repeat("\x0a\x00", 8<<20), "pieces"},
		"long pieces, spm":     {sentencePieceFile, special + long.String(), ""},
		"longer pieces, spm":   {sentencePieceFile, special + string(message{}.bytes(1, message{}.bytes(1, bytes.Repeat([]byte("x"), maxText)))), "bytes of text"},
		"many special tokens":  {configFile, `{"additional_special_tokens":[` + list(`""`, 1<<15) + "]}", "additional_special_tokens has"},
		"many listed tokens":   {configFile, `{"added_tokens_decoder":{` + list(`"1":{}`, 1<<15) + "}}", "added_tokens_decoder has"},
		"many added, by id":    {addedFile, "{" + list(`"":1`, 1<<15) + "}", "entries"},
		"many sentinels":       {configFile, `{"extra_ids":100000000}`, "extra_ids"},
		"many sentinels, ByT5": {configFile, `{"tokenizer_class":"ByT5Tokenizer","extra_ids":100000000}`, "extra_ids"},
	} {
		files := map[string]string{c.file: c.data}
		if c.file != tokenizerFile && c.file != sentencePieceFile {
			files[sentencePieceFile] = special
		}
		dir := folder(files)
		allocation.Check(t, 2*len(c.data), func() { // of which one is the file as it is read
			_, err := OpenFS(dir)
			if c.refused == "" {
				require.NoError(t, err, name)
			} else {
				require.ErrorContains(t, err, c.refused, name)
			}
		})
	}
}

// FuzzParseTokenizer: any bytes are refused with an error or make a tokenizer that encodes.
func FuzzParseTokenizer(f *testing.F) {
	f.Add(tinyTokenizer(f).files["tokenizer.json"])
	small := editJSON(f, func(file map[string]any) {
		setJSON([]any{[]any{"</s>", 0}, []any{"▁a", -1}, []any{"u", 0}}, "model", "vocab")(file)
		file["added_tokens"] = []any{}
	})
	f.Add(small)
	for _, c := range badTokenizers() {
		f.Add(editJSON(f, c.edit))
	}
	f.Add(charsmapTokenizer(f).files["spiece.model"])
	f.Add([]byte(message{}.bytes(1, entry("</s>", 0, 3)).bytes(1, entry("<unk>", 0, 2)).bytes(1, entry("<0x41>", 0, 6)).bytes(2, message{}.number(35, 1))))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (*Tokenizer, error){ParseJSON, ParseSentencePiece} {
			var tokenizer *Tokenizer
			var err error
			allocation.Check(t, len(data), func() { tokenizer, err = parse(data) })
			if err == nil {
				encodes(t, tokenizer)
			}
		}
	})
}

// FuzzOpen: whatever is beside a tokenizer, it is refused with an error or there is one that encodes.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 3}`), []byte(`{"<extra_id_0>": 259}`))
	f.Add([]byte(`{"extra_ids": 2, "additional_special_tokens": ["<x>", {"content": "<y>"}]}`), []byte(`{"▁the": 3, "<own>": 500}`))
	f.Add([]byte(`{"added_tokens_decoder": {"1": {"content": "<pad>", "lstrip": true, "rstrip": true}, "2": {"content": "</s>"}, "40": {"content": ""}}}`), []byte("\ufeff{}"))
	model := string(tinyModel(rules))
	f.Fuzz(func(t *testing.T, config, added []byte) {
		dir := folder(map[string]string{sentencePieceFile: model, configFile: string(config), addedFile: string(added)})
		var tokenizer *Tokenizer
		var err error
		allocation.Check(t, len(model)+len(config)+len(added), func() { tokenizer, err = OpenFS(dir) })
		if err == nil {
			encodes(t, tokenizer)
		}
	})
}
