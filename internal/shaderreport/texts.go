//go:build !js

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// translators are the programs that other systems' drivers and browsers read WGSL by:
// naga is wgpu's, by way of which it comes to Vulkan, Metal and Direct3D, and Tint is
// Chromium's.
var translators = []struct {
	name, program, ending string
	args                  func(in, out, entry string) []string
}{
	{"naga to SPIR-V", "naga", "spv", nagaArgs},
	{"naga to MSL", "naga", "metal", nagaArgs},
	{"naga to HLSL", "naga", "hlsl", nagaArgs},
	{"Tint", "tint", "wgsl", func(in, out, entry string) []string {
		return []string{"--entry-point", entry, "--output-name", out, in}
	}},
}

func nagaArgs(in, out, entry string) []string {
	return []string{"--compact", "--entry-point", entry, in, out}
}

// texts prints how many bytes each translator makes of each shader. One that a
// translator refuses is an error unless it enables an extension, which that may lack.
func texts(ctx context.Context, out io.Writer, dir string, shaders []shader) error {
	temp, err := os.MkdirTemp("", "shaderreport")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "bytes")
	missing := map[string]bool{}
	for _, t := range translators {
		fmt.Fprintf(w, "\t%s", t.name)
		if _, err := exec.LookPath(t.program); err != nil {
			missing[t.program] = true
		}
	}
	fmt.Fprintln(w)
	var refused []string
	var bad error
	for _, s := range shaders {
		fmt.Fprint(w, s.name())
		for _, t := range translators {
			if missing[t.program] {
				fmt.Fprint(w, "\t-")
				continue
			}
			to := filepath.Join(temp, "out."+t.ending)
			if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			said, err := exec.CommandContext(ctx, t.program, t.args(filepath.Join(dir, s.File), to, s.Entry)...).CombinedOutput()
			stat, none := os.Stat(to)
			if err == nil && none == nil {
				fmt.Fprintf(w, "\t%d", stat.Size())
				continue
			}
			fmt.Fprint(w, "\trefused")
			line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
			refused = append(refused, fmt.Sprintf("%s refuses %s: %s", t.name, s.File, line))
			if !strings.Contains(s.source, "\nenable ") && !strings.HasPrefix(s.source, "enable ") {
				bad = errors.Join(bad, errors.New(refused[len(refused)-1]))
			}
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range refused {
		fmt.Fprintln(out, r)
	}
	if missing["naga"] {
		fmt.Fprintln(out, "naga is not installed: cargo install naga-cli --version 30.0.1")
	}
	if missing["tint"] {
		fmt.Fprintln(out, "tint is not installed: it is built from Dawn's source; the browser tests give every shader to Chromium's")
	}
	return bad
}
