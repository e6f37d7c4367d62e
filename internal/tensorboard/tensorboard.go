// Package tensorboard writes event files as TensorBoard reads them: records framed as
// TFRecords are, each an Event message of tensorflow/core/util/event.proto.
package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Scalar is a number under a tag, such as train/loss.
type Scalar struct {
	Tag   string
	Value float64
}

// Writer writes one event file. Every event is in the file when its function returns.
type Writer struct{ file *os.File }

const prefix = "events.out.tfevents."

// Create begins an event file in a folder, for steps after the given one: TensorBoard
// forgets later ones of the folder's earlier files. Their names order them in time.
func Create(dir string, after int) (*Writer, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	there, err := files(dir)
	if err != nil {
		return nil, fmt.Errorf("event file: %w", err)
	}
	now := time.Now()
	second := now.Unix()
	for _, name := range there {
		var s int64
		if _, err := fmt.Sscanf(name, prefix+"%d.", &s); err == nil && s >= second {
			second = s + 1
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s%010d.%s.%d.0", prefix, second, host, os.Getpid())), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("event file: %w", err)
	}
	w := &Writer{f}
	err = w.write(appendBytes(event(now, 0), 3, []byte("brain.Event:2"))) // file_version
	if err == nil {
		err = w.write(appendBytes(event(now, after+1), 7, []byte{1 << 3, 1})) // session_log: status START
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Remove removes the event files of a folder.
func Remove(dir string) error {
	there, err := files(dir)
	if err != nil {
		return fmt.Errorf("event files: %w", err)
	}
	for _, name := range there {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("event files: %w", err)
		}
	}
	return nil
}

// files are the names of a folder's event files; none where there is no folder.
func files(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Scalars writes values of a step.
func (w *Writer) Scalars(step int, values ...Scalar) error {
	var summary []byte
	for _, v := range values {
		value := appendBytes(nil, 1, []byte(v.Tag))
		value = append(value, 2<<3|5) // simple_value, 32 bits
		value = binary.LittleEndian.AppendUint32(value, math.Float32bits(float32(v.Value)))
		summary = appendBytes(summary, 1, value)
	}
	return w.write(appendBytes(event(time.Now(), step), 5, summary))
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }

// event begins an Event message: its wall_time and step.
func event(at time.Time, step int) []byte {
	b := append([]byte(nil), 1<<3|1) // wall_time, 64 bits
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(at.UnixNano())/1e9))
	if step == 0 {
		return b
	}
	b = append(b, 2<<3) // step, a varint
	return binary.AppendUvarint(b, uint64(step))
}

// appendBytes adds a field of bytes to a message: a text, or a message.
func appendBytes(b []byte, field int, value []byte) []byte {
	b = append(b, byte(field<<3|2))
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// write adds a record: its length, the length's checksum, the data and theirs.
func (w *Writer) write(data []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint32(b, masked(data))
	if _, err := w.file.Write(b); err != nil {
		return fmt.Errorf("event file: %w", err)
	}
	return nil
}

// masked is a checksum as TFRecords have it: CRC-32C, turned by 15 bits and moved, so
// that checksums of data that has checksums in it are no trouble.
func masked(data []byte) uint32 {
	return bits.RotateLeft32(crc32.Checksum(data, castagnoli), -15) + 0xa282ead8
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
