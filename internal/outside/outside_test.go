//go:build !js

// Package outside uses go-dept as other people's programs do: from a module of their own.
package outside

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A program of under 30 lines in a module outside of the repository trains DePT on three rows and
// answers; compiled as wasm, it is a program for a browser.
func TestModule(t *testing.T) {
	program, err := os.ReadFile("testdata/main.go")
	require.NoError(t, err)
	assert.Less(t, len(regexp.MustCompile(`(?m)^.*\S.*$`).FindAll(program, -1)), 30, "lines")
	guide, err := os.ReadFile("../../docs/library.md")
	require.NoError(t, err)
	assert.Contains(t, string(guide), string(program), "docs/library.md shows it")

	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o666))
	}
	run := func(env []string, name string, args ...string) string {
		t.Helper()
		command := exec.Command(name, args...)
		command.Dir, command.Env = dir, append(os.Environ(), append(env, "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")...)
		var out, problem bytes.Buffer
		command.Stdout, command.Stderr = &out, &problem
		require.NoError(t, command.Run(), "%s", &problem)
		return out.String()
	}
	write("main.go", program)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	write("go.sum", sums) // as go get would bring them
	write("go.mod", []byte("module example.com/outside\n\ngo 1.26\n"))
	run(nil, "go", "mod", "edit", "-require=github.com/go-dept/dept@v0.0.0", "-replace=github.com/go-dept/dept="+root)
	run(nil, "go", "build", "-o", "outside", ".")
	assert.Equal(t, "[good bad]\n", run(nil, filepath.Join(dir, "outside")))

	run([]string{"GOOS=js", "GOARCH=wasm"}, "go", "build", "-o", "outside.wasm", ".")
	wasm, err := os.ReadFile(filepath.Join(dir, "outside.wasm"))
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(wasm, []byte("\x00asm")))
}
