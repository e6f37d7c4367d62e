package torchbin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/go-dept/dept/safetensors"
)

// The values of a pickle besides string, int64, bool and nil.
type (
	pickleGlobal string         // "module name"
	pickleTuple  []any          // immutable once made
	pickleDict   map[string]any // shared through the memo, as Python's are
	pickleList   struct{ items []any }
)

// What a pickle of tensors may refer to.
const (
	orderedDict      pickleGlobal = "collections OrderedDict"
	rebuildTensor    pickleGlobal = "torch._utils _rebuild_tensor_v2"
	rebuildParameter pickleGlobal = "torch._utils _rebuild_parameter"
)

var storageTypes = map[pickleGlobal]safetensors.DType{
	"torch DoubleStorage":   safetensors.F64,
	"torch FloatStorage":    safetensors.F32,
	"torch HalfStorage":     safetensors.F16,
	"torch BFloat16Storage": safetensors.BF16,
	"torch LongStorage":     safetensors.I64,
	"torch IntStorage":      safetensors.I32,
	"torch ShortStorage":    safetensors.I16,
	"torch CharStorage":     safetensors.I8,
	"torch ByteStorage":     safetensors.U8,
	"torch BoolStorage":     safetensors.Bool,
}

// kindOf says what a value is in a sentence.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case string:
		return "a text"
	case int64:
		return "a number"
	case bool:
		return "true or false"
	case pickleTuple:
		return "a tuple"
	case *pickleList:
		return "a list"
	case pickleDict:
		return "a dictionary"
	case view:
		return "a tensor"
	}
	return "something else"
}

// maxStack bounds the machine's stack, on which pickles have a thousand items at a time, and lists.
const maxStack = 1 << 14

var errPickleShort = errors.New("ends within an instruction")

// unpickle runs the pickle that data begins with, and gives what it makes and its length.
func unpickle(data []byte) (result any, length int, err error) {
	u := unpickler{data: data, memo: map[uint32]any{}}
	for {
		at := u.at
		result, done, err := u.step()
		if err == nil && len(u.stack)+len(u.marks) > maxStack {
			err = errors.New("has too many values at once")
		}
		if err != nil {
			return nil, 0, fmt.Errorf("byte %d: %w", at, err)
		}
		if done {
			return result, u.at, nil
		}
	}
}

// unpickler is Python's pickle machine of protocol 2, as far as a dictionary of tensors needs it.
type unpickler struct {
	data  []byte
	at    int
	stack []any
	marks []int // heights of the stack
	memo  map[uint32]any
}

// step runs one instruction. After the last one done is true and the result is there.
func (u *unpickler) step() (result any, done bool, err error) {
	op, err := u.take(1)
	if err != nil {
		return nil, false, err
	}
	switch op[0] {
	case 0x80: // PROTO
		version, err := u.uint(1)
		if err == nil && version != 2 {
			err = fmt.Errorf("protocol %d, expected 2", version)
		}
		return nil, false, err
	case '.': // STOP
		result, err = u.pop()
		return result, true, err
	case '(': // MARK
		u.marks = append(u.marks, len(u.stack))
		return nil, false, nil
	case 'q', 'r': // BINPUT, LONG_BINPUT
		return nil, false, u.put(op[0])
	case 's', 'u': // SETITEM, SETITEMS
		return nil, false, u.setItems(op[0])
	case 'a', 'e': // APPEND, APPENDS
		return nil, false, u.appendItems(op[0])
	case 'b': // BUILD: a dictionary's attributes, such as a state dict's _metadata
		_, err = u.pop()
		return nil, false, err
	}
	value, err := u.value(op[0])
	if err == nil {
		u.stack = append(u.stack, value)
	}
	return nil, false, err
}

// value runs an instruction that pushes what it makes.
func (u *unpickler) value(op byte) (any, error) {
	switch op {
	case 'N': // NONE
		return nil, nil
	case 0x88: // NEWTRUE
		return true, nil
	case 0x89: // NEWFALSE
		return false, nil
	case 'K': // BININT1
		return u.int(1)
	case 'M': // BININT2
		return u.int(2)
	case 'J': // BININT, signed
		n, err := u.uint(4)
		return int64(int32(n)), err
	case 0x8a: // LONG1: little-endian, two's complement
		return u.long()
	case 'X': // BINUNICODE
		size, err := u.uint(4)
		if err != nil {
			return nil, err
		}
		text, err := u.take(size)
		return string(text), err
	case 'c': // GLOBAL
		return u.global()
	case '}': // EMPTY_DICT
		return pickleDict{}, nil
	case ']': // EMPTY_LIST
		return &pickleList{}, nil
	case ')': // EMPTY_TUPLE
		return pickleTuple{}, nil
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		return u.tuple(len(u.stack) - int(op-0x84))
	case 't': // TUPLE
		height, err := u.popMark()
		if err != nil {
			return nil, err
		}
		return u.tuple(height)
	case 'h', 'j': // BINGET, LONG_BINGET
		return u.get(op)
	case 'Q': // BINPERSID
		id, err := u.pop()
		if err != nil {
			return nil, err
		}
		return newStorage(id)
	case 'R': // REDUCE
		args, err := u.pop()
		if err != nil {
			return nil, err
		}
		function, err := u.pop()
		if err != nil {
			return nil, err
		}
		return call(function, args)
	}
	return nil, fmt.Errorf("instruction %#x does not belong to a dictionary of tensors", op)
}

// take gives the next n bytes.
func (u *unpickler) take(n uint32) ([]byte, error) {
	if uint64(n) > uint64(len(u.data)-u.at) {
		return nil, errPickleShort
	}
	taken := u.data[u.at:][:n]
	u.at += int(n)
	return taken, nil
}

// uint reads a little-endian number of up to four bytes.
func (u *unpickler) uint(size uint32) (uint32, error) {
	taken, err := u.take(size)
	if err != nil {
		return 0, err
	}
	var wide [4]byte
	copy(wide[:], taken)
	return binary.LittleEndian.Uint32(wide[:]), nil
}

func (u *unpickler) int(size uint32) (any, error) {
	n, err := u.uint(size)
	return int64(n), err
}

func (u *unpickler) long() (any, error) {
	size, err := u.uint(1)
	if err != nil {
		return nil, err
	}
	taken, err := u.take(size)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return int64(0), nil
	}
	if size > 8 {
		return nil, fmt.Errorf("a number of %d bytes", size)
	}
	var wide [8]byte
	copy(wide[:], taken)
	unused := 64 - 8*size
	return int64(binary.LittleEndian.Uint64(wide[:])<<unused) >> unused, nil
}

func (u *unpickler) global() (any, error) {
	module, rest, ok := bytes.Cut(u.data[u.at:], []byte("\n"))
	name, rest, ok2 := bytes.Cut(rest, []byte("\n"))
	if !ok || !ok2 {
		return nil, errPickleShort
	}
	u.at = len(u.data) - len(rest)
	global := pickleGlobal(string(module) + " " + string(name))
	switch {
	case global == orderedDict, global == rebuildTensor, global == rebuildParameter, storageTypes[global] != "":
	default:
		return nil, fmt.Errorf("refers to %.100q, which is neither a tensor nor a dictionary: only those are read", string(global))
	}
	return global, nil
}

func (u *unpickler) pop() (any, error) {
	floor := 0
	if len(u.marks) > 0 {
		floor = u.marks[len(u.marks)-1]
	}
	if len(u.stack) <= floor {
		return nil, errors.New("takes a value from an empty stack")
	}
	value := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return value, nil
}

func (u *unpickler) popMark() (height int, err error) {
	if len(u.marks) == 0 {
		return 0, errors.New("there is no mark")
	}
	height = u.marks[len(u.marks)-1]
	u.marks = u.marks[:len(u.marks)-1]
	return height, nil
}

// above pops what is above the height.
func (u *unpickler) above(height int) ([]any, error) {
	if height < 0 || len(u.marks) > 0 && height < u.marks[len(u.marks)-1] {
		return nil, errors.New("takes a value from an empty stack")
	}
	items := slices.Clone(u.stack[height:])
	u.stack = u.stack[:height]
	return items, nil
}

func (u *unpickler) tuple(height int) (any, error) {
	items, err := u.above(height)
	return pickleTuple(items), err
}

func (u *unpickler) put(op byte) error {
	key, err := u.memoKey(op == 'r')
	if err != nil {
		return err
	}
	if len(u.stack) == 0 {
		return errors.New("remembers a value of an empty stack")
	}
	u.memo[key] = u.stack[len(u.stack)-1]
	return nil
}

func (u *unpickler) get(op byte) (any, error) {
	key, err := u.memoKey(op == 'j')
	if err != nil {
		return nil, err
	}
	value, ok := u.memo[key]
	if !ok {
		return nil, fmt.Errorf("recalls value %d, which it never remembered", key)
	}
	return value, nil
}

func (u *unpickler) memoKey(long bool) (uint32, error) {
	if long {
		return u.uint(4)
	}
	return u.uint(1)
}

// setItems puts the keys and values above the mark, or the topmost two, into the dictionary
// below them.
func (u *unpickler) setItems(op byte) error {
	height := len(u.stack) - 2
	if op == 'u' {
		var err error
		if height, err = u.popMark(); err != nil {
			return err
		}
	}
	pairs, err := u.above(height)
	if err != nil {
		return err
	}
	if len(pairs)%2 != 0 || len(u.stack) == 0 {
		return errors.New("sets an item that is no pair, or nowhere")
	}
	dict, ok := u.stack[len(u.stack)-1].(pickleDict)
	if !ok {
		return fmt.Errorf("sets an item of %s", kindOf(u.stack[len(u.stack)-1]))
	}
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return fmt.Errorf("a key is %s, expected a text", kindOf(pairs[i]))
		}
		dict[key] = pairs[i+1]
	}
	return nil
}

// appendItems puts what is above the mark, or the topmost value, at the end of the list below it.
func (u *unpickler) appendItems(op byte) error {
	height := len(u.stack) - 1
	if op == 'e' {
		var err error
		if height, err = u.popMark(); err != nil {
			return err
		}
	}
	items, err := u.above(height)
	if err != nil {
		return err
	}
	if len(u.stack) == 0 {
		return errors.New("appends to nothing")
	}
	list, ok := u.stack[len(u.stack)-1].(*pickleList)
	if !ok {
		return fmt.Errorf("appends to %s", kindOf(u.stack[len(u.stack)-1]))
	}
	if list.items = append(list.items, items...); len(list.items) > maxStack {
		return errors.New("a list has too many items")
	}
	return nil
}

// newStorage reads ("storage", type, key, device, number of elements); the form of before PyTorch
// 1.6 has a sixth, what it views, of which only None is known to be written.
func newStorage(id any) (any, error) {
	tuple, _ := id.(pickleTuple)
	if len(tuple) == 6 && tuple[5] == nil {
		tuple = tuple[:5]
	}
	if len(tuple) != 5 || tuple[0] != "storage" {
		return nil, errors.New("an outside reference that is no storage")
	}
	global, _ := tuple[1].(pickleGlobal)
	key, ok := tuple[2].(string)
	elements, ok2 := tuple[4].(int64)
	if storageTypes[global] == "" || !ok || !ok2 {
		return nil, errors.New("a storage whose type, key or size is none")
	}
	return storage{dtype: storageTypes[global], key: key, elements: elements}, nil
}

// call makes an empty OrderedDict, a tensor of (storage, offset, shape, strides, …), or of (tensor,
// …) a parameter, which is one.
func call(function, args any) (any, error) {
	tuple, ok := args.(pickleTuple)
	switch {
	case function == orderedDict && ok && len(tuple) == 0:
		return pickleDict{}, nil
	case function == rebuildParameter && len(tuple) > 0:
		if tensor, ok := tuple[0].(view); ok {
			return tensor, nil
		}
	case function == rebuildTensor && len(tuple) >= 6:
		storage, ok := tuple[0].(storage)
		offset, ok2 := tuple[1].(int64)
		shape, ok3 := int64s(tuple[2])
		stride, ok4 := int64s(tuple[3])
		if ok && ok2 && ok3 && ok4 && len(shape) == len(stride) {
			return view{storage, offset, shape, stride}, nil
		}
	}
	return nil, errors.New("a call that makes neither a dictionary nor a tensor")
}

// int64s reads a shape or strides.
func int64s(value any) ([]int64, bool) {
	tuple, ok := value.(pickleTuple)
	if len(tuple) > 8 { // a shared tuple must not be copied at length again and again
		return nil, false
	}
	numbers := make([]int64, len(tuple))
	for i := range tuple {
		n, isInt := tuple[i].(int64)
		numbers[i], ok = n, ok && isInt
	}
	return numbers, ok
}
