package text

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// message assembles a protocol buffer.
type message []byte

func (m message) bytes(number int, value []byte) message {
	m = binary.AppendUvarint(m, uint64(number)<<3|2)
	m = binary.AppendUvarint(m, uint64(len(value)))
	return append(m, value...)
}

func (m message) number(number int, value uint64) message {
	m = binary.AppendUvarint(m, uint64(number)<<3)
	return binary.AppendUvarint(m, value)
}

func (m message) float(number int, value float32) message {
	m = binary.AppendUvarint(m, uint64(number)<<3|5)
	return binary.LittleEndian.AppendUint32(m, math.Float32bits(value))
}

// entry is a ModelProto.SentencePiece; kind 0 leaves the type out, which means NORMAL.
func entry(text string, score float32, kind uint64) message {
	m := message{}.bytes(1, []byte(text)).float(2, score)
	if kind != 0 {
		m = m.number(3, kind)
	}
	return m
}

// tinyModel is a spiece.model with the pieces of tinyPieces and more that test their types.
func tinyModel(rules map[string]string) message { return tinyModelOf(rules, 4) }

// tinyModelOf is tinyModel with another type for the piece that is the user's.
func tinyModelOf(rules map[string]string, own uint64) message {
	m := message{}.bytes(1, entry("<pad>", 0, 3)).bytes(1, entry("</s>", 0, 3)).bytes(1, entry("<unk>", 0, 2))
	for _, p := range tinyPieces() {
		m = m.bytes(1, entry(p.Text, float32(p.Score), 0))
	}
	m = m.bytes(1, entry("▁unused", -1, 5)).bytes(1, entry("<s>", 0, 3)).bytes(1, entry("▁own", 0, own))
	m = m.bytes(2, message{}.number(3, 1).bytes(44, []byte(" ⁇ ")))
	m = m.bytes(3, message{}.bytes(1, []byte("mine")).bytes(2, charsmapOf(rules)).number(3, 1))
	return append(m, message{}.bytes(4, nil)...) // self_test_data, of no interest
}

// rules of the test charsmap: with a rule for a prefix of another, for a space, and for nothing.
var rules = map[string]string{
	"A": "a", "AB": "the film", "ABC": "s", "\t": " ", "e\u0301": "é", "ﬁ": "fi", "\u0001": "", "😀": "生",
}

func charsmapTokenizer(t testing.TB) *Tokenizer {
	t.Helper()
	tokenizer, err := ParseSentencePiece(tinyModel(rules))
	require.NoError(t, err)
	return tokenizer
}

// charsmapOf compiles rules. Every unit of the trie gets a block of 256 places for its children.
func charsmapOf(rules map[string]string) []byte {
	var text []byte
	trie := make([]uint32, 256)
	var build func(node uint32, prefix string)
	build = func(node uint32, prefix string) {
		block := uint32(len(trie))
		trie = append(trie, make([]uint32, 256)...)
		trie[node] |= (block ^ node) << 10
		children := map[byte]bool{}
		for key := range rules {
			if strings.HasPrefix(key, prefix) && len(key) > len(prefix) {
				children[key[len(prefix)]] = true
			}
		}
		if replacement, ok := rules[prefix]; ok {
			trie[node] |= 1 << 8
			trie[block] = 1<<31 | uint32(len(text))
			text = append(append(text, replacement...), 0)
		}
		for _, c := range slices.Sorted(maps.Keys(children)) {
			trie[block^uint32(c)] = uint32(c)
			build(block^uint32(c), prefix+string([]byte{c}))
		}
	}
	build(0, "")
	data := binary.LittleEndian.AppendUint32(nil, uint32(4*len(trie)))
	for _, unit := range trie {
		data = binary.LittleEndian.AppendUint32(data, unit)
	}
	return append(data, text...)
}

func TestCharsmapTakesTheLongestRule(t *testing.T) {
	c, err := parseCharsmap(charsmapOf(rules))
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":               "",
		"plain":          "plain",
		"A":              "a",
		"AB":             "the film",
		"ABCABAAX":       "sthe filmaaX",
		"e":              "e",
		"e\u0301e\u0300": "ée\u0300",
		"ﬁlm\tﬁ":         "film fi",
		"a\x01b":         "ab",
		"😀😁":             "生😁",
		"\xf0\x9f\x98":   "\ufffd\ufffd\ufffd",
		"\x00A":          "\x00a",
	} {
		assert.Equal(t, want, c.normalize(text, nil), "%q", text)
	}
	assert.Equal(t, "A\ufffd", (*charsmap)(nil).normalize("A\xff", nil))
}

func TestParseSentencePiece(t *testing.T) {
	tokenizer := charsmapTokenizer(t)
	n := 3 + len(tinyPieces()) + 3
	assert.Equal(t, n+sentinels, tokenizer.VocabSize())
	for text, want := range map[string][]string{
		"the\tﬁlms A":                          {"▁the", "▁film", "s", "▁a"},
		"AB":                                   {"▁the", "▁film"},
		"cafe\u0301":                           {"▁", "c", "a", "f", "é"},
		"unused":                               {"▁", "u", "n", "u", "s", "e", "d"},
		"own":                                  {"▁own"},
		"<s>":                                  {"▁", "<unk>", "s", "<unk>"},
		"</s><pad> <unk> <extra_id_99> A\x01B": {"</s>", "<pad>", "<unk>", "<extra_id_99>", "▁a", "<unk>"},
	} {
		assert.Equal(t, want, piecesOf(t, tokenizer, text), "%q", text)
	}
	ids := tokenizer.Encode("<extra_id_0><extra_id_99>")
	assert.Equal(t, []int32{int32(n + 99), int32(n)}, ids)
	assert.Equal(t, "the film own", tokenizer.Decode(tokenizer.Encode("the film <unk> own")))

}

func TestSentinelsInTheModel(t *testing.T) {
	m := tinyModel(nil)
	for i := range 3 {
		m = m.bytes(1, entry(sentinel(2-i), 0, 4))
	}
	tokenizer, err := ParseSentencePiece(m)
	require.NoError(t, err)
	n := 3 + len(tinyPieces()) + 3 + 3
	assert.Equal(t, n, tokenizer.VocabSize())
	assert.Equal(t, []int32{int32(n - 1), int32(n - 3)}, tokenizer.Encode("<extra_id_0><extra_id_2>"))
}

func TestBadSentencePiece(t *testing.T) {
	good := tinyModel(rules)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                 {nil, "UNKNOWN"},
		"no unknown piece":      {message{}.bytes(1, entry("</s>", 0, 3)), "UNKNOWN"},
		"no end piece":          {message{}.bytes(1, entry("<unk>", 0, 2)), `no piece "</s>"`},
		"BPE":                   {slices.Concat(good, message{}.bytes(2, message{}.number(3, 2))), "is a BPE, as Llama's"},
		"no byte":               {slices.Concat(good, message{}.bytes(1, entry("<0x0G>", 0, 6))), "type BYTE"},
		"type 7":                {slices.Concat(good, message{}.bytes(1, entry("x!", 0, 7))), "type 7"},
		"suffix":                {slices.Concat(good, message{}.bytes(2, message{}.number(24, 1))), "treat_whitespace_as_suffix"},
		"no dummy prefix":       {slices.Concat(good, message{}.bytes(3, message{}.number(3, 0))), "add_dummy_prefix"},
		"score NaN":             {slices.Concat(good, message{}.bytes(1, entry("x!", float32(math.NaN()), 0))), "score NaN"},
		"score infinite":        {slices.Concat(good, message{}.bytes(1, entry("x!", float32(math.Inf(1)), 0))), "score +Inf"},
		"invalid UTF-8":         {slices.Concat(good, message{}.bytes(1, entry("\xff", 0, 0))), "UTF-8"},
		"bad charsmap":          {slices.Concat(good, message{}.bytes(3, message{}.bytes(2, []byte("abc")))), "charsmap"},
		"field number 0":        {message{}.bytes(0, nil), "malformed"},
		"group":                 {message{0x0b}, "malformed"},
		"endless varint":        {slices.Repeat([]byte{0xff}, 20), "malformed"},
		"length beyond the end": {message{0x0a, 0x7f, 0}, "malformed"},
		"length beyond memory":  {message{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "malformed"},
		"cut fixed32":           {message{}.bytes(1, message{0x15, 0, 0}), "malformed"},
		"cut fixed64":           {message{0x09, 0, 0}, "malformed"},
		"cut varint":            {message{0x08, 0x80}, "malformed"},
	} {
		_, err := ParseSentencePiece(c.data)
		assert.ErrorContains(t, err, c.want, name)
	}
	// Cut anywhere, it is an error or, between two fields, a shorter model.
	for i := range good {
		if tokenizer, err := ParseSentencePiece(good[:i]); err == nil {
			tokenizer.Encode("the film")
		}
	}
}
