package wgpu_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"syscall/js"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// outside holds bytes in JavaScript's memory, and gives none of them to Go.
type outside struct{ bytes js.Value }

var _ wgpu.BytesReaderAt = outside{}

func (o outside) BytesAt(_ context.Context, offset, size int64) (js.Value, error) {
	if int(offset+size) > o.bytes.Length() {
		return js.Undefined(), errors.New("there are fewer bytes")
	}
	return o.bytes.Call("slice", offset, offset+size), nil
}

func (outside) ReadAt([]byte, int64) (int, error) {
	return 0, errors.New("the bytes were to stay outside of Go")
}

func TestWriteFromOutside(t *testing.T) {
	data := noise(writeFromSize)
	src := outside{js.Global().Get("Uint8Array").New(len(data))}
	js.CopyBytesToJS(src.bytes, data)
	for _, part := range [][2]int{{0, 0}, {5, 4}, {1, writeFromSize - 4}} {
		writeFrom(t, src, data, part[0], part[1])
	}

	dev := wgputest.Device(t)
	b, err := dev.NewBuffer("target", writeFromSize)
	require.NoError(t, err)
	defer b.Release()
	err = dev.WriteFrom(context.Background(), b, 0, io.NewSectionReader(src, 4, writeFromSize))
	assert.ErrorContains(t, err, "fewer bytes")

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, dev.WriteFrom(context.Background(), b, 0, io.NewSectionReader(src, 0, writeFromSize)))
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), "bytes allocated by Go for %d that pass by", writeFromSize)
}
