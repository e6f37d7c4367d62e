//go:build !js

// Command shaderreport gives the shaders that dept shaders wrote to the compilers of
// GPU drivers, whose hardware need not be there, and prints what those say of each:
// registers, spills, occupancy, and what its main loops are made of.
//
//	dept shaders --write DIR --model config.json
//	go run ./internal/shaderreport DIR [HARDWARE...]
//
// With this system's Mesa that is AMD's hardware: navi21 (RDNA2), gfx1100 in Mesa 22 or
// navi31 in later ones (RDNA3), gfx1200 (RDNA4). With -drivers, a folder that
// scripts/shader-drivers made, also Intel's: tgl, dg2, mtl, lnl and bmg, and NVIDIA's
// ga102 through NVK, which is not NVIDIA's own compiler and so a hint only.
//
// Cycles are those that a driver's compiler predicts. AMD's "cycles" is its Latency, of a
// wave that has its unit alone, and "inverse throughput" what is left where waves share
// it. Both take a uniform branch to be gone half of the time, whatever it
// skips, and every loop to run 8, 4, 2 times by its depth, so they mislead where a shader has its
// main loop inside of a branch, and count no bandwidth of workgroup memory.
// So the cycles of the loops are added up here by themselves, from the compiler's own
// clocks of each instruction, and -old sets a model of throughput beside (countAMD).
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	var r report
	flag.StringVar(&r.drivers, "drivers", "", "a folder of scripts/shader-drivers, whose drivers compile instead of this system's")
	flag.StringVar(&r.old, "old", "", "another folder of dept shaders, to set the cycles beside")
	flag.BoolVar(&r.checks, "checks", false, "count what wgpu's checks and robust access to buffers cost")
	flag.BoolVar(&r.texts, "texts", false, "give the shaders to naga and tint instead, where they are installed")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: shaderreport [-drivers FOLDER] [-old DIR | -checks | -texts] DIR [HARDWARE...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := r.run(context.Background(), os.Stdout, flag.Arg(0), flag.Args()[1:]); err != nil {
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

// cooperative reports whether the shader multiplies cooperative matrices.
func (s shader) cooperative() bool {
	return strings.Contains(s.source, "enable wgpu_cooperative_matrix;")
}

func (s shader) name() string { return strings.TrimSuffix(s.File, ".wgsl") }

// busy is the shaders of a training step that multiply: products and attention.
func busy(shaders []shader) []shader {
	var some []shader
	for _, s := range shaders {
		if s.FMA > 0 && s.Program == "step" {
			some = append(some, s)
		}
	}
	return some
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

// report is what to print.
type report struct {
	drivers, old  string
	checks, texts bool

	count int // of the shaders that are not older ones
}

func (r *report) run(ctx context.Context, out io.Writer, dir string, names []string) error {
	shaders, err := readShaders(dir)
	if err != nil {
		return err
	}
	if r.texts {
		return texts(ctx, out, dir, shaders)
	}
	hardware, err := r.hardware(names)
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
	table := r.table
	switch {
	case r.old != "":
		old, err := readShaders(r.old)
		if err != nil {
			return err
		}
		shaders = busy(shaders)
		r.count = len(shaders)
		shaders = append(shaders, busy(old)...)
		table = r.compare
	case r.checks:
		shaders = slices.DeleteFunc(busy(shaders), shader.cooperative)
		table = r.costs
	}
	spirv, err := k.spirv(ctx, shaders)
	if err != nil {
		return err
	}
	if r.old != "" { // as the programs were that had all of wgpu's checks
		old, err := k.trusted(shaders[r.count:], allChecks)
		if err != nil {
			return err
		}
		copy(spirv[r.count:], old)
	}
	for _, h := range hardware {
		err := table(ctx, out, k, h, shaders, spirv)
		if errors.Is(err, errNoHardware) {
			fmt.Fprintln(out, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// hardware finds the named hardware, or else all that the drivers may have.
func (r *report) hardware(names []string) ([]hardware, error) {
	if len(names) == 0 {
		return slices.DeleteFunc(slices.Clone(known), func(h hardware) bool { return r.drivers == "" && h.vendor != amd }), nil
	}
	var found []hardware
	for _, n := range names {
		i := slices.IndexFunc(known, func(h hardware) bool { return h.name == n })
		if i < 0 {
			return nil, fmt.Errorf("no hardware is named %s; there are: %v", n, known)
		}
		found = append(found, known[i])
	}
	return found, nil
}

// table prints what the compilers say of each shader.
func (r *report) table(ctx context.Context, out io.Writer, k *kit, h hardware, shaders []shader, spirv []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, s := range shaders {
		c, err := k.compile(ctx, r.drivers, h, spirv[i], s.Entry, false)
		if err != nil {
			return err
		}
		if i == 0 {
			fmt.Fprintf(out, "\n%s: %s\n", h.name, c.device)
			fmt.Fprint(w, "shader\tlanes\tregisters\tspilled\twaves\tworkgroup memory\tinstructions\tcycles\tinverse throughput\tlimited by\n")
		}
		n := c.numbers
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%s\n", s.name(), c.listing.lanes, c.registers(), c.spilled(),
			n["Subgroups per SIMD"], n["LDS size"]+n["Workgroup Memory Size"], c.instructions(),
			c.cycles(), n["Inverse Throughput"], c.limit())
		for _, l := range c.loops {
			fmt.Fprintf(w, "  loop B%d..B%d: %s\t\t\t\t\t\t\t\t\t\n", l.First, l.Last, c.describe(l))
		}
	}
	return w.Flush()
}

// describe says what a loop is made of.
func (c *compiled) describe(l loop) string {
	if l.WMMA > 0 {
		return fmt.Sprintf("%.0f products of matrices of %.0f vector instructions; %.0f of workgroup memory, %.0f memory, %.0f scalar, %.0f branches",
			l.WMMA, l.Vector, l.LDS, l.Memory, l.Scalar, l.Branches)
	}
	return fmt.Sprintf("%.0f multiply-adds, %.0f %% of vector instructions, %.1f for each of workgroup memory; %.0f memory, %.0f scalar, %.0f branches; %.2f cycles for 32",
		l.FMA, 100*l.share(), l.perLDS(), l.Memory, l.Scalar, l.Branches, c.listing.per32(l.Cycles, l))
}

// limit says in a few words what the compiled shader will wait for.
func (c *compiled) limit() string {
	if c.spilled() > 0 {
		return "registers: it spills"
	}
	if len(c.loops) == 0 {
		return "memory: no loop multiplies"
	}
	worst := slices.MinFunc(c.loops, func(a, b loop) int { return cmp.Compare(a.share(), b.share()) })
	waves := c.numbers["Subgroups per SIMD"]
	switch {
	case worst.WMMA > 0:
		return "products of matrices"
	case worst.control() > 0.25:
		return "loop control"
	case worst.LDS > 0 && worst.perLDS() < 6:
		return "loads from workgroup memory"
	case worst.share() < 0.6:
		return "vector instructions beside the multiply-adds"
	case waves > 0 && waves < 4:
		return "latency: few waves"
	}
	return "multiply-adds"
}
