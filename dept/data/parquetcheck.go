//go:build !js

package data

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The library makes room for what a file claims to hold before it looks for it. What is here refuses
// claims that cannot be true, so that a damaged file costs no more memory than a whole one.

// Bounds of a page: writers make pages of about a megabyte, or as long as a row is.
const (
	maxPage       = 2 * maxRow
	maxPageValues = 4 << 20
)

// errClaims is the error for a length that goes beyond what there is.
var errClaims = errors.New("the parquet file is damaged: it claims more than it holds")

// checkFooter refuses a file without the mark of parquet at its end, and one whose footer claims more
// than it holds.
func checkFooter(in io.ReaderAt, size int64) error {
	var end [8]byte
	if size < 12 {
		return errNoParquet
	}
	if _, err := in.ReadAt(end[:], size-int64(len(end))); err != nil {
		return err
	}
	if string(end[4:]) != "PAR1" {
		return errNoParquet
	}
	length := int64(binary.LittleEndian.Uint32(end[:]))
	if length > size-int64(len(end)) {
		return errClaims
	}
	footer := make([]byte, length)
	if _, err := in.ReadAt(footer, size-int64(len(end))-length); err != nil {
		return err
	}
	_, err := thriftLength(footer)
	return err
}

var errNoParquet = errors.New("it is no parquet file, or one that is cut off: the mark PAR1 at its end is missing")

// checkPages refuses a column of which a page claims more than it holds.
func checkPages(in io.ReaderAt, column *format.ColumnMetaData) error {
	at := column.DataPageOffset
	if first := column.DictionaryPageOffset; first > 0 && first < at {
		at = first
	}
	end := at + column.TotalCompressedSize
	for at < end {
		header, length, err := pageHeader(in, at, end)
		if err != nil {
			return err
		}
		values := max(header.DataPageHeader.V.NumValues, header.DataPageHeaderV2.V.NumValues, header.DictionaryPageHeader.V.NumValues)
		switch {
		case header.CompressedPageSize < 0 || header.UncompressedPageSize < 0 || values < 0,
			int64(header.CompressedPageSize) > end-at-length:
			return errClaims
		case header.UncompressedPageSize > maxPage || values > maxPageValues:
			return fmt.Errorf("a page of %d values in %d bytes: dept reads pages of up to %d in %d MiB", values, header.UncompressedPageSize, maxPageValues, maxPage>>20)
		}
		body := io.NewSectionReader(in, at+length, int64(header.CompressedPageSize))
		if err := checkBody(body, header, column.Codec); err != nil {
			return err
		}
		at += length + int64(header.CompressedPageSize)
	}
	return nil
}

// checkBody refuses a page that unpacks to more than its header says.
func checkBody(body *io.SectionReader, header format.PageHeader, codec format.CompressionCodec) error {
	left := int64(header.UncompressedPageSize)
	if v2 := header.DataPageHeaderV2; v2.Valid {
		// The levels stand in front of what is packed.
		levels := int64(v2.V.RepetitionLevelsByteLength) + int64(v2.V.DefinitionLevelsByteLength)
		if levels < 0 || levels > min(left, body.Size()) {
			return errClaims
		}
		if v2.V.IsCompressed.Valid && !v2.V.IsCompressed.V {
			return nil
		}
		body, left = io.NewSectionReader(body, levels, body.Size()-levels), left-levels
	}
	var unpacked io.Reader
	var err error
	switch codec {
	case format.Uncompressed:
		return nil
	case format.Snappy:
		var head [binary.MaxVarintLen32]byte
		n, _ := body.ReadAt(head[:], 0)
		length, err := snappy.DecodedLen(head[:n])
		if n > 0 && (err != nil || int64(length) > left) {
			return errClaims
		}
		return nil
	case format.Gzip:
		if unpacked, err = gzip.NewReader(body); err != nil {
			return err
		}
	case format.Brotli:
		unpacked = brotli.NewReader(body)
	case format.Zstd:
		decoder, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxPage))
		if err != nil {
			return err
		}
		defer decoder.Close()
		unpacked = decoder
	default:
		return fmt.Errorf("it is packed by %v: dept reads snappy, gzip, brotli and zstd", codec)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(unpacked, left+1))
	if err == nil && n > left {
		err = errClaims
	}
	return err
}

// pageHeader reads the header of the page at an offset, and its length.
func pageHeader(in io.ReaderAt, at, end int64) (h format.PageHeader, length int64, err error) {
	for window := int64(1 << 10); ; window *= 32 {
		head := make([]byte, min(window, end-at))
		n, err := in.ReadAt(head, at)
		if n < len(head) {
			return h, 0, errors.Join(errClaims, err)
		}
		length, err := thriftLength(head)
		if err == nil {
			err = thrift.Unmarshal(new(thrift.CompactProtocol), head[:length], &h)
			return h, int64(length), err
		}
		if int64(n) == end-at { // a header may have the page's least and largest text in it
			return h, 0, err
		}
	}
}

// thriftLength is how many bytes of b a struct in thrift's compact protocol takes. A struct that is not
// whole, and a text or list in it that claims to be longer than b, is an error.
func thriftLength(b []byte) (int, error) {
	w := &thriftWalk{rest: b}
	w.structure(0)
	if w.bad {
		return 0, errClaims
	}
	return len(b) - len(w.rest), nil
}

// thriftWalk goes through a struct without keeping anything of it. Types are numbered as in
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
type thriftWalk struct {
	rest []byte
	bad  bool
}

// mostNested is how deep structs lie in each other; parquet's are less deep.
const mostNested = 32

func (w *thriftWalk) structure(depth int) {
	for !w.bad {
		head := w.byte()
		if head == 0 {
			return
		}
		if head>>4 == 0 {
			w.uvarint() // the field's number, else the step from the one before
		}
		if kind := head & 15; kind > 2 { // 1 and 2 are true and false, which have no bytes
			w.value(kind, depth)
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int) {
	if depth > mostNested {
		w.bad = true
		return
	}
	switch kind {
	case 1, 2, 3: // a byte; true and false in a list
		w.take(1)
	case 4, 5, 6: // integers
		w.uvarint()
	case 7: // a double
		w.take(8)
	case 8: // bytes or text
		w.take(w.uvarint())
	case 9, 10: // a list or a set
		head := w.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = w.uvarint()
		}
		if n > uint64(len(w.rest)) {
			w.bad = true
		}
		for ; n > 0 && !w.bad; n-- {
			w.value(head&15, depth+1)
		}
	case 11: // a map
		n := w.uvarint()
		if n > uint64(len(w.rest)) {
			w.bad = true
		}
		if n == 0 {
			return
		}
		kinds := w.byte()
		for ; n > 0 && !w.bad; n-- {
			w.value(kinds>>4, depth+1)
			w.value(kinds&15, depth+1)
		}
	case 12:
		w.structure(depth + 1)
	default:
		w.bad = true
	}
}

// byte is the next byte, 0 behind the end.
func (w *thriftWalk) byte() byte {
	if len(w.rest) == 0 {
		w.bad = true
		return 0
	}
	b := w.rest[0]
	w.rest = w.rest[1:]
	return b
}

func (w *thriftWalk) take(n uint64) {
	if n > uint64(len(w.rest)) {
		w.bad = true
		return
	}
	w.rest = w.rest[n:]
}

func (w *thriftWalk) uvarint() uint64 {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 {
		w.bad = true
		return 0
	}
	w.rest = w.rest[n:]
	return v
}
