// Package shaders holds the WGSL compute kernels, one file for each operation,
// and knows for each how it is specialized, parametrized and spread over a grid.
// Package tensor runs them; their source is
//
//	call := shaders.RMSNorm{Rows: 8, Width: 512, Eps: 1e-6}.Forward(shaders.TargetOf(device))
//	wgsl, err := shaders.Source(call.Spec)
//
// A file is valid WGSL as it lies on disk. What varies is an override or a type's
// alias with a default; Source turns `override NAME: T = default;` into a constant,
// because not every driver passes pipeline constants, and sets what `alias NAME =
// default;` stands for. Sizes travel in a uniform, so one pipeline serves all
// shapes.
//
// An operation may have several variants of its kernel. Which one runs depends on the
// device, the operation's sizes and what was measured on the device before (Target,
// Profile): a table by the type and vendor of the device decides where nothing was. A
// run records that and goes on with it; nothing is timed while training.
//
// Parts that several kernels have in common lie in shared/; go generate writes them
// into the kernels, between marks, and a test holds the kernels to them.
//
// Bindings, in every kernel, all in @group(0):
//
//	@binding(0)    uniform: the kernel's own Params
//	@binding(1..8) storage: operands in the order that the operation documents
//	@binding(9)    uniform: Step, in the kernels whose work changes from step to step
package shaders

import (
	"context"
	"embed"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/go-dept/dept/wgpu"
)

//go:generate go run ./splice

//go:embed *.wgsl
var files embed.FS

// StepBinding is the binding of the Step uniform.
const StepBinding = 9

// Spec names a pipeline: an entry point of a file under given constants. It is
// comparable, so it can key a cache.
type Spec struct {
	File      string // without .wgsl
	Entry     string
	Constants string // "NAME=value,...", sorted by name
	Step      bool   // the kernel reads the Step uniform
}

func (s Spec) String() string {
	return fmt.Sprintf("%s.%s(%s)", s.File, s.Entry, s.Constants)
}

// Constants renders name, value pairs for Spec.Constants.
func Constants(pairs ...any) string {
	parts := make([]string, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, fmt.Sprintf("%v=%v", pairs[i], pairs[i+1]))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// Call is one dispatch of a kernel, short of its buffers.
type Call struct {
	Spec    Spec
	Params  []byte // the Params uniform
	Grid    [3]uint32
	Variant string // of the operation's, where there are several: "matmul/tile"

	// What it costs, of products and attention: their sizes, and the multiply-adds,
	// hidden scores included.
	Shape string
	FMA   int64

	// Class is the name under which the operation's variants are measured and
	// chosen (Target.Variants): operations of about the same sizes share one.
	Class  string
	needs  needs
	others func(Target) []Call
}

// Variants lists the calls of all variants that compute the same on a device, the
// call itself among them; nil where there is but one way.
func (c Call) Variants(t Target) []Call {
	if c.others == nil {
		return nil
	}
	return c.others(t)
}

// Operation names what a call does: "matmul", "attention forward".
func (c Call) Operation() string {
	name := c.Spec.File
	if c.Variant != "" {
		name, _, _ = strings.Cut(c.Variant, "/")
	}
	if name == "matmul" {
		return name
	}
	return name + " " + c.Spec.Entry
}

// Target is what the choice of a kernel may depend on: the adapter and what was
// measured on it before, never a timing made while training, or resuming would not be
// exact. A run records its own and goes on with it.
type Target struct {
	Type             wgpu.AdapterType  `json:"type"`
	Vendor           string            `json:"vendor,omitempty"`
	Features         wgpu.Features     `json:"features"`
	Invocations      int               `json:"invocations"`        // most threads in a workgroup
	WorkgroupStorage int               `json:"workgroup_storage"`  // bytes
	MatrixLanes      int               `json:"-"`                  // threads that hold a cooperative matrix, where Features has those
	Variants         map[string]string `json:"variants,omitempty"` // the one to run by Call.Class, of those that were measured; see Profile
	Groups           int               `json:"-"`                  // most workgroups in one dimension of a grid
}

// TargetOf describes a device, without cooperative matrices: WithMatrices adds those.
func TargetOf(d *wgpu.Device) Target {
	l := d.Limits()
	return Target{
		Type:             d.Info().Type,
		Vendor:           d.Info().Vendor,
		Features:         d.Features() &^ wgpu.CooperativeMatrices,
		Invocations:      l.Invocations,
		WorkgroupStorage: l.WorkgroupStorage,
		Groups:           l.WorkgroupsPerDimension,
	}
}

var (
	overrideLine = regexp.MustCompile(`(?m)^override (\w+): (\w+) = ([^;]+);`)
	aliasF16     = regexp.MustCompile(`(?m)^alias \w+ = [^;]*\bf16\b`)
	aliasLine    = regexp.MustCompile(`(?m)^alias (\w+) = ([^;]+);`)
)

// Source is the specialized text of a kernel file. It fails if a constant is
// neither an override nor an alias of the file.
func Source(s Spec) (string, error) {
	text, err := files.ReadFile(s.File + ".wgsl")
	if err != nil {
		return "", fmt.Errorf("shader %s: no file %s.wgsl", s, s.File)
	}
	values := map[string]string{}
	if s.Constants != "" {
		for _, pair := range strings.Split(s.Constants, ",") {
			name, value, _ := strings.Cut(pair, "=")
			values[name] = value
		}
	}
	value := func(name, otherwise string) string {
		if v, ok := values[name]; ok {
			delete(values, name)
			return v
		}
		return otherwise
	}
	out := overrideLine.ReplaceAllStringFunc(string(text), func(line string) string {
		m := overrideLine.FindStringSubmatch(line)
		return fmt.Sprintf("const %s: %s = %s;", m[1], m[2], value(m[1], m[3]))
	})
	out = aliasLine.ReplaceAllStringFunc(out, func(line string) string {
		m := aliasLine.FindStringSubmatch(line)
		return fmt.Sprintf("alias %s = %s;", m[1], value(m[1], m[2]))
	})
	if aliasF16.MatchString(out) {
		out = "enable f16;\n" + out
	}
	for name := range values {
		return "", fmt.Errorf("shader %s: %s.wgsl has no override or alias %s", s, s.File, name)
	}
	return out, nil
}

// Pool compiles each pipeline once for a device.
type Pool struct {
	dev       *wgpu.Device
	pipelines map[Spec]*wgpu.Pipeline
}

// NewPool makes an empty pool.
func NewPool(d *wgpu.Device) *Pool {
	return &Pool{dev: d, pipelines: map[Spec]*wgpu.Pipeline{}}
}

// Pipeline returns the pipeline of a spec and compiles it the first time, unless ctx is done.
func (p *Pool) Pipeline(ctx context.Context, s Spec) (*wgpu.Pipeline, error) {
	if pipeline, ok := p.pipelines[s]; ok {
		return pipeline, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	source, err := Source(s)
	if err != nil {
		return nil, err
	}
	// One that is under way is waited for, so that it need not be compiled again.
	pipeline, err := p.dev.NewPipeline(context.WithoutCancel(ctx), s.String(), source, s.Entry)
	if err != nil {
		return nil, err
	}
	p.pipelines[s] = pipeline
	return pipeline, nil
}

// Len is the number of pipelines compiled so far.
func (p *Pool) Len() int { return len(p.pipelines) }

// Storage is how the numbers of a weight lie in memory. Arithmetic is float32
// whatever the storage.
type Storage uint32

// The storages. The two half-precision ones pack two numbers into a u32, the
// one with the lower index in the lower half.
const (
	F32 Storage = iota
	F16
	BF16
)

// Bytes is the size of one number.
func (s Storage) Bytes() int {
	if s == F32 {
		return 4
	}
	return 2
}

func (s Storage) String() string { return [...]string{"float32", "float16", "bfloat16"}[s] }

// Dropout zeroes elements with probability Rate and scales the others by
// 1/(1-Rate). Whether an element is dropped is a function of the step's key,
// Site and the element's index in its tensor, so the backward pass draws the
// forward's mask again and a resumed run draws the same. Rate 0 leaves
// everything as it is.
type Dropout struct {
	Rate float32
	Site uint32 // distinguishes the places of a model
}

// params gives site, threshold and scale as the kernels read them.
func (d Dropout) params() (site, threshold uint32, scale float32) {
	if d.Rate <= 0 {
		return d.Site, 0, 1
	}
	return d.Site, uint32(math.Min(float64(d.Rate)*(1<<32), 1<<32-1)), float32(1 / (1 - float64(d.Rate)))
}

// Step is what changes from one step to the next, the learning rates apart; the
// kernels read it from a uniform of StepBytes bytes.
type Step struct {
	Key       [2]uint32 // dropout's key, a hash of seed, step and micro-batch: see Key
	Position  uint32    // decoding: tokens already in the cache
	Slot      uint32    // where in the ring of records this step writes
	LossScale float32   // 1 / target tokens of the whole update
	Clip      float32   // largest global gradient norm; 0 does not clip
	// GradScale makes gradients so many times as large on their way, which keeps them
	// in half precision's range, until the optimiser divides by it: a power of two, by
	// which nothing is rounded; 0 is 1.
	GradScale float32
}

// StepBytes is the size of the Step uniform.
const StepBytes = 32

// Bytes lays the step out as the kernels declare it.
func (s Step) Bytes() []byte {
	b := make([]byte, 0, StepBytes)
	for _, word := range [...]uint32{
		s.Key[0], s.Key[1], s.Position, s.Slot, math.Float32bits(s.LossScale), math.Float32bits(s.Clip),
		math.Float32bits(orOne(s.GradScale)),
	} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return b[:StepBytes]
}

// Key hashes seed, step and micro-batch into a dropout key (splitmix64).
func Key(seed uint64, step, micro int) [2]uint32 {
	mix := func(z uint64) uint64 {
		z += 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	z := mix(mix(mix(seed)^uint64(step)) ^ uint64(micro))
	return [2]uint32{uint32(z), uint32(z >> 32)}
}

// grid1D spreads n threads over groups of size threads, in two dimensions when
// one does not reach. Kernels find their index as
// (wid.y·num_workgroups.x + wid.x)·size + lid.
func (t Target) grid1D(n, size int) [3]uint32 {
	groups := max(1, (n+size-1)/size)
	if groups <= t.Groups {
		return [3]uint32{uint32(groups), 1, 1}
	}
	y := (groups + t.Groups - 1) / t.Groups
	return [3]uint32{uint32((groups + y - 1) / y), uint32(y), 1}
}
