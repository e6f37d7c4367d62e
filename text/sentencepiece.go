package text

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ParseSentencePiece reads a spiece.model, the protocol buffer ModelProto of
// github.com/google/sentencepiece, with a unigram model. As in Hugging Face's T5 tokenizer, the
// sentinels <extra_id_99> to <extra_id_0> follow its pieces, unless the file has them.
func ParseSentencePiece(data []byte) (*Tokenizer, error) {
	return parseSentencePiece(data, companions{})
}

func parseSentencePiece(data []byte, beside companions) (*Tokenizer, error) {
	v := vocabulary{unk: -1}
	n := 0
	if err := eachField(data, func(number int, _ uint64, _ []byte) error {
		if number == 1 {
			n++
		}
		return nil
	}); err != nil {
		return nil, err
	}
	v.pieces = make([]piece, 0, min(n, maxVocab+1))
	err := eachField(data, func(number int, value uint64, bytes []byte) error {
		switch number {
		case 1: // pieces
			return v.addPiece(bytes)
		case 2: // trainer_spec
			return v.readTrainerSpec(bytes)
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
	v.put(beside.added)
	for id, p := range v.pieces {
		if id == v.unk || p.text == padPiece || p.text == eosPiece || isSentinel(p.text) {
			v.added = append(v.added, addedToken{text: p.text, id: id, special: true})
		}
	}
	// mT5's own sentinels are pieces as any others, with a ▁.
	has := slices.ContainsFunc(v.added, func(a addedToken) bool { return isSentinel(a.text) }) ||
		slices.ContainsFunc(v.pieces, func(p piece) bool { return p.text == wordStart+sentinel(0) })
	if !has {
		extra := sentinels
		if beside.extraIDs != nil {
			extra = *beside.extraIDs
		}
		for i := range extra {
			v.added = append(v.added, addedToken{text: sentinel(i), id: len(v.pieces) + extra - 1 - i, special: true})
		}
	}
	t, err := newTokenizer(v)
	if err != nil {
		return nil, err
	}
	t.files = map[string][]byte{sentencePieceFile: data}
	return t, nil
}

// put gives added tokens the ids that the files beside the model say, as Hugging Face's transformers does, even
// where the model has other pieces there, or them elsewhere.
func (v *vocabulary) put(added []addedToken) {
	v.added = added
	ids := map[string]int{}
	for _, a := range added {
		ids[a.text] = a.id
	}
	for id := range v.pieces {
		if other, ok := ids[v.pieces[id].text]; ok && other != id {
			v.pieces[id] = piece{kind: hidden, special: true}
			if id == v.unk && other < len(v.pieces) {
				v.unk = other
			}
		}
	}
	for _, a := range added {
		if a.id >= 0 && a.id < len(v.pieces) && v.pieces[a.id].text != a.text {
			v.pieces[a.id] = piece{text: a.text, kind: hidden}
		}
	}
}

// addPiece reads a ModelProto.SentencePiece.
func (v *vocabulary) addPiece(data []byte) error {
	const (
		typeNormal, typeUnknown, typeControl, typeUserDefined, typeUnused, typeByte = 1, 2, 3, 4, 5, 6
	)
	if len(v.pieces) > maxVocab {
		return fmt.Errorf("the vocabulary has more than %d pieces", maxVocab)
	}
	p, kind := piece{}, uint64(typeNormal)
	err := eachField(data, func(number int, value uint64, bytes []byte) error {
		switch number {
		case 1:
			p.text = string(bytes)
		case 2:
			p.score = math.Float32frombits(uint32(value))
		case 3:
			kind = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch kind {
	case typeNormal:
	case typeUserDefined:
		p.kind = userDefined
	case typeUnknown:
		v.unk = len(v.pieces)
	case typeControl:
		p.kind, p.special = hidden, true
	case typeUnused:
		p.kind = hidden
	case typeByte:
		if p.kind = byteKind; !isByte(p.text) {
			return fmt.Errorf("piece %d, %q, is of the type BYTE, and those are <0x00> to <0xFF>", len(v.pieces), p.text)
		}
	default:
		return fmt.Errorf("piece %d, %q, is of type %d, which SentencePiece does not have", len(v.pieces), p.text, kind)
	}
	v.pieces = append(v.pieces, p)
	return nil
}

// readTrainerSpec refuses models that are not unigram models.
func (v *vocabulary) readTrainerSpec(data []byte) error {
	return eachField(data, func(number int, value uint64, bytes []byte) error {
		const modelType, unigram, whitespaceAsSuffix, byteFallback = 3, 1, 24, 35
		switch {
		case number == modelType && value != unigram:
			kind, ok := map[uint64]string{2: "BPE, as Llama's", 3: "model of words", 4: "model of characters"}[value]
			if !ok {
				kind = fmt.Sprintf("model of type %d", value)
			}
			return fmt.Errorf("this SentencePiece model is a %s; %s", kind, whatIsRead)
		case number == whitespaceAsSuffix && value != 0:
			return errors.New("the model has treat_whitespace_as_suffix, which T5's do not and which is not supported")
		case number == byteFallback:
			v.byteFallback = value != 0
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
