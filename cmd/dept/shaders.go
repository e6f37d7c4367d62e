package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// manifestFile lists the shaders of a folder.
const manifestFile = "manifest.json"

// shaderEntry is a line of the manifest: a pipeline at one shape in one program.
type shaderEntry struct {
	File       string `json:"file"`
	Entry      string `json:"entry"`
	Operation  string `json:"operation"`
	Variant    string `json:"variant,omitempty"`
	Shape      string `json:"shape,omitempty"`
	Program    string `json:"program"`
	Dispatches int    `json:"dispatches"`
	FMA        int64  `json:"fma"`
	Bytes      int64  `json:"bytes"`
}

// The programs of the manifest.
const (
	programStep   = "step"   // of training
	programEncode = "encode" // of generation, once for its texts
	programToken  = "token"  // of generation, for each token
)

type shadersJob struct {
	to, config            string
	batch, source, target int
	deviceType, vendor    string
	features              []string
	precision             train.Precision
	method                methodFlags
}

func shadersCommand() *cobra.Command {
	s := &shadersJob{}
	cmd := &cobra.Command{
		Use:   "shaders --write DIR --model CONFIG",
		Short: "Write the shaders that a device would run",
		Long: `Write every compute shader of a training step and of generation, as a device of a
type would run them, as plain WGSL in a folder, and what each does in its manifest.json:
how often a step (or a generated token) dispatches it, its multiply-adds, and the bytes
that it binds. No device is needed. This is what to send with a report of a driver's bug.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if s.batch < 1 || s.source < 2 || s.target < 1 || s.source > benchSource {
				return usagef("--batch-size and --target-length must be at least 1, --source-length from 2 to %d", benchSource)
			}
			return s.run(cmd)
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.to, "write", "", "the folder to write to")
	f.StringVar(&s.config, "model", "", configUsage)
	f.IntVar(&s.batch, "batch-size", 8, "rows at once")
	f.IntVar(&s.source, "source-length", 256, "tokens of a source")
	f.IntVar(&s.target, "target-length", benchTarget, "tokens of a target")
	f.StringVar(&s.deviceType, "device-type", "gpu", "gpu or cpu, a software adapter")
	f.StringVar(&s.vendor, "vendor", "", "who makes the device: nvidia, amd, intel, apple, arm or qualcomm")
	f.TextVar(&s.precision, "precision", s.precision, "of training: float32 or mixed")
	f.StringSliceVar(&s.features, "features", nil, "what the device can do, of f16, subgroups, cooperative-matrix")
	s.method.add(f)
	obligatory(cmd, "write", "model")
	return cmd
}

func (s *shadersJob) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	dev, err := s.device()
	if err != nil {
		return err
	}
	cfg, err := readConfig(cmd, "model", s.config)
	if err != nil {
		return err
	}
	kind, values, err := s.method.unread()
	if err != nil {
		return err
	}
	weights, err := t5.ZeroCheckpoint(cfg, safetensors.F32)
	if err != nil {
		return err
	}
	m, err := recordModel(ctx, dev, cfg, weights, kind, values, benchWork{Batch: s.batch, Source: s.source, Target: s.target, Precision: s.precision})
	if err != nil {
		return err
	}
	defer m.release()
	entries := &shaderEntries{sources: map[string]shaders.Spec{}}
	entries.add(programStep, m.step...)
	entries.add(programEncode, m.encode)
	entries.add(programToken, m.token)
	if err := os.MkdirAll(s.to, 0o777); err != nil {
		return err
	}
	if err := entries.write(s.to); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s  %d shaders, %d lines in %s\n", s.to, len(entries.sources), len(entries.list), manifestFile)
	for _, program := range []string{programStep, programEncode, programToken} {
		t := entries.total(program)
		fmt.Fprintf(out, "%s  %d dispatches, %.3g multiply-adds, %s bound\n", program, t.Dispatches, float64(t.FMA), size(t.Bytes))
	}
	return nil
}

// device is the kind of device that the flags describe, on paper.
func (s *shadersJob) device() (*wgpu.Device, error) {
	features, err := wgpu.ParseFeatures(s.features)
	if err != nil {
		return nil, usagef("--features: %v", err)
	}
	info := wgpu.AdapterInfo{Name: "a " + s.deviceType + " on paper", Vendor: s.vendor, Features: features}
	switch s.deviceType {
	case "gpu":
		info.Type = wgpu.DiscreteGPU
	case "cpu":
		info.Type = wgpu.CPU
	default:
		return nil, usagef("--device-type is %q: give gpu or cpu", s.deviceType)
	}
	return wgpu.OpenPlan(info, paperLimits), nil
}

// paperLimits are those that GPUs of the last ten years have in common, except that
// memory does not end.
var paperLimits = wgpu.Limits{
	BufferSize: 1 << 40, StorageBinding: 1 << 40, WorkgroupStorage: 32 << 10, Invocations: 256, WorkgroupsPerDimension: 1<<16 - 1,
}

// readConfig reads a model's config.json, or that of its folder; where there is
// neither, a name may stand for the sizes of a published model, or be the hub's.
func readConfig(cmd *cobra.Command, flag, name string) (*t5.Config, error) {
	_, err := os.Stat(name)
	if config, ok := modelSizes[name]; ok && err != nil {
		return t5.ParseConfig([]byte(config))
	}
	at, err := locate(cmd, flag, name, (*hub.Client).Config)
	if err != nil {
		return nil, err
	}
	path := at.Dir
	if stat, err := os.Stat(path); err == nil && stat.IsDir() {
		path = filepath.Join(path, "config.json")
	}
	return t5.ReadConfig(path)
}

// modelSizes are the first T5s, as their config.json has them.
var modelSizes = map[string]string{
	"t5-small": `{"model_type": "t5", "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_heads": 8, "num_layers": 6, "vocab_size": 32128}`,
	"t5-base":  `{"model_type": "t5", "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_heads": 12, "num_layers": 12, "vocab_size": 32128}`,
	"t5-large": `{"model_type": "t5", "d_model": 1024, "d_kv": 64, "d_ff": 4096, "num_heads": 16, "num_layers": 24, "vocab_size": 32128}`,
	"t5-3b":    `{"model_type": "t5", "d_model": 1024, "d_kv": 128, "d_ff": 16384, "num_heads": 32, "num_layers": 24, "vocab_size": 32128}`,
}

// configUsage is that of flags which name a model by its sizes.
const configUsage = "t5-small, t5-base, t5-large, t5-3b, a config.json as Hugging Face's T5 checkpoints have it, a folder with one, or ORG/NAME of the Hugging Face Hub"

// unread is the method of --method with its settings, for a model whose words are not
// read.
func (m *methodFlags) unread() (*dept.Kind, dept.Values, error) {
	kind, err := m.kind()
	if err != nil {
		return nil, nil, err
	}
	values, _, err := m.values(kind)
	if err != nil {
		return nil, nil, err
	}
	if kind.Setting("prompt-init") != nil {
		values["prompt-init"] = string(dept.InitRandom) // there are no words to start from
	}
	return kind, values, nil
}

// recordedModel is what a model of some sizes runs under a method.
type recordedModel struct {
	step          []*tensor.Program // of training
	encode, token *tensor.Program   // of generation

	engine    *tensor.Engine // the programs'
	bench     *benchMethod
	loading   *tensor.Engine
	model     *benchModel
	predictor *train.Predictor
}

// recordModel records a training step and generation, of a batch.
func recordModel(ctx context.Context, dev *wgpu.Device, cfg *t5.Config, weights nn.Checkpoint, kind *dept.Kind, values dept.Values, w benchWork) (m *recordedModel, err error) {
	m = &recordedModel{}
	defer func() {
		if err != nil {
			m.release()
			m = nil
		}
	}()
	if m.loading, err = tensor.NewEngine(dev); err != nil {
		return m, err
	}
	if m.model, err = loadBenchModel(ctx, m.loading, cfg, weights); err != nil {
		return m, err
	}
	m.bench = newBenchMethod(kind)
	m.bench.values = values
	if err := m.bench.build(ctx, dev, m.model, w); err != nil {
		return m, err
	}
	m.engine = m.bench.engine
	if m.step, err = m.bench.trainer.Programs(ctx); err != nil {
		return m, err
	}
	m.predictor = train.NewPredictor(m.engine, m.bench.model, nil, m.bench.method, train.PredictOptions{
		Batch: w.Batch, MaxSourceLength: w.Source, MaxNewTokens: w.Target, Beams: 1,
	})
	m.encode, m.token, err = m.predictor.Programs(ctx)
	return m, err
}

// all are the programs of the model.
func (m *recordedModel) all() []*tensor.Program {
	return append(slices.Clone(m.step), m.encode, m.token)
}

func (m *recordedModel) release() {
	if m.predictor != nil {
		m.predictor.Release()
	}
	if m.bench != nil {
		m.bench.release()
	}
	if m.model != nil {
		m.model.Release()
	}
	if m.loading != nil {
		m.loading.Release()
	}
}

// shaderEntries collects the manifest, and the pipeline of each file.
type shaderEntries struct {
	list    []*shaderEntry
	sources map[string]shaders.Spec
}

func (e *shaderEntries) add(program string, programs ...*tensor.Program) {
	for _, p := range programs {
		for _, k := range p.Kernels() {
			c := k.Call
			file := shaderFile(c.Spec)
			e.sources[file] = c.Spec
			same := func(x *shaderEntry) bool { return x.File == file && x.Program == program && x.Shape == c.Shape }
			i := slices.IndexFunc(e.list, same)
			if i < 0 {
				i = len(e.list)
				e.list = append(e.list, &shaderEntry{
					File: file, Entry: c.Spec.Entry, Operation: c.Operation(), Variant: c.Variant, Shape: c.Shape, Program: program,
				})
			}
			e.list[i].Dispatches++
			e.list[i].FMA += c.FMA
			e.list[i].Bytes += k.Bytes
		}
	}
}

// total sums up a program.
func (e *shaderEntries) total(program string) (t shaderEntry) {
	for _, x := range e.list {
		if x.Program == program {
			t.Dispatches += x.Dispatches
			t.FMA += x.FMA
			t.Bytes += x.Bytes
		}
	}
	return t
}

// shaderFile is a name that says what a pipeline is: matmul.block_plain.LAYOUT-0.wgsl.
func shaderFile(s shaders.Spec) string {
	constants := strings.NewReplacer("=", "-", ",", ".", "<", "-", ">", "").Replace(s.Constants)
	parts := slices.DeleteFunc([]string{s.File, s.Entry, constants, "wgsl"}, func(part string) bool { return part == "" })
	return strings.Join(parts, ".")
}

// write puts the shaders and then their manifest into a folder.
func (e *shaderEntries) write(dir string) error {
	for file, spec := range e.sources {
		source, err := shaders.Source(spec)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(source), 0o666); err != nil {
			return err
		}
	}
	manifest, err := json.MarshalIndent(e.list, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestFile), append(manifest, '\n'), 0o666)
}
