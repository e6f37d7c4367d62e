package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// tuneEach is for how long a kernel is repeated.
const tuneEach = 50 * time.Millisecond

type tuneJob struct {
	config, device, to string
	batch, target      int
	sources            []int
	weights            []string // how they are stored
	precisionNames     []string
	precisions         []train.Precision
	asJSON             bool
	method             methodFlags
	profile            shaders.Profile
	tuned              map[string]tensor.Tuned
	foundFaster        int
}

func tuneCommand() *cobra.Command {
	t := &tuneJob{tuned: map[string]tensor.Tuned{}}
	cmd := &cobra.Command{
		Use:   "tune --model CONFIG",
		Short: "Measure which kernels are fastest on this device",
		Long: `Time, for a training step and generation of a model of these sizes, each kernel that the
device can run in several ways in each of them, and write the fastest down as the
device's profile, which later runs choose by. A training run keeps the kernels that it
began with. Numbers differ in their last bits between kernels. The model's weights are
not read.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			for _, source := range t.sources {
				if source < 2 || source > benchSource {
					return usagef("--source-length must be from 2 to %d", benchSource)
				}
			}
			if t.batch < 1 || t.target < 1 || len(t.sources) == 0 {
				return usagef("--batch-size and --target-length must be at least 1")
			}
			for _, name := range t.weights {
				if name != "float32" && name != "float16" {
					return usagef("--weights is %q: give float32, float16 or both", name)
				}
			}
			for _, name := range t.precisionNames {
				var p train.Precision
				if err := p.UnmarshalText([]byte(name)); err != nil {
					return usagef("--precision: %v", err)
				}
				t.precisions = append(t.precisions, p)
			}
			return t.run(cmd)
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&t.config, "model", "", configUsage)
	f.IntVar(&t.batch, "batch-size", 8, "rows at once")
	f.IntSliceVar(&t.sources, "source-length", []int{256}, "tokens of a source; several, as 64,256, are measured one after the other")
	f.IntVar(&t.target, "target-length", benchTarget, "tokens of a target")
	f.StringSliceVar(&t.weights, "weights", []string{"float32"}, "how the model's weights are stored: float32, float16 or both")
	f.StringSliceVar(&t.precisionNames, "precision", []string{"float32"}, "of training: float32, mixed or both")
	f.StringVar(&t.to, "write", "", "the profile's file (default the device's own, which later runs take)")
	addDevice(f, &t.device)
	f.BoolVar(&t.asJSON, "json", false, "print the profile")
	t.method.add(f)
	obligatory(cmd, "model")
	return cmd
}

func (t *tuneJob) run(cmd *cobra.Command) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	cfg, err := readConfig(cmd, "model", t.config)
	if err != nil {
		return err
	}
	kind, values, err := t.method.unread()
	if err != nil {
		return err
	}
	dev, err := wgpu.Open(ctx, t.device)
	if err != nil {
		return err
	}
	defer dev.Release()
	path := t.to
	if path == "" {
		if path, err = profilePath(dev.Info()); err != nil {
			return fmt.Errorf("where to write the profile: %w; say so with --write", err)
		}
	}
	show := out
	if t.asJSON {
		show = io.Discard
	}
	field(show, "device", "%s", dev.Info())
	for _, source := range t.sources {
		for _, stored := range t.weights {
			for _, precision := range t.precisions {
				w := benchWork{t.batch, source, t.target, precision}
				err := t.measure(ctx, show, dev, cfg, stored, kind, values, w)
				if err == nil {
					t.conclude(dev.Info())
					err = t.write(path) // what there is, should the rest be cut off
				}
				if err != nil {
					return err
				}
			}
		}
	}
	if t.asJSON {
		return printJSON(out, t.profile)
	}
	field(out, "profile", "%s: %d of %s run faster in another way than by default", path, t.foundFaster, plural(len(t.tuned), "kind")+" of work")
	return nil
}

// unreadWeights stand for weights that are stored in a way.
func unreadWeights(cfg *t5.Config, stored string) (nn.Checkpoint, error) {
	if stored == "float16" {
		return newBenchWeights(cfg.Describe()), nil
	}
	return t5.ZeroCheckpoint(cfg, safetensors.F32)
}

// measure times what a model runs that was not timed yet.
func (t *tuneJob) measure(ctx context.Context, show io.Writer, dev *wgpu.Device, cfg *t5.Config, stored string, kind *dept.Kind, values dept.Values, w benchWork) error {
	weights, err := unreadWeights(cfg, stored)
	if err != nil {
		return err
	}
	m, err := recordModel(ctx, dev, cfg, weights, kind, values, w)
	if err != nil {
		return err
	}
	defer m.release()
	if err := m.bench.step(ctx); err != nil { // so that buffers hold a batch
		return err
	}
	// The last token reads as many keys as there are.
	if err := m.engine.SetStep(tensor.Step{LossScale: 1, Position: uint32(t.target - 1)}); err != nil {
		return err
	}
	return m.engine.Tune(ctx, t.tuned, tuneEach, func(x tensor.Tuned) { t.print(show, x) }, m.all()...)
}

// print says what was measured of a class.
func (t *tuneJob) print(out io.Writer, x tensor.Tuned) {
	names := slices.SortedFunc(maps.Keys(x.Times), func(a, b string) int { return int(x.Times[a] - x.Times[b]) })
	var parts []string
	for _, name := range names {
		_, variant, _ := strings.Cut(name, "/")
		mark := ""
		if name == x.Default {
			mark = " (default)"
		}
		parts = append(parts, fmt.Sprintf("%s %.3g ms%s", variant, milliseconds(x.Times[name]), mark))
	}
	fmt.Fprintf(out, "%s  %s\n", x.Class, strings.Join(parts, ", "))
	if x.Fastest != x.Default {
		t.foundFaster++
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// conclude makes the profile of what was measured.
func (t *tuneJob) conclude(device wgpu.AdapterInfo) {
	t.profile = shaders.Profile{
		Device: device, Library: wgpu.Library(), Kernels: shaders.Version(), Variants: map[string]string{}, Milliseconds: map[string]map[string]float64{},
	}
	for class, x := range t.tuned {
		t.profile.Variants[class] = x.Fastest
		t.profile.Milliseconds[class] = map[string]float64{}
		for name, took := range x.Times {
			t.profile.Milliseconds[class][name] = milliseconds(took)
		}
	}
}

func (t *tuneJob) write(path string) error {
	data, err := json.MarshalIndent(t.profile, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	err = atomicfile.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return nil
}
