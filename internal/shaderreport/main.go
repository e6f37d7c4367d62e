//go:build !js

// Command shaderreport gives the shaders that dept shaders wrote to the compilers of
// GPU drivers, whose hardware need not be there, and prints what those say of each:
// registers, spills, occupancy, and what its main loops are made of.
//
//	dept shaders --write DIR --model config.json
//	go run ./internal/shaderreport DIR [FAMILY...]
//
// The families are those of AMD's driver in Mesa: navi21 (RDNA2), gfx1100 in Mesa 22
// or navi31 in later ones (RDNA3), gfx1200 (RDNA4).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

var families = []string{"navi21", "gfx1100", "navi31", "gfx1200"}

func main() {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: shaderreport DIR [FAMILY...]")
		os.Exit(2)
	}
	if len(os.Args) > 2 {
		families = os.Args[2:]
	}
	if err := run(context.Background(), os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "shaderreport:", err)
		os.Exit(1)
	}
}

// shader is a pipeline of the manifest.
type shader struct {
	File      string `json:"file"`
	Entry     string `json:"entry"`
	Operation string `json:"operation"`
	Variant   string `json:"variant"`
	Shape     string `json:"shape"`
	Program   string `json:"program"`
	FMA       int64  `json:"fma"`

	source string
}

// readShaders reads a folder of dept shaders: each pipeline once, with all of its
// multiply-adds of a step and a token, the busiest first.
func readShaders(dir string) ([]shader, error) {
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, err
	}
	var lines []shader
	if err := json.Unmarshal(data, &lines); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "manifest.json"), err)
	}
	var all []shader
	for _, s := range lines {
		i := slices.IndexFunc(all, func(o shader) bool { return o.File == s.File })
		if i >= 0 {
			all[i].FMA += s.FMA
			continue
		}
		source, err := os.ReadFile(filepath.Join(dir, s.File))
		if err != nil {
			return nil, err
		}
		s.source = string(source)
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b shader) int { return int(min(1, max(-1, b.FMA-a.FMA))) })
	return all, nil
}

func run(ctx context.Context, out io.Writer, dir string) error {
	shaders, err := readShaders(dir)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "shaderreport")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	k, err := newKit(temp)
	if err != nil {
		return err
	}
	spirv, err := k.spirv(ctx, shaders)
	if err != nil {
		return err
	}
	for _, family := range families {
		if err := report(ctx, out, k, family, shaders, spirv); err != nil {
			return err
		}
	}
	return nil
}

// report prints a table for a family of hardware.
func report(ctx context.Context, out io.Writer, k *kit, family string, shaders []shader, spirv []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, s := range shaders {
		c, err := k.amd(ctx, spirv[i], s.Entry, family)
		if errors.Is(err, errNoFamily) {
			fmt.Fprintln(out, err)
			return nil
		}
		if err != nil {
			return err
		}
		if i == 0 {
			fmt.Fprintf(out, "\n%s\n", c.device)
			fmt.Fprint(w, "shader\tregisters\tspilled\twaves\tworkgroup memory\tcycles\tlimited by\n")
		}
		n := c.numbers
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%s\n", strings.TrimSuffix(s.File, ".wgsl"), n["VGPRs"], n["Spilled VGPRs"]+n["Spilled SGPRs"],
			n["Subgroups per SIMD"], n["LDS size"], n["Inverse Throughput"], c.limit())
		for _, l := range c.loops {
			fmt.Fprintf(w, "  loop BB%d..BB%d: %d multiply-adds, %.0f %% of vector instructions, %.1f for each of workgroup memory; %d memory, %d scalar, %d branches\t\t\t\t\t\t\n",
				l.First, l.Last, l.FMA, 100*l.share(), l.perLDS(), l.Memory, l.Scalar, l.Branches)
		}
	}
	return w.Flush()
}

// limit says in a few words what the compiled shader will wait for.
func (c *compiled) limit() string {
	if c.numbers["Spilled VGPRs"]+c.numbers["Spilled SGPRs"] > 0 {
		return "registers: it spills"
	}
	if len(c.loops) == 0 {
		return "memory: no loop multiplies"
	}
	worst := c.loops[0]
	for _, l := range c.loops {
		if l.share() < worst.share() {
			worst = l
		}
	}
	switch {
	case worst.WMMA > 0:
		return "products of matrices"
	case worst.control() > 0.25:
		return "loop control"
	case worst.LDS > 0 && worst.perLDS() < 6:
		return "loads from workgroup memory"
	case worst.share() < 0.6:
		return "vector instructions beside the multiply-adds"
	case c.numbers["Subgroups per SIMD"] > 0 && c.numbers["Subgroups per SIMD"] < 4:
		return "latency: few waves"
	}
	return "multiply-adds"
}
