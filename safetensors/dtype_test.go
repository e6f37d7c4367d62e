package safetensors

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// half computes the value of an IEEE half from its definition.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	switch exponent {
	case 0:
		return math.Copysign(math.Ldexp(fraction, -24), sign)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

func TestEveryF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		want, got := half(h), float64(F16ToF32(h))
		if math.IsNaN(want) {
			require.True(t, math.IsNaN(got), "%#04x", h)
			require.Equal(t, h|0x200, F32ToF16(float32(got)), "a NaN keeps sign and payload and becomes quiet")
			continue
		}
		require.Equal(t, math.Float64bits(want), math.Float64bits(got), "%#04x", h)
		require.Equal(t, h, F32ToF16(float32(got)), "%#04x there and back", h)
	}
}

func TestEveryBF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		v := BF16ToF32(h)
		require.Equal(t, uint32(h)<<16, math.Float32bits(v))
		if v != v {
			require.Equal(t, h|0x40, F32ToBF16(v), "%#04x", h)
			continue
		}
		require.Equal(t, h, F32ToBF16(v), "%#04x there and back", h)
	}
}

// Between every two neighbours: the middle goes to the even one, the float32 numbers beside the
// middle go to the nearer one.
func TestHalfRoundsToNearestEven(t *testing.T) {
	for _, c := range []struct {
		name    string
		widen   func(uint16) float32
		narrow  func(float32) uint16
		largest uint16
	}{
		{"F16", F16ToF32, F32ToF16, 0x7bff},
		{"BF16", BF16ToF32, F32ToBF16, 0x7f7f},
	} {
		t.Run(c.name, func(t *testing.T) {
			for h := uint16(0); h < c.largest; h++ {
				middle := float32((float64(c.widen(h)) + float64(c.widen(h+1))) / 2)
				for _, s := range []struct {
					bits uint16
					sign float32
				}{{0, 1}, {0x8000, -1}} {
					require.Equal(t, s.bits|(h+h&1), c.narrow(s.sign*middle), "the middle above %#04x", h)
					require.Equal(t, s.bits|h, c.narrow(s.sign*math.Nextafter32(middle, 0)), "below the middle above %#04x", h)
					require.Equal(t, s.bits|(h+1), c.narrow(s.sign*math.Nextafter32(middle, math.MaxFloat32)), "above the middle above %#04x", h)
				}
			}
			inf := c.largest + 1
			assert.Equal(t, inf, c.narrow(float32(math.Inf(1))))
			assert.Equal(t, inf|0x8000, c.narrow(float32(math.Inf(-1))))
			assert.Equal(t, inf, c.narrow(math.MaxFloat32))
		})
	}
	assert.Equal(t, uint16(0x7bff), F32ToF16(math.Nextafter32(65520, 0)), "the last number that rounds to 65504")
	assert.Equal(t, uint16(0x7c00), F32ToF16(65520))
}

func TestEncodeDecode(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, dtype := range []DType{F32, F16, BF16} {
		values := make([]float32, 101)
		for i := range values {
			// Numbers with seven bits of fraction are exact in all three types.
			values[i] = float32(random.IntN(255)-127) / 64
		}
		data, err := Encode(dtype, values)
		require.NoError(t, err)
		require.Len(t, data, 101*dtype.Size())
		got, err := Decode(dtype, data)
		require.NoError(t, err)
		assert.Equal(t, values, got, dtype)
	}
	got, err := Decode(F64, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0xbf})
	require.NoError(t, err)
	assert.Equal(t, []float32{-1.5}, got)
}

func TestEncodeAndDecodeRefuse(t *testing.T) {
	_, err := Encode(F16, []float32{0, 70000})
	assert.ErrorContains(t, err, "element 1 is 70000")
	_, err = Encode(BF16, []float32{math.MaxFloat32})
	assert.ErrorContains(t, err, "BF16")
	_, err = Encode(I32, []float32{1})
	assert.ErrorContains(t, err, "I32")
	_, err = Encode(F16, []float32{float32(math.Inf(-1))})
	assert.NoError(t, err, "an infinity stays one")
	_, err = Decode(I64, make([]byte, 8))
	assert.ErrorContains(t, err, "I64")
	_, err = Decode(F32, make([]byte, 7))
	assert.ErrorContains(t, err, "7 bytes")
}
