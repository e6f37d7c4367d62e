//go:build !js

package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/tasks"
)

// parquetFiles are written by testdata/parquet.py.
func parquetFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.parquet")
	require.NoError(t, err)
	require.Len(t, files, 4)
	return files
}

func TestParquet(t *testing.T) {
	for _, file := range parquetFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			d, err := Load(task("sst2"), file)
			require.NoError(t, err)
			require.Equal(t, 37, d.Len())
			for i := range d.Len() {
				want := strings.Repeat(fmt.Sprintf("text number %d, é", i), i%3+1)
				assert.Equal(t, Row{Source: "sentence: " + want, Target: fmt.Sprint(i % 2), Line: i + 1}, d.Row(i))
			}

			d, err = Load(Options{SourceColumn: "translation.en", TargetColumn: "stars", NeedTarget: true}, file)
			require.NoError(t, err)
			assert.Equal(t, Row{Source: "house 35", Target: "8.75", Line: 36}, d.Row(35))

			d, err = Load(Options{SourceColumn: "idx", TargetColumn: "good", NeedTarget: true}, file)
			require.NoError(t, err)
			assert.Equal(t, Row{Source: "36", Target: "true", Line: 37}, d.Row(36))

			for _, tc := range []struct {
				opts Options
				want string
			}{
				{Options{SourceColumn: "note"}, "row 1: note is null"},
				{Options{SourceColumn: "words"}, ".parquet: words is a list, not text"},
				{Options{SourceColumn: "translation"}, ".parquet: translation is an object, not text"},
				{Options{SourceColumn: "image"}, `row 1: column "image": it holds bytes, not text`},
				{Options{SourceColumn: "review"}, `.parquet: no column "review" for the source (columns: good, idx, image, label, note, sentence, stars, translation.en, translation.fr)`},
				{Options{TargetColumn: "stares", NeedTarget: true}, `no column "stares" for the target`},
				{Options{Task: task("rte").Task}, `the columns of task rte are missing: sentence1, sentence2`},
			} {
				_, err := Load(tc.opts, file)
				assert.ErrorContains(t, err, tc.want)
			}
		})
	}
}

// A damaged file is an error, whatever byte of it is wrong, and costs no memory.
func TestDamagedParquet(t *testing.T) {
	for _, file := range append(parquetFiles(t), "testdata/published/nq.hub.parquet") {
		whole, err := os.ReadFile(file)
		require.NoError(t, err)
		of := task("sst2")
		if strings.Contains(file, "nq") {
			of = task("nq") // whose answers are lists
		}
		of.Format = Parquet
		read := func(content []byte) error {
			r, err := NewReader("rows.parquet", bytes.NewReader(content), of)
			if err == nil {
				_, err = ReadAll(r)
			}
			return err
		}
		require.NoError(t, read(whole))
		for cut := 0; cut < len(whole); cut += 97 {
			require.Error(t, read(whole[:cut]))
		}
		huge := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(huge[len(huge)-8:], 1<<31-1)
		require.ErrorContains(t, read(huge), "it claims more than it holds")
	}
}

// What the library would unpack without a bound is refused before.
func TestParquetBombs(t *testing.T) {
	type row struct {
		Text string `parquet:"text"`
	}
	for _, tc := range []struct {
		codec compress.Codec
		text  string
		want  string // "" where it is read
	}{
		{&parquet.Snappy, strings.Repeat("a", 1<<20), ""},
		{&parquet.Gzip, strings.Repeat("a", maxPage+1), "a page of 1 values in"},
		{&parquet.Lz4Raw, "a", "it is packed by LZ4_RAW: dept reads snappy, gzip, brotli and zstd"},
	} {
		var file bytes.Buffer
		require.NoError(t, parquet.Write(&file, []row{{tc.text}}, parquet.Compression(tc.codec)))
		r, err := NewReader("rows.parquet", &file, Options{Format: Parquet})
		require.NoError(t, err)
		d, err := ReadAll(r)
		if tc.want == "" {
			require.NoError(t, err)
			assert.Equal(t, tc.text, d.Row(0).Source)
			continue
		}
		assert.ErrorContains(t, err, tc.want)
	}
}

func FuzzParquet(f *testing.F) {
	for _, file := range parquetFiles(f) {
		content, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(content, "sst2")
		f.Add(content, "")
	}
	lists, err := os.ReadFile("testdata/published/nq.hub.parquet")
	require.NoError(f, err)
	f.Add(lists, "nq")
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		opts := Options{Format: Parquet, SourceColumn: "sentence", TargetColumn: "translation.en"}
		if known, err := tasks.Lookup(name); err == nil {
			opts = Options{Format: Parquet, Task: known}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := NewReader("rows.parquet", bytes.NewReader(content), opts)
		for err == nil {
			_, err = r.Next()
		}
		runtime.ReadMemStats(&after)
		assert.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20+4*len(content)+8<<20), "bytes")
	})
}
