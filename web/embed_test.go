package web

import (
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The program holds what make web wrote, or says that it was not run.
func TestFiles(t *testing.T) {
	files, err := Files()
	for _, name := range []string{"index.html", "dept.wasm"} {
		want, readErr := os.ReadFile("dist/" + name)
		if readErr != nil {
			assert.ErrorContains(t, err, "make web")
			t.Logf("the page is not built here: %v", readErr)
			return
		}
		require.NoError(t, err)
		got, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		assert.Equal(t, len(want), len(got), name)
	}
}
