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
// returns the files. The process can do so once: the layer counts pipelines.
func (k *kit) spirv(ctx context.Context, shaders []shader) ([]string, error) {
	for name, value := range map[string]string{
		"VK_LAYER_PATH": k.dir, "VK_INSTANCE_LAYERS": "VK_LAYER_DEPT_shaderreport", "SHADERREPORT_SPIRV": k.dir,
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	dev, err := wgpu.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer dev.Release()
	own, err := filepath.Glob(k.path("*.spv")) // wgpu's own, made when the device opens
	if err != nil {
		return nil, err
	}
	var files []string
	for i, s := range shaders {
		if _, err := dev.NewPipeline(ctx, s.File, s.source, s.Entry); err != nil {
			return nil, err
		}
		file := k.path(strconv.Itoa(len(own)+i) + ".spv")
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("no SPIR-V of %s was written: the adapter %s is not driven by way of Vulkan, or its loader takes no layers: %w", s.File, dev.Info(), err)
		}
		files = append(files, file)
	}
	return files, nil
}

// errNoFamily says that a driver does not know a family of hardware.
var errNoFamily = errors.New("this version of Mesa does not have it")

// compiled is what a driver's compiler reports of a shader.
type compiled struct {
	device  string
	numbers map[string]float64
	loops   []loop
}

// amd compiles a shader with AMD's driver in Mesa for a family of hardware, such as
// navi21, that need not be there.
func (k *kit) amd(ctx context.Context, spirv, entry, family string) (*compiled, error) {
	icd, err := radv()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, k.path("compile"), spirv, entry, "Assembly")
	command.Env = append(os.Environ(), "VK_INSTANCE_LAYERS=", "VK_ICD_FILENAMES="+icd, "VK_DRIVER_FILES="+icd, "RADV_FORCE_FAMILY="+family, "MESA_SHADER_CACHE_DISABLE=true")
	var complaints strings.Builder
	command.Stderr = &complaints
	out, err := command.Output()
	if strings.Contains(complaints.String(), "Unknown family") {
		return nil, fmt.Errorf("%s: %w", family, errNoFamily)
	}
	if err != nil {
		return nil, fmt.Errorf("compile %s for %s: %w: %s", spirv, family, err, &complaints)
	}
	c := &compiled{device: strings.TrimSpace(complaints.String()), numbers: map[string]float64{}}
	head, listing, _ := strings.Cut(string(out), "== ")
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if c.numbers[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("compile %s for %s: a statistic reads %q", spirv, family, line)
		}
	}
	c.loops = loopsOf(listing)
	return c, nil
}

// radv is the file by which the Vulkan loader finds AMD's driver: $RADV_ICD, or where
// distributions put it.
func radv() (string, error) {
	if file := os.Getenv("RADV_ICD"); file != "" {
		return file, nil
	}
	for _, dir := range []string{"/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"} {
		found, err := filepath.Glob(filepath.Join(dir, "radeon_icd*.json"))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("AMD's Vulkan driver is not installed (on Debian mesa-vulkan-drivers): %w", fs.ErrNotExist)
}
