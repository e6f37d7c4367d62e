package text

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ParseSentencePiece reads a spiece.model, the protocol buffer ModelProto of
// github.com/google/sentencepiece, with a unigram model. As in Hugging Face's T5 tokenizer, the
// sentinels <extra_id_99> to <extra_id_0> follow its pieces, unless the file has them.
func ParseSentencePiece(data []byte) (*Tokenizer, error) {
	v := vocabulary{unk: -1}
	err := eachField(data, func(number int, value uint64, bytes []byte) error {
		switch number {
		case 1: // pieces
			return v.addPiece(bytes)
		case 2: // trainer_spec
			return checkTrainerSpec(bytes)
		case 3: // normalizer_spec
			return eachField(bytes, func(number int, value uint64, bytes []byte) error {
				switch number {
				case 2:
					v.charsmap = bytes
				case 3, 4, 5:
					if value == 0 {
						return errors.New("the model turns off add_dummy_prefix, remove_extra_whitespaces or escape_whitespaces, which T5's do not and which is not supported")
					}
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v.unk < 0 {
		return nil, errors.New("no piece is of the type UNKNOWN: this is no SentencePiece model")
	}
	ids := map[string]int{}
	for id, p := range v.pieces {
		ids[p.text] = id
	}
	special := func(text string) {
		if id, ok := ids[text]; ok {
			v.added = append(v.added, addedToken{text: text, id: id, special: true})
		}
	}
	special(padPiece)
	special(eosPiece)
	special(v.pieces[v.unk].text)
	_, has := ids[sentinel(0)]
	for i := range Sentinels {
		if has {
			special(sentinel(i))
		} else {
			v.added = append(v.added, addedToken{text: sentinel(i), id: len(v.pieces) + Sentinels - 1 - i, special: true})
		}
	}
	t, err := newTokenizer(v)
	if err != nil {
		return nil, err
	}
	t.files = map[string][]byte{sentencePieceFile: data}
	return t, nil
}

// addPiece reads a ModelProto.SentencePiece.
func (v *vocabulary) addPiece(data []byte) error {
	const (
		normal, unknown, control, userDefined, unused = 1, 2, 3, 4, 5
	)
	p, kind := piece{}, uint64(normal)
	err := eachField(data, func(number int, value uint64, bytes []byte) error {
		switch number {
		case 1:
			p.text = string(bytes)
		case 2:
			p.score = float64(math.Float32frombits(uint32(value)))
		case 3:
			kind = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch kind {
	case normal, userDefined:
	case unknown:
		v.unk = len(v.pieces)
	case control, unused:
		p.hidden = true
	default:
		return fmt.Errorf("piece %d, %q, is of type %d, which is not supported: T5 has no byte pieces", len(v.pieces), p.text, kind)
	}
	v.pieces = append(v.pieces, p)
	return nil
}

// checkTrainerSpec refuses models that are not unigram models.
func checkTrainerSpec(data []byte) error {
	return eachField(data, func(number int, value uint64, bytes []byte) error {
		const modelType, unigram, whitespaceAsSuffix = 3, 1, 24
		if number == modelType && value != unigram {
			return fmt.Errorf("model_type is %d: only 1 (UNIGRAM) is supported, which all T5 tokenizers are", value)
		}
		if number == whitespaceAsSuffix && value != 0 {
			return errors.New("the model has treat_whitespace_as_suffix, which T5's do not and which is not supported")
		}
		return nil
	})
}

// eachField calls f with every field of a protocol buffer message, in order. A field is either a
// number (value) or a run of bytes.
func eachField(data []byte, f func(number int, value uint64, bytes []byte) error) error {
	cut := errors.New("the protocol buffer is malformed or cut off")
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return cut
		}
		data = data[n:]
		var value uint64
		var bytes []byte
		switch tag & 7 {
		case 0: // varint
			if value, n = binary.Uvarint(data); n <= 0 {
				return cut
			}
		case 1: // 64 bits
			if n = 8; len(data) < n {
				return cut
			}
			value = binary.LittleEndian.Uint64(data)
		case 2: // bytes, behind their length
			length, m := binary.Uvarint(data)
			if m <= 0 || length > uint64(len(data)-m) {
				return cut
			}
			n = m + int(length)
			bytes = data[m:n]
		case 5: // 32 bits
			if n = 4; len(data) < n {
				return cut
			}
			value = uint64(binary.LittleEndian.Uint32(data))
		default:
			return cut
		}
		if err := f(int(tag>>3), value, bytes); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
