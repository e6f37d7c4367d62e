package dept

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/torchbin"
)

// The files of an adapter's folder.
const (
	AdapterConfigFile  = "adapter_config.json"
	AdapterWeightsFile = "adapter_model.safetensors"
	AdapterTorchFile   = "adapter_model.bin" // PyTorch's, read where there are no safetensors
)

// The tensors of an adapter, named as in the DePT authors' files.
const (
	tensorP = "prompt_embeddings"
	tensorA = "prompt_encoder.lora_embedding_A"
	tensorB = "prompt_encoder.lora_embedding_B"
)

// What adapter_config.json may say that an adapter is.
const (
	peftDePT         = "PROMPT_TUNING_LORA" // the DePT authors' name
	peftPromptTuning = "PROMPT_TUNING"      // Hugging Face PEFT's, where r = 0
)

// DefaultLoraAlpha is the DePT authors' factor: their shift is scaled by 8/√r.
const DefaultLoraAlpha = 8

// maxSize bounds m, r, s and d, far from where products of two overflow.
const maxSize = 1 << 24

// AdapterConfig is adapter_config.json, as far as the mathematics needs it. Keys that it does
// not name are ignored.
type AdapterConfig struct {
	// BaseModel says where the frozen model came from, BaseFingerprint which one it is, empty
	// in adapters that others have made.
	BaseModel       string `json:"base_model_name_or_path"`
	BaseFingerprint string `json:"base_model_fingerprint,omitempty"`

	PromptLength    int     `json:"num_virtual_tokens"`   // m
	Rank            int     `json:"r,omitempty"`          // r; 0 is prompt tuning
	MaxSourceLength int     `json:"max_length,omitempty"` // s, in tokens; 0, with r = 0 only, where nobody has said
	Width           int     `json:"token_dim"`            // d, the model's d_model
	LoraAlpha       float64 `json:"lora_alpha,omitempty"`
}

// Scale is the factor on A·B, lora_alpha/√r: 1 where lora_alpha is √r, as in the DePT paper's
// text. It is 0 where there is no shift to scale.
func (c AdapterConfig) Scale() float64 {
	if c.Rank == 0 {
		return 0
	}
	return c.LoraAlpha / math.Sqrt(float64(c.Rank))
}

// Parameters is how many numbers the adapter trains, m·d + r·(s + d).
func (c AdapterConfig) Parameters() int {
	return c.PromptLength*c.Width + c.Rank*(c.MaxSourceLength+c.Width)
}

func (c AdapterConfig) check() error {
	for _, size := range []struct {
		key   string
		value int
		least int
	}{
		{"num_virtual_tokens", c.PromptLength, 0},
		{"r", c.Rank, 0},
		{"max_length", c.MaxSourceLength, min(c.Rank, 1)},
		{"token_dim", c.Width, 1},
	} {
		if size.value < size.least || size.value > maxSize {
			return fmt.Errorf("%s is %d, expected %d to %d", size.key, size.value, size.least, maxSize)
		}
	}
	if c.Rank > 0 && !(c.LoraAlpha > 0 && c.LoraAlpha <= math.MaxFloat32) {
		return fmt.Errorf("lora_alpha is %g, expected a positive number: %d as the DePT authors have it, √r for no scale", c.LoraAlpha, DefaultLoraAlpha)
	}
	return nil
}

// adapterFile is the whole of adapter_config.json that we write.
type adapterFile struct {
	PeftType   string `json:"peft_type"`
	TaskType   string `json:"task_type"`
	Submodules int    `json:"num_transformer_submodules"`
	AdapterConfig
}

// Adapter is what training makes: the encoder reads [P ; E(x) + scale·A[:len]·B].
type Adapter struct {
	Config AdapterConfig
	P      []float32 // [m, d], the prompt
	A      []float32 // [s, r], row t for text position t
	B      []float32 // [r, d]
}

// tensors lists the three with the shapes that the config asks for.
func (a *Adapter) tensors() []adapterTensor {
	c := a.Config
	return []adapterTensor{
		{tensorP, [2]int{c.PromptLength, c.Width}, &a.P},
		{tensorA, [2]int{c.MaxSourceLength, c.Rank}, &a.A},
		{tensorB, [2]int{c.Rank, c.Width}, &a.B},
	}
}

type adapterTensor struct {
	name   string
	shape  [2]int
	values *[]float32
}

func (t adapterTensor) check() error {
	if len(*t.values) != t.shape[0]*t.shape[1] {
		return fmt.Errorf("tensor %s has %d values, expected shape %v", t.name, len(*t.values), t.shape)
	}
	for i, v := range *t.values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("tensor %s has %g at row %d, column %d", t.name, v, i/t.shape[1], i%t.shape[1])
		}
	}
	return nil
}

// Files gives the adapter's two files by name. The same adapter gives the same bytes. An adapter
// that does not fit its config, or has a number that is not finite, is an error.
//
// With r = 0 the files are those of Hugging Face PEFT's prompt tuning, with the prompt alone.
func (a *Adapter) Files() (map[string][]byte, error) {
	if err := a.Config.check(); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	file := adapterFile{PeftType: peftDePT, TaskType: "SEQ_2_SEQ_LM", Submodules: 1, AdapterConfig: a.Config}
	tensors := a.tensors()
	if a.Config.Rank == 0 {
		file.PeftType, file.LoraAlpha = peftPromptTuning, 0
		tensors = tensors[:1]
	}
	config, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	var packed []safetensors.Tensor
	for _, t := range tensors {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("adapter: %w", err)
		}
		packed = append(packed, safetensors.Float32(t.name, safetensors.F32, t.shape[:], *t.values))
	}
	var weights bytes.Buffer
	if err := safetensors.Write(&weights, packed, nil); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return map[string][]byte{AdapterConfigFile: append(config, '\n'), AdapterWeightsFile: weights.Bytes()}, nil
}

// Write puts the adapter into a folder, which it makes where there is none.
//
// A process killed at any moment leaves a folder that holds the adapter before or the one
// after, never a config of one with the weights of the other: a config that stays the same, as
// it does in a run, is not written again, and before it changes the weights that belonged to
// it are removed.
func (a *Adapter) Write(dir string) error {
	files, err := a.Files()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	old, err := os.ReadFile(filepath.Join(dir, AdapterConfigFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("adapter: %w", err)
	}
	changed := []string{AdapterWeightsFile}
	if !bytes.Equal(old, files[AdapterConfigFile]) {
		for _, name := range []string{AdapterWeightsFile, AdapterTorchFile} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("adapter: %w", err)
			}
		}
		changed = []string{AdapterConfigFile, AdapterWeightsFile}
	}
	for _, name := range changed {
		err := atomicfile.WriteFile(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := w.Write(files[name])
			return err
		})
		if err != nil {
			return fmt.Errorf("adapter: %w", err)
		}
	}
	return nil
}

// ReadAdapter reads the adapter in a folder: ours, the DePT authors', or prompt tuning of
// Hugging Face's PEFT.
func ReadAdapter(dir string) (*Adapter, error) {
	files := map[string][]byte{}
	for _, name := range []string{AdapterConfigFile, AdapterWeightsFile, AdapterTorchFile} {
		if name == AdapterTorchFile && files[AdapterWeightsFile] != nil {
			break
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("adapter: %w", err)
		}
		if err == nil {
			files[name] = content
		}
	}
	a, err := ParseAdapter(files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return a, nil
}

// ParseAdapter reads an adapter from the contents of its files, by name: adapter_config.json
// and adapter_model.safetensors or, without that, PyTorch's adapter_model.bin.
func ParseAdapter(files map[string][]byte) (*Adapter, error) {
	config, ok := files[AdapterConfigFile]
	if !ok {
		return nil, fmt.Errorf("no %s: this is no adapter", AdapterConfigFile)
	}
	var file adapterFile
	if err := json.Unmarshal(config, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", AdapterConfigFile, err)
	}
	switch file.PeftType {
	case peftDePT:
	case peftPromptTuning:
		file.Rank, file.LoraAlpha = 0, 0
	default:
		return nil, fmt.Errorf("%s: peft_type is %q, expected %s or %s", AdapterConfigFile, file.PeftType, peftDePT, peftPromptTuning)
	}
	a := &Adapter{Config: file.AdapterConfig}
	if err := a.Config.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", AdapterConfigFile, err)
	}
	// PEFT keeps a prompt for the decoder behind the encoder's unless it is told not to, and
	// does not use it with T5.
	submodules := max(1, file.Submodules)
	if submodules > 2 {
		return nil, fmt.Errorf("%s: num_transformer_submodules is %d, expected 1 or 2", AdapterConfigFile, submodules)
	}

	name, open := AdapterWeightsFile, safetensors.Parse
	if files[name] == nil {
		name, open = AdapterTorchFile, torchbin.Parse
	}
	if files[name] == nil {
		return nil, fmt.Errorf("no %s or %s: no weights have been saved", AdapterWeightsFile, AdapterTorchFile)
	}
	weights, err := open(files[name])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := a.load(weights, submodules); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

// load takes the tensors out of a file, which may hold no others.
func (a *Adapter) load(weights *safetensors.File, submodules int) error {
	tensors := a.tensors()
	for _, info := range weights.Tensors() {
		if !slices.ContainsFunc(tensors, func(t adapterTensor) bool { return t.name == info.Name }) {
			return fmt.Errorf("tensor %q belongs to no prompt adapter", info.Name)
		}
	}
	for _, t := range tensors {
		stored := t.shape
		if t.name == tensorP {
			stored[0] *= submodules
		}
		info, ok := weights.Lookup(t.name)
		if !ok {
			if stored[0]*stored[1] == 0 {
				continue
			}
			return fmt.Errorf("tensor %s is missing, expected shape %v", t.name, stored)
		}
		if !slices.Equal(info.Shape, stored[:]) {
			return fmt.Errorf("tensor %s has shape %v, expected %v by %s", t.name, info.Shape, stored, AdapterConfigFile)
		}
		values, err := weights.Float32(t.name)
		if err != nil {
			return err
		}
		*t.values = values[:t.shape[0]*t.shape[1]]
		if err := t.check(); err != nil {
			return err
		}
	}
	return nil
}
