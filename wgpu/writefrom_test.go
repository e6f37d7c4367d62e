package wgpu_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// noise is size bytes that no part of which is like another.
func noise(size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// writeFrom copies a part of src behind the first words of a buffer, and checks
// every byte of the buffer.
func writeFrom(t *testing.T, src io.ReaderAt, data []byte, from, size int) {
	dev := wgputest.Device(t)
	const offset = 12
	b, err := dev.NewBuffer("target", int64(offset+size+8))
	require.NoError(t, err)
	defer b.Release()
	require.NoError(t, dev.WriteFrom(context.Background(), b, offset, io.NewSectionReader(src, int64(from), int64(size))))
	got := make([]byte, b.Size())
	require.NoError(t, dev.Read(context.Background(), b, 0, got))
	want := make([]byte, b.Size())
	copy(want[offset:], data[from:from+size])
	assert.True(t, bytes.Equal(want, got))
}

// More than two pieces and a bit.
const writeFromSize = 9<<20 + 52

func TestWriteFrom(t *testing.T) {
	data := noise(writeFromSize)
	for _, part := range [][2]int{{0, 0}, {5, 4}, {1, writeFromSize - 4}} {
		writeFrom(t, bytes.NewReader(data), data, part[0], part[1])
	}

	dev := wgputest.Device(t)
	b, err := dev.NewBuffer("target", 64)
	require.NoError(t, err)
	defer b.Release()
	write := func(offset, size int64) error {
		return dev.WriteFrom(context.Background(), b, offset, io.NewSectionReader(bytes.NewReader(data[:40]), 0, size))
	}
	for _, bad := range [][2]int64{{0, 68}, {2, 4}, {0, 6}, {-4, 4}} {
		assert.ErrorContains(t, write(bad[0], bad[1]), "4-aligned range")
	}
	err = write(0, 44)
	assert.ErrorContains(t, err, `write buffer "target": read bytes 0 to 44`)
	assert.ErrorIs(t, err, io.EOF)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, dev.WriteFrom(ctx, b, 0, io.NewSectionReader(bytes.NewReader(data), 0, 8)), context.Canceled)
}

// failing has no bytes.
type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, wgpu.ErrDeviceLost }

func TestWriteFromReportsItsSource(t *testing.T) {
	dev := wgputest.Device(t)
	b, err := dev.NewBuffer("target", 16)
	require.NoError(t, err)
	defer b.Release()
	err = dev.WriteFrom(context.Background(), b, 0, io.NewSectionReader(failing{}, 0, 16))
	assert.ErrorIs(t, err, wgpu.ErrDeviceLost)
}
