package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// CRC-32C's check value, and how TFRecords mask it: https://www.tensorflow.org/tutorials/load_data/tfrecord.
func TestMaskedChecksum(t *testing.T) {
	crc := crc32.Checksum([]byte("123456789"), castagnoli)
	require.Equal(t, uint32(0xe3069283), crc)
	require.Equal(t, (crc>>15|crc<<17)+0xa282ead8, masked([]byte("123456789")))
	// The length of every event file's first record, 24 bytes, and its checksum.
	require.Equal(t, uint32(0x224b7fa3), masked([]byte{24, 0, 0, 0, 0, 0, 0, 0}))
}

// records takes a file apart by its framing.
func records(t *testing.T, path string) (events [][]byte) {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for len(b) > 0 {
		n := binary.LittleEndian.Uint64(b)
		require.Equal(t, masked(b[:8]), binary.LittleEndian.Uint32(b[8:]))
		data := b[12 : 12+n]
		require.Equal(t, masked(data), binary.LittleEndian.Uint32(b[12+n:]))
		events = append(events, data)
		b = b[16+n:]
	}
	return events
}

// fields takes a message apart: the last value of each field.
func fields(t *testing.T, b []byte) map[int]any {
	found := map[int]any{}
	for len(b) > 0 {
		field, kind := int(b[0]>>3), b[0]&7
		b = b[1:]
		switch kind {
		case 0:
			x, n := binary.Uvarint(b)
			found[field], b = x, b[n:]
		case 1:
			found[field], b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		case 2:
			length, n := binary.Uvarint(b)
			found[field], b = append([]byte(nil), b[n:n+int(length)]...), b[n+int(length):]
		case 5:
			found[field], b = math.Float32frombits(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			require.Fail(t, "a field of another kind")
		}
	}
	return found
}

func TestEvents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [folder]")
	require.NoError(t, os.Mkdir(dir, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "log.jsonl"), nil, 0o666))
	w, err := Create(dir, 0)
	require.NoError(t, err)
	require.NoError(t, w.Scalars(1, Scalar{"train/loss", 1.5}))
	require.NoError(t, w.Scalars(300, Scalar{"train/loss", math.NaN()}))
	require.NoError(t, w.Close())
	again, err := Create(dir, 200)
	require.NoError(t, err)
	require.NoError(t, again.Close())

	names, err := files(dir)
	require.NoError(t, err)
	require.Len(t, names, 2)
	require.True(t, slices.IsSorted([]string{w.file.Name(), again.file.Name()}), "the later one comes later")
	events := records(t, filepath.Join(dir, names[0]))
	require.Len(t, events, 4)
	first := fields(t, events[0])
	require.Equal(t, "brain.Event:2", string(first[3].([]byte)))
	require.Greater(t, first[1].(float64), 1.7e9)
	require.Equal(t, uint64(1), fields(t, events[1])[2])
	require.Equal(t, map[int]any{1: uint64(1)}, fields(t, fields(t, events[1])[7].([]byte)), "SessionLog's START")
	for i, step := range []uint64{1, 300} {
		e := fields(t, events[2+i])
		require.Equal(t, step, e[2])
		value := fields(t, fields(t, e[5].([]byte))[1].([]byte))
		require.Equal(t, "train/loss", string(value[1].([]byte)))
		if i == 0 {
			require.Equal(t, float32(1.5), value[2])
		} else {
			require.True(t, math.IsNaN(float64(value[2].(float32))))
		}
	}
	require.Equal(t, uint64(201), fields(t, records(t, filepath.Join(dir, names[1]))[1])[2])

	require.NoError(t, Remove(dir))
	names, err = files(dir)
	require.NoError(t, err)
	require.Empty(t, names)
	require.FileExists(t, filepath.Join(dir, "log.jsonl"))
	require.NoError(t, Remove(filepath.Join(dir, "none")))
	_, err = Create(filepath.Join(dir, "none"), 0)
	require.ErrorContains(t, err, "event file: ")
}
