package wgpu

import (
	"context"
	"fmt"
	"io"
)

// chunk is how many bytes WriteFrom takes at once.
const chunk = 4 << 20

// directWriter is a driver that can take bytes from where Go's memory is not.
type directWriter interface {
	// writeFrom reports whether src is something it can take bytes from.
	writeFrom(ctx context.Context, b bufferDriver, offset int64, src io.ReaderAt, at, size int64) (bool, error)
}

// WriteFrom copies all of src into the buffer at offset, a few megabytes at a
// time. offset and the size of src must be multiples of 4. In a browser, bytes
// that src has outside of Go's memory never enter it; see BytesReaderAt.
func (d *Device) WriteFrom(ctx context.Context, b *Buffer, offset int64, src *io.SectionReader) error {
	if err := b.check("write", offset, src.Size()); err != nil {
		return err
	}
	outer, start, _ := src.Outer()
	direct, _ := d.drv.(directWriter)
	var data []byte
	for at := int64(0); at < src.Size(); at += chunk {
		n := min(chunk, src.Size()-at)
		if direct != nil {
			done, err := direct.writeFrom(ctx, b.drv, offset+at, outer, start+at, n)
			if err != nil {
				return fmt.Errorf("write buffer %q: %w", b.label, err)
			}
			if done {
				continue
			}
		}
		if data == nil {
			data = make([]byte, n)
		}
		if read, err := src.ReadAt(data[:n], at); read < int(n) {
			return fmt.Errorf("write buffer %q: read bytes %d to %d: %w", b.label, start+at, start+at+n, err)
		}
		if err := d.Write(b, offset+at, data[:n]); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
