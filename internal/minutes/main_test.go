//go:build !js

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const output = "ok  \texample/quick\t1.500s\n" +
	"?   \texample/none\t[no test files]\n" +
	"ok  \texample/known\t(cached)\n" +
	"--- FAIL: TestSum (0.00s)\n    sum_test.go:7: 2 + 2 is 5\nFAIL\nFAIL\texample/slow\t90.000s\n" +
	"ok  \texample/covered\t3.000s\tcoverage: 50.0% of statements\n" +
	"FAIL\texample/broken [build failed]\nFAIL\n"

// The output passes unchanged, and the table has every package that ran.
func TestPassAndTable(t *testing.T) {
	var b strings.Builder
	took, err := pass(&b, strings.NewReader(output+"no newline"))
	require.NoError(t, err)
	assert.Equal(t, output+"no newline", b.String())
	assert.Equal(t, `
minutes by package
   1.50  example/slow
   0.05  example/covered
   0.03  example/quick
   1.57  in all; 2.00 by the clock
`, table(took, 2*time.Minute))
}

// The exit code is the command's, with the table on either.
func TestRun(t *testing.T) {
	for want, command := range [][]string{{"go", "list", "."}, {"go", "list", "./nowhere"}} {
		var b strings.Builder
		code, err := run(&b, command)
		require.NoError(t, err)
		assert.Equal(t, want, code)
		assert.Contains(t, b.String(), "minutes by package")
	}
	_, err := run(&strings.Builder{}, []string{"no-such-command"})
	assert.Error(t, err)
}
