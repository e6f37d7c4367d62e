package shaders

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// fields are the parameters of a kernel by name.
type fields map[string]any

// with is f and the parameters of dropout.
func (d Dropout) with(f fields) fields {
	f["site"], f["threshold"], f["keep_scale"] = d.params()
	return f
}

// field is a member of a kernel's struct Params; kind is its WGSL type.
type field struct{ name, kind string }

var (
	paramsStruct = regexp.MustCompile(`(?s)\nstruct Params \{\n(.*?)\n\}`)
	paramsField  = regexp.MustCompile(`^\s*(\w+): (\w+),`)
	layouts      sync.Map // file name to []field
)

// layout is the struct Params of a kernel file.
func layout(file string) []field {
	if l, ok := layouts.Load(file); ok {
		return l.([]field)
	}
	text, err := files.ReadFile(file + ".wgsl")
	if err != nil {
		panic(fmt.Sprintf("shaders: no file %s.wgsl", file))
	}
	body := paramsStruct.FindSubmatch(text)
	if body == nil {
		panic(fmt.Sprintf("shaders: %s.wgsl has no struct Params", file))
	}
	var l []field
	for _, line := range strings.Split(string(body[1]), "\n") {
		m := paramsField.FindStringSubmatch(line)
		if m == nil {
			panic(fmt.Sprintf("shaders: %s.wgsl: struct Params: %q is not a field on a line of its own", file, line))
		}
		l = append(l, field{m[1], m[2]})
	}
	layouts.Store(file, l)
	return l
}

// params lays the parameters out as a file's struct Params declares them, four
// bytes each. They must be exactly its fields: an int, uint32 or bool for a u32, a
// float32 for an f32. Anything else is a mistake in this package, and panics.
func params(file string, values fields) []byte {
	l := layout(file)
	b := make([]byte, 0, 4*len(l))
	for _, f := range l {
		v, ok := values[f.name]
		if !ok {
			panic(fmt.Sprintf("shaders: %s.wgsl: Params.%s is not given", file, f.name))
		}
		word, ok := f.word(v)
		if !ok {
			panic(fmt.Sprintf("shaders: %s.wgsl: Params.%s is a %s, and the value %v a %T", file, f.name, f.kind, v, v))
		}
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	if len(values) > len(l) {
		for _, f := range l {
			delete(values, f.name)
		}
		panic(fmt.Sprintf("shaders: %s.wgsl: Params has no %s", file, strings.Join(slices.Sorted(maps.Keys(values)), ", ")))
	}
	return b
}

// word is a value as the field holds it, if it can.
func (f field) word(v any) (uint32, bool) {
	switch v := v.(type) {
	case uint32:
		return v, f.kind == "u32"
	case int:
		return uint32(v), f.kind == "u32" && v >= 0 && v <= math.MaxUint32
	case bool:
		if v {
			return 1, f.kind == "u32"
		}
		return 0, f.kind == "u32"
	case float32:
		return math.Float32bits(v), f.kind == "f32"
	}
	return 0, false
}
