package t5

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// RandomTensors returns values for a new model, drawn as Hugging Face's T5 does: norms are 1, and
// the others normal with mean 0 and a deviation that keeps activations near 1 without any scaling
// inside attention; all of them times InitializerFactor. The values of a tensor depend on seed and
// on its name alone.
func RandomTensors(cfg *Config, seed uint64) func(name string) ([]float32, error) {
	shapes := map[string][]int{}
	for _, spec := range cfg.Tensors() {
		shapes[spec.Name] = spec.Shape
	}
	factor := cfg.InitializerFactor
	if factor == 0 {
		factor = 1
	}
	return func(name string) ([]float32, error) {
		shape, ok := shapes[name]
		if !ok {
			return nil, fmt.Errorf("the model has no tensor %q", name)
		}
		count := 1
		for _, n := range shape {
			count *= n
		}
		values := make([]float32, count)
		if strings.HasSuffix(name, "layer_norm.weight") {
			for i := range values {
				values[i] = float32(factor)
			}
			return values, nil
		}
		std := factor * deviation(cfg, name)
		key := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), name...))
		random := rand.New(rand.NewChaCha8(key))
		for i := range values {
			values[i] = float32(std * random.NormFloat64())
		}
		return values, nil
	}
}

// deviation is the standard deviation of a new matrix's elements.
func deviation(cfg *Config, name string) float64 {
	parts := strings.Split(strings.TrimSuffix(name, ".weight"), ".")
	switch parts[len(parts)-1] {
	case "q":
		return 1 / math.Sqrt(float64(cfg.DModel)*float64(cfg.DKV))
	case "k", "v", "wi", "wi_0", "wi_1", "relative_attention_bias":
		return 1 / math.Sqrt(float64(cfg.DModel))
	case "o":
		return 1 / math.Sqrt(float64(cfg.NumHeads)*float64(cfg.DKV))
	case "wo":
		return 1 / math.Sqrt(float64(cfg.DFF))
	}
	return 1 // shared and lm_head
}
