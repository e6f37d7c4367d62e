package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType is the element type of a tensor, spelled as in the file.
type DType string

// The element types of the format whose elements are whole bytes. Decode reads the four
// floating-point ones F64, F32, F16 and BF16.
const (
	F64    DType = "F64"
	F32    DType = "F32"
	F16    DType = "F16"
	BF16   DType = "BF16"
	I64    DType = "I64"
	I32    DType = "I32"
	I16    DType = "I16"
	I8     DType = "I8"
	U64    DType = "U64"
	U32    DType = "U32"
	U16    DType = "U16"
	U8     DType = "U8"
	Bool   DType = "BOOL"
	C64    DType = "C64"
	F8E4M3 DType = "F8_E4M3"
	F8E5M2 DType = "F8_E5M2"
	F8E8M0 DType = "F8_E8M0"
)

// Size returns the bytes of one element, or 0 when the type is not one of those above.
func (t DType) Size() int {
	switch t {
	case F64, I64, U64, C64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool, F8E4M3, F8E5M2, F8E8M0:
		return 1
	}
	return 0
}

// Float says whether Decode reads the type.
func (t DType) Float() bool {
	return t == F64 || t == F32 || t == F16 || t == BF16
}

// Decode turns little-endian elements of type F64, F32, F16 or BF16 into float32 values. Only F64
// can lose precision (it is rounded to nearest, ties to even).
func Decode(dtype DType, data []byte) ([]float32, error) {
	if !dtype.Float() {
		return nil, fmt.Errorf("cannot read elements of type %s as float32: the types read are F64, F32, F16 and BF16", dtype)
	}
	size := dtype.Size()
	if len(data)%size != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of %s elements", len(data), dtype)
	}
	values := make([]float32, len(data)/size)
	switch dtype {
	case F64:
		for i := range values {
			values[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])))
		}
	case F32:
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case F16:
		for i := range values {
			values[i] = F16ToF32(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case BF16:
		for i := range values {
			values[i] = BF16ToF32(binary.LittleEndian.Uint16(data[2*i:]))
		}
	}
	return values, nil
}

// Encode turns values into little-endian elements of type F32, F16 or BF16, rounding to nearest,
// ties to even. A finite value that the type cannot hold is an error, so that no weight becomes an
// infinity unnoticed.
func Encode(dtype DType, values []float32) ([]byte, error) {
	data := make([]byte, len(values)*dtype.Size())
	switch dtype {
	case F32:
		for i, v := range values {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
		}
	case F16:
		for i, v := range values {
			h := F32ToF16(v)
			if h&0x7fff == 0x7c00 && !math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("element %d is %g, beyond the largest F16 number 65504: write F32 or BF16", i, v)
			}
			binary.LittleEndian.PutUint16(data[2*i:], h)
		}
	case BF16:
		for i, v := range values {
			h := F32ToBF16(v)
			if h&0x7fff == 0x7f80 && !math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("element %d is %g, beyond the largest BF16 number: write F32", i, v)
			}
			binary.LittleEndian.PutUint16(data[2*i:], h)
		}
	default:
		return nil, fmt.Errorf("cannot write float32 values as %s: the types written are F32, F16 and BF16", dtype)
	}
	return data, nil
}

// F16ToF32 widens an IEEE half (1 sign, 5 exponent, 10 fraction bits). It is exact.
func F16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent := uint32(h>>10) & 0x1f
	fraction := uint32(h & 0x3ff)
	switch exponent {
	case 0: // zero and the subnormals, fraction × 2^-24
		v := float32(fraction) * 0x1p-24
		return math.Float32frombits(sign | math.Float32bits(v))
	case 0x1f: // infinities and NaNs
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// F32ToF16 rounds to the nearest IEEE half, ties to even. Magnitudes of 65520 and above become
// infinities.
func F32ToF16(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: keep the top of its payload, and keep it a NaN
		return sign | 0x7c00 | 0x200 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000: // 65520, half-way from 65504 to the next power of two
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: a subnormal, a multiple of 2^-24
		// Adding 0.5 puts the unit of the last place at 2^-24: the addition does the rounding.
		rounded := math.Float32frombits(b) + 0.5
		return sign | uint16(math.Float32bits(rounded)-math.Float32bits(0.5))
	}
	b -= (127 - 15) << 23
	b += 0xfff + b>>13&1
	return sign | uint16(b>>13)
}

// BF16ToF32 widens a bfloat16 (the upper half of a float32). It is exact.
func BF16ToF32(h uint16) float32 {
	return math.Float32frombits(uint32(h) << 16)
}

// F32ToBF16 rounds to the nearest bfloat16, ties to even.
func F32ToBF16(v float32) uint16 {
	b := math.Float32bits(v)
	if b&0x7fffffff > 0x7f800000 { // NaN: rounding could carry it into an infinity
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
