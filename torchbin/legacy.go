package torchbin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-dept/dept/safetensors"
)

// legacyMagic is how files begin that torch.save wrote before PyTorch 1.6: a pickle of one number.
var legacyMagic = []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")

func isLegacy(head []byte) bool { return bytes.HasPrefix(head, legacyMagic) }

// locateLegacy reads the older form: pickles of that number, of the format's version, of the
// machine's properties, of the dictionary and of the storages' keys, then, in the order of the
// keys, the count of each storage's elements in eight bytes and the elements.
func locateLegacy(r io.ReaderAt, size int64) ([]safetensors.Info, error) {
	data := make([]byte, min(size, maxPickle))
	if n, err := r.ReadAt(data, 0); n < len(data) {
		return nil, err
	}
	at := len(legacyMagic)
	var pickles [4]any
	for i, what := range []string{"version", "machine", "tensors", "storages"} {
		value, length, err := unpickle(data[at:])
		if err != nil {
			if errors.Is(err, errPickleShort) && size > maxPickle {
				err = errors.New("it describes more than the tensors of a model")
			}
			return nil, fmt.Errorf("the pickle of the %s, at byte %d: %w", what, at, err)
		}
		pickles[i] = value
		at += length
	}
	if version, ok := pickles[0].(int64); !ok || version != 1001 {
		return nil, errors.New("it is of a version of PyTorch's old format that is not read: save it anew with a current PyTorch")
	}
	if machine, ok := pickles[1].(pickleDict); !ok || machine["little_endian"] != true {
		return nil, errors.New("it was saved on a big-endian machine: only little-endian numbers are read")
	}
	keys, ok := pickles[3].(*pickleList)
	if !ok {
		return nil, fmt.Errorf("the storages are %s, expected a list of their keys", kindOf(pickles[3]))
	}
	// How long a storage is its tensors say.
	sizes := map[string]int64{}
	dict, _ := pickles[2].(pickleDict)
	for _, value := range dict {
		if t, ok := value.(view); ok {
			sizes[t.storage.key] = int64(t.storage.dtype.Size())
		}
	}
	type found struct{ start, elements int64 }
	storages := map[string]found{}
	next := int64(at)
	for _, item := range keys.items {
		key, _ := item.(string)
		var count [8]byte
		if n, err := r.ReadAt(count[:], next); n < len(count) {
			return nil, fmt.Errorf("storage %q begins at byte %d of %d: the file is cut off: %w", key, next, size, err)
		}
		elements := int64(binary.LittleEndian.Uint64(count[:]))
		element, ok := sizes[key]
		if !ok {
			return nil, fmt.Errorf("storage %q belongs to no tensor", key)
		}
		if next += int64(len(count)); elements < 0 || elements > (size-next)/element {
			return nil, fmt.Errorf("storage %q has %d elements of %d bytes at byte %d of %d: the file is cut off", key, elements, element, next, size)
		}
		storages[key] = found{next, elements}
		next += elements * element
	}
	return place(pickles[2], func(s storage) (int64, error) {
		at, ok := storages[s.key]
		if !ok || at.elements != s.elements || sizes[s.key] != int64(s.dtype.Size()) {
			return 0, fmt.Errorf("its storage %q has %d elements, expected %d of %s", s.key, at.elements, s.elements, s.dtype)
		}
		return at.start, nil
	})
}
