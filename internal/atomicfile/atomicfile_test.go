package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, WriteFile(path, text("a longer first version")))
	require.NoError(t, WriteFile(path, text("second")))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "second", string(got))
	assertOnly(t, path)
}

func TestFailedWriteLeavesOldFileAndNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, WriteFile(path, text("old")))
	cause := errors.New("the source ran dry")
	err := WriteFile(path, func(w io.Writer) error {
		if err := text("half of the new")(w); err != nil {
			return err
		}
		return cause
	})
	require.ErrorIs(t, err, cause)
	assert.ErrorContains(t, err, path)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(got))
	assertOnly(t, path)
}

func TestReadersSeeOnlyWholeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, WriteFile(path, text("old")))
	require.NoError(t, WriteFile(path, func(w io.Writer) error {
		if err := text("new, as far as it goes")(w); err != nil {
			return err
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "old", string(got), "while the new file is being written")
		return nil
	}))
}

func TestMissingFolderIsAnError(t *testing.T) {
	err := WriteFile(filepath.Join(t.TempDir(), "no", "a.txt"), text("x"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// assertOnly checks that path is the one file in its folder.
func assertOnly(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, filepath.Base(path), entries[0].Name())
}

func TestCleanRemovesWhatAKilledProcessLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	require.NoError(t, WriteFile(path, text("whole")))
	f, err := createBeside(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	Clean(dir)
	assertOnly(t, path)
	Clean(filepath.Join(dir, "no such folder"))
}
