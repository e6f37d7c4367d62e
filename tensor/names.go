package tensor

import "github.com/go-dept/dept/shaders"

// What operations take as the kernels define it, so that packages above name no
// shader.
type (
	Kernels       = shaders.Target
	MissingKernel = shaders.MissingError

	Storage      = shaders.Storage
	Dropout      = shaders.Dropout
	End          = shaders.End
	RelativeBias = shaders.RelativeBias
	Activation   = shaders.Activation
	Step         = shaders.Step
)

// The storages of arrays.
const (
	F32  = shaders.F32
	F16  = shaders.F16
	BF16 = shaders.BF16
)

// The ends of a product.
const (
	EndPlain    = shaders.EndPlain
	EndReLU     = shaders.EndReLU
	EndGated    = shaders.EndGated
	EndResidual = shaders.EndResidual
)

// ParseActivation finds an activation by its name; see shaders.Activation.
func ParseActivation(name string) (Activation, error) { return shaders.ParseActivation(name) }

// Key hashes seed, step and micro-batch into a dropout key; see shaders.Key.
func Key(seed uint64, step, micro int) [2]uint32 { return shaders.Key(seed, step, micro) }

// Runs lists where each id stands; see shaders.Runs.
func Runs(ids []uint32) (runs, order []uint32) {
	return shaders.Runs(ids, func(int) bool { return false })
}
