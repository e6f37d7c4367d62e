//go:build !js

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-dept/dept/wgpu"
)

//go:embed vulkan
var programs embed.FS

// kit is the two C programs, built in a folder.
type kit struct{ dir string }

// newKit builds them with cc, which needs the headers of Vulkan.
func newKit(dir string) (*kit, error) {
	k := &kit{dir}
	for _, b := range []struct {
		source, out string
		flags       []string
	}{
		{"layer.c", "libshaderreport.so", []string{"-shared", "-fPIC"}},
		{"compile.c", "compile", []string{"-lvulkan"}},
	} {
		source, err := programs.ReadFile("vulkan/" + b.source)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(k.path(b.source), source, 0o666); err != nil {
			return nil, err
		}
		args := append([]string{"-O1", "-o", k.path(b.out), k.path(b.source)}, b.flags...)
		if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s (it needs cc and the headers of Vulkan, on Debian libvulkan-dev): %w\n%s", b.source, err, out)
		}
	}
	manifest := `{"file_format_version": "1.0.0", "layer": {"name": "VK_LAYER_DEPT_shaderreport", "type": "GLOBAL",
"library_path": "./libshaderreport.so", "api_version": "1.3.0", "implementation_version": "1", "description": "writes SPIR-V"}}`
	return k, os.WriteFile(k.path("shaderreport.json"), []byte(manifest), 0o666)
}

func (k *kit) path(name string) string { return filepath.Join(k.dir, name) }

// spirv makes of each shader what wgpu gives a driver, on any Vulkan adapter, and
// returns the files. Products of cooperative matrices, for which wgpu-native 29 opens no
// device, are naga's, which zeroes workgroup memory besides.
func (k *kit) spirv(ctx context.Context, shaders []shader) ([]string, error) {
	var ordinary []shader
	for _, s := range shaders {
		if !s.cooperative() {
			ordinary = append(ordinary, s)
		}
	}
	written, err := k.ordinary(ctx, ordinary)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, s := range shaders {
		if !s.cooperative() {
			files = append(files, written[0])
			written = written[1:]
			continue
		}
		wgsl, file := k.path(s.File), k.path("naga/"+s.name()+".spv")
		if err := errors.Join(os.MkdirAll(k.path("naga"), 0o777), os.WriteFile(wgsl, []byte(s.source), 0o666)); err != nil {
			return nil, err
		}
		naga := exec.CommandContext(ctx, "naga", "--index-bounds-check-policy", "Restrict", "--buffer-bounds-check-policy", "Unchecked",
			"--compact", "--entry-point", s.Entry, wgsl, file)
		if out, err := naga.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("make SPIR-V of %s (it needs cargo install naga-cli --version 30.0.1): %w\n%s", s.File, err, out)
		}
		files = append(files, file)
	}
	return files, nil
}

func (k *kit) ordinary(ctx context.Context, shaders []shader) ([]string, error) {
	return k.written(shaders, func() (func(shader) error, func(), error) {
		dev, err := wgpu.Open(ctx, "")
		if err != nil {
			return nil, nil, err
		}
		return func(s shader) error {
			_, err := dev.NewPipeline(ctx, s.File, s.source, s.Entry)
			return err
		}, dev.Release, nil
	})
}

// written opens a device under the layer, makes a pipeline of each shader, and returns
// the files that the layer wrote of them.
func (k *kit) written(shaders []shader, open func() (pipeline func(shader) error, release func(), err error)) ([]string, error) {
	for name, value := range map[string]string{
		"VK_LAYER_PATH": k.dir, "VK_INSTANCE_LAYERS": "VK_LAYER_DEPT_shaderreport", "SHADERREPORT_SPIRV": k.dir,
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	pipeline, release, err := open()
	if err != nil {
		return nil, err
	}
	defer release()
	before, err := filepath.Glob(k.path("*.spv")) // wgpu's own too, made when the device opens
	if err != nil {
		return nil, err
	}
	next := 0 // the layer counts all that this process makes
	for _, file := range before {
		n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".spv"))
		if err != nil {
			return nil, err
		}
		next = max(next, n+1)
	}
	var files []string
	for i, s := range shaders {
		if err := pipeline(s); err != nil {
			return nil, err
		}
		file := k.path(strconv.Itoa(next+i) + ".spv")
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("no SPIR-V of %s was written: the first adapter is not driven by way of Vulkan, or its loader takes no layers: %w", s.File, err)
		}
		files = append(files, file)
	}
	return files, nil
}

// hardware is a GPU that a driver's compiler compiles for and that need not be there.
type hardware struct {
	name   string // as people say: navi21, mtl, ga102
	vendor vendor
}

type vendor int

const (
	amd vendor = iota
	intel
	nvidia // through NVK, which is not NVIDIA's own
)

// known is the hardware that the drivers of Mesa can pretend.
var known = []hardware{
	{"navi21", amd}, {"gfx1100", amd}, {"navi31", amd}, {"gfx1151", amd}, {"gfx1200", amd},
	{"tgl", intel}, {"dg2", intel}, {"mtl", intel}, {"lnl", intel}, {"bmg", intel},
	{"ga102", nvidia},
}

// chipset is what NVK's pretended hardware is called by: GA102 is NV172.
var chipset = map[string]string{"ga102": "172"}

// errNoHardware says that a driver does not know some hardware.
var errNoHardware = errors.New("this version of Mesa does not have it")

// compiled is what a driver's compiler reports of a shader.
type compiled struct {
	device  string // and the driver's version
	numbers map[string]float64
	listing *listing
	loops   []loop
}

// spilled is how many registers were moved to memory, or their bytes for NVIDIA.
func (c *compiled) spilled() float64 {
	n := c.numbers
	return n["Spilled VGPRs"] + n["Spilled SGPRs"] + n["Spill Count"] + n["SLM Size"]
}

// registers is those of a lane, or of an Intel thread the most that live at once.
func (c *compiled) registers() float64 {
	n := c.numbers
	return n["VGPRs"] + n["Max live registers"] + n["Number of GPRs"]
}

func (c *compiled) instructions() float64 {
	n := c.numbers
	return n["Instructions"] + n["Instruction Count"] + n["Instruction count"]
}

// cycles is how long the driver expects the shader to take, where it does: AMD's for
// a wave alone, with every loop taken to run eight times, and branches half of the time.
func (c *compiled) cycles() float64 { return c.numbers["Latency"] + c.numbers["Cycle Count"] }

// compile compiles a shader with the host's drivers or, if drivers is not empty, those
// of a folder of scripts/shader-drivers. Weak is without robust access to buffers, which
// wgpu asks for.
func (k *kit) compile(ctx context.Context, drivers string, h hardware, spirv, entry string, weak bool) (*compiled, error) {
	icd, variable, listing := "radeon", "RADV_FORCE_FAMILY="+h.name, "Assembly"
	var shim string
	switch h.vendor {
	case intel:
		icd, variable, listing, shim = "intel", "INTEL_STUB_GPU_PLATFORM="+h.name, "none", "libintel_noop_drm_shim.so"
	case nvidia:
		icd, variable, listing, shim = "nouveau", "NOUVEAU_CHIPSET="+chipset[h.name], "NAK assembly", "libnouveau_noop_drm_shim.so"
	}
	args := []string{k.path("compile"), spirv, entry, listing}
	if weak {
		args = append(args, "weak")
	}
	root := ""
	if drivers != "" {
		// Programs of this system run with the libraries of the other through its loader.
		root = filepath.Join(drivers, "root")
		loader := []string{filepath.Join(root, "lib64/ld-linux-x86-64.so.2"), "--library-path", filepath.Join(root, "usr/lib/x86_64-linux-gnu")}
		if shim != "" {
			loader = append(loader, "--preload", filepath.Join(root, "usr/lib", shim))
		}
		args = append(loader, args...)
	} else if shim != "" {
		return nil, fmt.Errorf("compile for %s: this needs -drivers, the folder of scripts/shader-drivers", h.name)
	}
	file, err := driverFile(root, icd)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Env = append(os.Environ(), "VK_INSTANCE_LAYERS=", "VK_ICD_FILENAMES="+file, "VK_DRIVER_FILES="+file, "MESA_SHADER_CACHE_DISABLE=true",
		variable, "ACO_DEBUG=perfinfo", "INTEL_DEBUG=cs", "NVK_I_WANT_A_BROKEN_VULKAN_DRIVER=1")
	var debug strings.Builder
	command.Stderr = &debug
	out, err := command.Output()
	if strings.Contains(debug.String(), "Unknown family") {
		return nil, fmt.Errorf("%s: %w", h.name, errNoHardware)
	}
	if err != nil {
		complaints := debug.String()
		return nil, fmt.Errorf("compile %s for %s: %w: %s", spirv, h.name, err, complaints[max(0, len(complaints)-1000):])
	}
	c := &compiled{numbers: map[string]float64{}}
	_, device, _ := strings.Cut(debug.String(), "device: ")
	c.device, _, _ = strings.Cut(device, "\n")
	head, assembly, _ := strings.Cut(string(out), "== ")
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if c.numbers[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("compile %s for %s: a statistic reads %q", spirv, h.name, line)
		}
	}
	lanes := int(c.numbers["Subgroup size"])
	switch h.vendor {
	case amd:
		c.listing = amdListing(assembly, debug.String(), lanes, h.name != "navi21")
	case intel:
		c.listing = intelListing(debug.String(), lanes)
	case nvidia:
		c.listing = nakListing(assembly)
	}
	c.loops = c.listing.loops()
	return c, nil
}

// driverFile is the file by which the Vulkan loader finds a driver, where distributions
// put it.
func driverFile(root, icd string) (string, error) {
	for _, dir := range []string{"usr/share/vulkan/icd.d", "etc/vulkan/icd.d"} {
		found, err := filepath.Glob(filepath.Join(root+"/", dir, icd+"_icd*.json"))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("the Vulkan driver %s of Mesa is not installed (on Debian mesa-vulkan-drivers): %w", icd, fs.ErrNotExist)
}
