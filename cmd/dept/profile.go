package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-dept/dept/internal/jsontext"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// noProfile is the --profile that takes none.
const noProfile = "none"

// addProfile registers --profile.
func addProfile(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "profile", "", "what dept tune measured: a file, or none (default the device's own, where there is one)")
}

// profilePath is where a device's own profile lies.
func profilePath(device wgpu.AdapterInfo) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, device.Name+" "+device.Backend)
	return filepath.Join(dir, "dept", "profiles", name+".json"), nil
}

// readProfile reads a file of dept tune.
func readProfile(path string) (*shaders.Profile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	p := &shaders.Profile{}
	if err := jsontext.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("read profile %s: %w", path, err)
	}
	return p, nil
}

// kernels says what kernels are chosen by on a device: what the profile of --profile
// holds, or the device's own profile. One of the device's own that no longer holds is
// left alone, with a warning.
func kernels(cmd *cobra.Command, profile string) func(*wgpu.Device) (tensor.Kernels, error) {
	return func(d *wgpu.Device) (tensor.Kernels, error) {
		path := profile
		k, err := shaders.TargetOf(d).WithMatrices(cmd.Context(), d)
		if err != nil {
			return k, err
		}
		switch profile {
		case noProfile:
			return k, nil
		case "":
			if path, err = profilePath(d.Info()); err != nil {
				return k, nil // nobody's: there is no folder for settings
			}
		}
		p, err := readProfile(path)
		if profile == "" && errors.Is(err, fs.ErrNotExist) {
			return k, nil
		}
		if err == nil {
			if err = p.Check(d.Info()); err != nil {
				err = fmt.Errorf("profile %s: %w", path, err)
			}
		}
		switch {
		case err != nil && profile == "":
			warn(cmd, "%v; going on without it", err)
		case err != nil:
			return k, err
		default:
			k.Variants = p.Variants
		}
		return k, nil
	}
}
