package wgpu

import (
	"context"
	"io"
	"syscall/js"
)

// BytesReaderAt is a reader whose bytes lie in the browser's memory or on its
// disk, as those of a Blob do.
type BytesReaderAt interface {
	io.ReaderAt
	// BytesAt gives size bytes from offset on as a Uint8Array.
	BytesAt(ctx context.Context, offset, size int64) (js.Value, error)
}

var _ directWriter = (*jsDevice)(nil)

func (d *jsDevice) writeFrom(ctx context.Context, b bufferDriver, offset int64, src io.ReaderAt, at, size int64) (_ bool, err error) {
	outside, ok := src.(BytesReaderAt)
	if !ok {
		return false, nil
	}
	data, err := outside.BytesAt(ctx, at, size)
	if err != nil {
		return true, err
	}
	if d.lost != nil {
		return true, d.lost
	}
	defer catch(&err)
	d.queue.Call("writeBuffer", b.(*jsBuffer).buf, offset, data)
	return true, nil
}
