package dept

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/internal/foreign"
	"github.com/go-dept/dept/internal/jsontext"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/torchbin"
)

// The files of an adapter's folder.
const (
	AdapterConfigFile  = "adapter_config.json"
	AdapterWeightsFile = "adapter_model.safetensors"
	AdapterTorchFile   = "adapter_model.bin" // read where there are no safetensors
)

// AdapterFiles are the names of all files that an adapter can have.
var AdapterFiles = []string{AdapterConfigFile, AdapterWeightsFile, AdapterTorchFile, HubWeightsFile, HubTorchFile}

// maxSize bounds sizes far from where products of two overflow.
const maxSize = 1 << 24

// Config is what an adapter_config.json says, as far as the mathematics needs it:
// a method's own struct, with the file's keys.
type Config interface {
	// Kind is the method.
	Kind() *Kind
	// Check reports the first value that no adapter can have.
	Check() error
	// Positions is how many positions the method puts before the text.
	Positions() int
	// MaxSource is the most tokens of a text that it can be used with, and was
	// trained with; 0 where nothing says.
	MaxSource() int
	// SetMaxSource sets it for more training; a text length that the adapter's
	// numbers depend on is refused.
	SetMaxSource(tokens int) error
	// Tensors lists the adapter's tensors, without values, for a model. It refuses
	// a model that the adapter cannot be for.
	Tensors(d nn.Description) ([]Tensor, error)
	// Take picks the adapter's tensors out of a file's, for any model. It refuses
	// a file that lacks some, holds others, or has other shapes than the Config.
	Take(file []Tensor) ([]Tensor, error)
	// Describe says in a line what is trained.
	Describe() string
	// note takes in what the weights' file says of the longest text.
	note(maxLength string) error
}

// anyLength is a part of the Configs of methods that put nothing before the text, and
// none of whose numbers depend on its length.
type anyLength struct {
	maxSource int // of the texts of training
}

// Positions is 0.
func (*anyLength) Positions() int { return 0 }

// MaxSource is the longest text of training.
func (l *anyLength) MaxSource() int { return l.maxSource }

// SetMaxSource sets it: no tensor depends on it.
func (l *anyLength) SetMaxSource(tokens int) error {
	l.maxSource = tokens
	return nil
}

func (l *anyLength) note(maxLength string) (err error) {
	l.maxSource, err = parseMaxLength(maxLength)
	return err
}

// Tensor is one of an adapter's: its name in the file, and numbers row by row.
type Tensor struct {
	Name   string
	Shape  []int
	Values []float32
	Group  string // whose learning rate it follows in training
}

// Base is the frozen model of an adapter: where it came from, and which it is,
// empty in adapters that others have made.
type Base struct{ Model, Fingerprint string }

// Adapter is what training makes.
type Adapter struct {
	Config  Config
	Base    Base
	Answers *Answers // nil where nothing says
	Tensors []Tensor
}

// Origin is what training starts from besides settings.
type Origin struct {
	Model      nn.Description
	Checkpoint nn.Checkpoint
	Tokenizer  interface {
		Encode(text string) []int32
		EOS() int32
	} // only a prompt that starts from text needs it
	Seed uint64
}

// NewAdapter makes the adapter that training starts from.
func NewAdapter(c Config, v Values, o Origin) (*Adapter, error) {
	list, err := c.Tensors(o.Model)
	if err != nil {
		return nil, err
	}
	made, err := c.Kind().Start(c, v, o)
	if err != nil {
		return nil, err
	}
	if err := matchTensors(list, made); err != nil {
		return nil, err
	}
	for i := range made {
		made[i].Group = list[i].Group
	}
	return &Adapter{Config: c, Tensors: made}, nil
}

// Values is a tensor of the adapter; nil if it has none of that name.
func (a *Adapter) Values(name string) []float32 {
	for _, t := range a.Tensors {
		if t.Name == name {
			return t.Values
		}
	}
	return nil
}

// Fits refuses a model that the adapter cannot be for: one without its modules, or of
// other sizes.
func (a *Adapter) Fits(d nn.Description) error {
	_, err := a.tensorsFor(d)
	return err
}

// tensorsFor lists the adapter's tensors in the order that they have for a model that
// it fits; a file has them in another.
func (a *Adapter) tensorsFor(d nn.Description) ([]Tensor, error) {
	list, err := a.Config.Tensors(d)
	if err != nil {
		return nil, err
	}
	for _, t := range a.Tensors {
		if !slices.ContainsFunc(list, func(l Tensor) bool { return l.Name == t.Name }) {
			return nil, fmt.Errorf("the adapter does not fit the model: tensor %q is of no module there that can be changed: give the model it was trained on", t.Name)
		}
	}
	if list, err = takeTensors(list, a.Tensors); err != nil {
		return nil, fmt.Errorf("the adapter does not fit the model: %w: give the model it was trained on", err)
	}
	return list, nil
}

// Parameters is how many numbers of the adapter are trained.
func (a *Adapter) Parameters() (n int) { return count(a.Tensors) }

func count(tensors []Tensor) (n int) {
	for _, t := range tensors {
		if t.Group != GroupFixed {
			n += t.len()
		}
	}
	return n
}

func (t Tensor) len() int {
	n := 1
	for _, s := range t.Shape {
		n *= s
	}
	return n
}

// matchTensors reports the first difference in names and shapes.
func matchTensors(want, got []Tensor) error {
	for i, w := range want {
		if i >= len(got) {
			return fmt.Errorf("tensor %s is missing, expected shape %v", w.Name, w.Shape)
		}
		if g := got[i]; g.Name != w.Name || !slices.Equal(g.Shape, w.Shape) {
			return fmt.Errorf("tensor %s has shape %v, expected %s of %v", g.Name, g.Shape, w.Name, w.Shape)
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("tensor %s of shape %v has no place in the model", got[len(want)].Name, got[len(want)].Shape)
	}
	return nil
}

// takeTensors picks the tensors of a list out of a file's, in the list's order.
func takeTensors(want, file []Tensor) ([]Tensor, error) {
	var took []Tensor
	for _, f := range file {
		if !slices.ContainsFunc(want, func(w Tensor) bool { return w.Name == f.Name }) {
			return nil, fmt.Errorf("tensor %q belongs to no such adapter: is the %s another one's?", f.Name, AdapterConfigFile)
		}
	}
	for _, w := range want {
		i := slices.IndexFunc(file, func(f Tensor) bool { return f.Name == w.Name })
		if i < 0 {
			return nil, fmt.Errorf("tensor %s is missing, expected shape %v", w.Name, w.Shape)
		}
		if !slices.Equal(file[i].Shape, w.Shape) {
			return nil, fmt.Errorf("tensor %s has shape %v, expected %v", w.Name, file[i].Shape, w.Shape)
		}
		took = append(took, Tensor{Name: w.Name, Shape: w.Shape, Values: file[i].Values, Group: w.Group})
	}
	return took, nil
}

// check reports the first number that is not finite.
func (t Tensor) check() error {
	if len(t.Values) != t.len() {
		return fmt.Errorf("tensor %s has %d values, expected shape %v", t.Name, len(t.Values), t.Shape)
	}
	width := max(1, t.Shape[len(t.Shape)-1])
	for i, v := range t.Values {
		if !finite(v) {
			return fmt.Errorf("tensor %s has %g at row %d, column %d", t.Name, v, i/width, i%width)
		}
	}
	return nil
}

// What the safetensors' metadata say besides Hugging Face's own "format": which
// model the adapter is for, the longest text that it was trained with, and its Answers. PEFT
// knows no keys for them in adapter_config.json, and old versions of it refuse
// keys they do not know.
const (
	formatKey      = "format"
	fingerprintKey = "base_model_fingerprint"
	maxLengthKey   = "max_length"
	answersKey     = "answers"
)

// Files gives the adapter's two files by name. The same adapter gives the same
// bytes. An adapter that does not fit its Config, or has a number that is not
// finite, is an error.
func (a *Adapter) Files() (map[string][]byte, error) {
	if err := a.Config.Check(); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	config, err := configFile(a.Config, a.Base.Model)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	var packed []safetensors.Tensor
	for _, t := range a.Tensors {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("adapter: %w", err)
		}
		packed = append(packed, safetensors.Float32(t.Name, safetensors.F32, t.Shape, t.Values))
	}
	notes := map[string]string{formatKey: "pt"}
	if a.Base.Fingerprint != "" {
		notes[fingerprintKey] = a.Base.Fingerprint
	}
	if s := a.Config.MaxSource(); s > 0 {
		notes[maxLengthKey] = fmt.Sprint(s)
	}
	if a.Answers != nil {
		if notes[answersKey], err = a.Answers.note(); err != nil {
			return nil, fmt.Errorf("adapter: %w", err)
		}
	}
	var weights bytes.Buffer
	if err := safetensors.Write(&weights, packed, notes); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return map[string][]byte{AdapterConfigFile: config, a.Config.Kind().WeightsFile(): weights.Bytes()}, nil
}

// configFile is an adapter_config.json, keys sorted as PEFT and the adapters library sort them.
func configFile(c Config, baseModel string) ([]byte, error) {
	own, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	keys := map[string]json.RawMessage{} // what stands in them stays as it is written
	if err := json.Unmarshal(own, &keys); err != nil {
		return nil, err
	}
	common := map[string]any{"peft_type": c.Kind().Peft, "task_type": "SEQ_2_SEQ_LM", "base_model_name_or_path": baseModel, "inference_mode": true}
	if c.Kind().Hub {
		common = map[string]any{"model_name": baseModel}
	}
	for key, value := range common {
		if keys[key], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	b, err := json.MarshalIndent(keys, "", "  ")
	return append(b, '\n'), err
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
	changed := []string{a.Config.Kind().WeightsFile()}
	if !bytes.Equal(old, files[AdapterConfigFile]) {
		for _, name := range AdapterFiles[1:] {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("adapter: %w", err)
			}
		}
		changed = append([]string{AdapterConfigFile}, changed...)
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

// Fingerprint identifies an adapter by its numbers.
func (a *Adapter) Fingerprint() (string, error) {
	files, err := a.Files()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(files[a.Config.Kind().WeightsFile()])
	return hex.EncodeToString(sum[:]), nil
}

// ReadAdapter reads the adapter in a folder: ours, the DePT authors', or one of
// Hugging Face's PEFT or of the adapters library of a method in Kinds.
func ReadAdapter(dir string) (*Adapter, error) {
	if err := foreign.CheckFolder(dir, AdapterConfigFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("adapter %s: %w", dir, err)
	}
	files := map[string][]byte{}
	for _, name := range AdapterFiles {
		if name == AdapterTorchFile && files[AdapterWeightsFile] != nil || name == HubTorchFile && files[HubWeightsFile] != nil {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("adapter: %w", err)
		}
		if err == nil {
			files[name] = content
		}
	}
	if files[AdapterConfigFile] == nil {
		if what := foreign.Folder(os.DirFS(dir), foreign.Adapter); what != nil {
			return nil, fmt.Errorf("adapter %s: %w", dir, what)
		}
	}
	a, err := ParseAdapter(files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return a, nil
}

// ParseAdapter reads an adapter from the contents of its files, by name: adapter_config.json
// and adapter_model.safetensors or, without that, PyTorch's adapter_model.bin; of the adapters
// library adapter.safetensors or pytorch_adapter.bin.
func ParseAdapter(files map[string][]byte) (*Adapter, error) {
	a, err := parseConfig(files[AdapterConfigFile])
	if err != nil {
		return nil, err
	}
	k := a.Config.Kind()
	name, format, open := k.WeightsFile(), foreign.SafeTensors, safetensors.Parse
	if files[name] == nil {
		name, format, open = k.torchFile(), foreign.PyTorch, torchbin.Parse
	}
	if files[name] == nil {
		return nil, fmt.Errorf("no %s or %s: no weights have been saved", k.WeightsFile(), k.torchFile())
	}
	if err := foreign.Check(files[name], format); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	weights, err := open(files[name])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	notes := weights.Metadata()
	if a.Base.Fingerprint == "" {
		a.Base.Fingerprint = notes[fingerprintKey]
	}
	if err := a.Config.note(notes[maxLengthKey]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if a.Answers, err = parseAnswers(notes[answersKey]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var file []Tensor
	type place struct {
		offset, size int64
		dtype        safetensors.DType
	}
	read := map[place][]float32{} // PyTorch's files may have one tensor under several names
	for _, info := range weights.Tensors() {
		place := place{info.Offset, info.Size, info.DType}
		if read[place] == nil {
			if read[place], err = weights.Float32(info.Name); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		file = append(file, Tensor{Name: info.Name, Shape: info.Shape, Values: read[place]})
	}
	if a.Tensors, err = a.Config.Take(file); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, t := range a.Tensors {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return a, nil
}

// parseMaxLength reads the longest text from a file's metadata, 0 where it is not
// there.
func parseMaxLength(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxSize {
		return 0, fmt.Errorf("%s %q in the metadata is no number from 1 to %d", maxLengthKey, text, maxSize)
	}
	return n, nil
}

// parseConfig reads an adapter_config.json.
func parseConfig(config []byte) (*Adapter, error) {
	if config == nil {
		return nil, fmt.Errorf("no %s: this is no adapter", AdapterConfigFile)
	}
	var file struct {
		PeftType    string `json:"peft_type"`
		BaseModel   string `json:"base_model_name_or_path"`
		Fingerprint string `json:"base_model_fingerprint"` // of adapters of earlier versions
		// Of the adapters library's files: what the adapter is like, and its model.
		Config    json.RawMessage `json:"config"`
		ModelName string          `json:"model_name"`
	}
	err := foreign.Check(config)
	if err == nil {
		err = jsontext.Unmarshal(config, &file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", AdapterConfigFile, err)
	}
	var like struct{ Architecture string }
	hub := file.PeftType == "" && json.Unmarshal(file.Config, &like) == nil
	if hub {
		file.BaseModel = file.ModelName
	}
	var peft []string
	for _, k := range Kinds {
		if k.Peft != "" {
			peft = append(peft, k.Peft)
		}
		if k.Checkpoints() || k.Hub != hub || k.Peft != file.PeftType || k.Architecture != like.Architecture {
			continue
		}
		c := k.Empty()
		err := jsontext.Unmarshal(config, c)
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", AdapterConfigFile, err)
		}
		return &Adapter{Config: c, Base: Base{file.BaseModel, file.Fingerprint}}, nil
	}
	return nil, fmt.Errorf("%s: it is %s: the adapters that are read have peft_type %s", AdapterConfigFile, otherMethod(file.PeftType, hub, like.Architecture), strings.Join(peft, ", "))
}

// otherMethods are methods of PEFT's that are not in Kinds, by peft_type.
var otherMethods = map[string]string{
	"PREFIX_TUNING":           "PEFT's prefix tuning, half of whose numbers have no effect on a T5; that of the adapters library is read",
	"P_TUNING":                "P-tuning, a prompt that a small network makes",
	"MULTITASK_PROMPT_TUNING": "multitask prompt tuning, a prompt and a change of it for each task",
	"CPT":                     "context-aware prompt tuning",
	"ADALORA":                 "AdaLoRA, LoRA whose ranks training spreads over the modules",
	"LOHA":                    "LoHa, low-rank Hadamard products",
	"LOKR":                    "LoKr, low-rank Kronecker products",
	"VERA":                    "VeRA, scalings of random matrices that all modules share",
	"OFT":                     "orthogonal fine-tuning",
	"BOFT":                    "orthogonal fine-tuning with butterfly factors",
}

// otherMethod says what an adapter is that no row of Kinds reads.
func otherMethod(peftType string, hub bool, architecture string) string {
	switch about, known := otherMethods[peftType]; {
	case known:
		return fmt.Sprintf("an adapter of %s (peft_type %s)", about, peftType)
	case peftType != "":
		return fmt.Sprintf("an adapter of a method that is not known here (peft_type %q)", peftType)
	case hub:
		return fmt.Sprintf("an adapter of the adapters library (AdapterHub) of a method that is not read (architecture %q; bottleneck adapters have none)", architecture)
	}
	return "no adapter of PEFT's, since it has no peft_type"
}
