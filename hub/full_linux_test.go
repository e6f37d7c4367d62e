package hub

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/hub/hubtest"
)

// A full disk, which /dev/full is: the error says so, and the next run finishes.
func TestFullDisk(t *testing.T) {
	h := newHarness(t, 50_000)
	blobs := filepath.Join(h.Cache, "models--org--tiny", "blobs")
	require.NoError(t, os.MkdirAll(blobs, 0o777))
	partial := filepath.Join(blobs, hubtest.Checksum("model.safetensors", []byte(h.files["model.safetensors"]))+incomplete)
	require.NoError(t, os.Symlink("/dev/full", partial))
	_, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "no space left")
	require.ErrorContains(t, err, "free some space, or set HF_HUB_CACHE")
	require.NoError(t, os.Remove(partial))
	onlyWhole(t, h.Client)
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
}
