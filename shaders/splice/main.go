// Splice writes the parts that several kernels have in common, shared/NAME.wgsl,
// into the kernels, between the lines "// shared: NAME" and "// end shared". So
// every kernel is whole as it lies, and no two hold different versions of a part.
// It runs in the folder of the kernels: go generate ./shaders.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	begin = "// shared: "
	end   = "// end shared"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "splice:", err)
		os.Exit(1)
	}
}

// run splices the kernels of a folder, and writes those that change.
func run(dir string) error {
	kernels, err := filepath.Glob(filepath.Join(dir, "*.wgsl"))
	if err != nil {
		return err
	}
	for _, name := range kernels {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		whole, err := splice(dir, string(text))
		if err != nil {
			return fmt.Errorf("%s:%w", name, err)
		}
		if whole == string(text) {
			continue
		}
		if err := os.WriteFile(name, []byte(whole), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// splice is a kernel's text with its parts as they lie in dir/shared. Errors begin
// with the line.
func splice(dir, text string) (string, error) {
	var out strings.Builder
	inside := 0 // the line of the marker whose part is being replaced
	for i, line := range strings.SplitAfter(text, "\n") {
		name, begins := strings.CutPrefix(strings.TrimSpace(line), begin)
		ends := strings.TrimSpace(line) == end
		switch {
		case begins && inside > 0:
			return "", fmt.Errorf("%d: part %s begins inside the part of line %d", i+1, name, inside)
		case begins:
			part, err := os.ReadFile(filepath.Join(dir, "shared", name+".wgsl"))
			if err != nil {
				return "", fmt.Errorf("%d: %w", i+1, err)
			}
			out.WriteString(line)
			out.Write(part)
			inside = i + 1
		case ends && inside == 0:
			return "", fmt.Errorf("%d: %q without a beginning", i+1, end)
		case ends:
			inside = 0
			out.WriteString(line)
		case inside == 0:
			out.WriteString(line)
		}
	}
	if inside > 0 {
		return "", fmt.Errorf("%d: the part has no %q", inside, end)
	}
	return out.String(), nil
}
