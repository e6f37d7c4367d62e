// Package reference finds the published files that tests compare with where they are there: data
// sets and adapters, in a folder named shared beside the checkout.
package reference

import (
	"os"
	"path/filepath"
	"testing"
)

// Path gives a path in the folder of reference data, and whether it is there. Where it is not, the
// test's log says what it goes without.
func Path(t testing.TB, elements ...string) (path string, ok bool) {
	t.Helper()
	folder, err := filepath.Abs(".") // the package's
	for err == nil && folder != filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			path = filepath.Join(append([]string{folder, "..", "shared"}, elements...)...)
			if _, err := os.Stat(path); err == nil {
				return path, true
			}
			break
		}
		folder = filepath.Dir(folder)
	}
	t.Logf("without the reference data %s", filepath.Join(elements...))
	return "", false
}
