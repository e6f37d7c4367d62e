package t5

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/internal/foreign"
	"github.com/go-dept/dept/internal/jsontext"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/torchbin"
)

// The files of a checkpoint folder, beside the tokenizer's.
const (
	configFile  = "config.json"
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
)

// Checkpoint is an open checkpoint folder in which every tensor that Config.Tensors lists has been
// found with its shape. The weights are read when asked for, so opening is cheap. Its methods may
// be called from several goroutines.
type Checkpoint struct {
	Config *Config

	names    []string          // as Config.Tensors has them
	stored   map[string]stored // by those names
	halved   bool              // what is stored as F32 is given as F16
	warnings []string
	closers  []io.Closer
}

// stored says where a tensor of the model lies: its name there may differ from the model's.
type stored struct {
	file *safetensors.File
	info safetensors.Info
}

// OpenCheckpoint opens a folder with config.json and the weights: model.safetensors, else
// model.safetensors.index.json and the shards that it names, else pytorch_model.bin or its index and
// shards. The folder needs no tokenizer.
func OpenCheckpoint(dir string) (*Checkpoint, error) {
	if err := foreign.CheckFolder(dir, configFile); err != nil {
		return nil, fmt.Errorf("opening checkpoint %s: %w", dir, err)
	}
	c, err := OpenCheckpointFS(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("opening checkpoint %s: %w", dir, err)
	}
	return c, nil
}

// OpenCheckpointFS is OpenCheckpoint for a folder that is anywhere, in a browser's storage for
// example. Files that are no io.ReaderAt are read into memory.
func OpenCheckpointFS(dir fs.FS) (*Checkpoint, error) {
	data, err := fs.ReadFile(dir, configFile)
	if errors.Is(err, fs.ErrNotExist) {
		if what := foreign.Folder(dir, foreign.Model); what != nil {
			return nil, what
		}
		return nil, fmt.Errorf("there is no %s: give a folder with a checkpoint as Hugging Face lays it out: %w", configFile, err)
	}
	if err != nil {
		return nil, err
	}
	var config *Config
	if err = foreign.Check(data); err == nil {
		config, err = ParseConfig(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	c := &Checkpoint{Config: config, stored: map[string]stored{}}
	found, err := c.openWeights(dir)
	if err == nil {
		err = c.chooseTables(found)
	}
	if err == nil {
		err = c.resolve(found)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// NewCheckpoint is a checkpoint in memory, float32, of the values that tensors returns as for
// WriteCheckpoint.
func NewCheckpoint(cfg *Config, tensors func(name string) ([]float32, error)) (*Checkpoint, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new checkpoint: %w", err)
	}
	var file bytes.Buffer
	if err := safetensors.Write(&file, tensorList(cfg, safetensors.F32, tensors), nil); err != nil {
		return nil, fmt.Errorf("new checkpoint: %w", err)
	}
	weights, err := safetensors.Parse(file.Bytes())
	if err != nil {
		return nil, fmt.Errorf("new checkpoint: %w", err)
	}
	c := &Checkpoint{Config: cfg, stored: map[string]stored{}}
	return c, c.resolve(allTensors(weights))
}

// ZeroCheckpoint is a checkpoint of a type whose numbers are all 0, which takes no memory: it is for
// planning a model of any size.
func ZeroCheckpoint(cfg *Config, dtype safetensors.DType) (*Checkpoint, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("zero checkpoint: %w", err)
	}
	weights, err := safetensors.Zeros(tensorList(cfg, dtype, nil))
	if err != nil {
		return nil, fmt.Errorf("zero checkpoint: %w", err)
	}
	c := &Checkpoint{Config: cfg, stored: map[string]stored{}}
	return c, c.resolve(allTensors(weights))
}

// form is a way to store weights: in a file, or in shards of a suffix with an index of them.
type form struct {
	file, index, suffix string
	format              foreign.Format
	read                func(r io.ReaderAt, size int64, name string) (*safetensors.File, error)
}

// forms are the ways in which Hugging Face's programs store weights, in their order of preference.
var forms = []form{
	{weightsFile, indexFile, ".safetensors", foreign.SafeTensors, safetensors.Read},
	{"pytorch_model.bin", "pytorch_model.bin.index.json", ".bin", foreign.PyTorch, torchbin.Read},
}

// openWeights opens the one weights file or the shards, and returns all tensors by name.
func (c *Checkpoint) openWeights(dir fs.FS) (map[string]stored, error) {
	for _, form := range forms {
		file, err := c.openFile(dir, form.file, form)
		if err == nil {
			return allTensors(file), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		index, err := fs.ReadFile(dir, form.index)
		if err == nil {
			return c.openShards(dir, form, index)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if what := foreign.Folder(dir, foreign.Model); what != nil {
		return nil, fmt.Errorf("the weights are missing: %w", what)
	}
	return nil, fmt.Errorf("there is neither %s nor pytorch_model.bin, nor the index of either", weightsFile)
}

// openShards opens the files that an index names, and returns the tensors that it names.
func (c *Checkpoint) openShards(dir fs.FS, form form, index []byte) (map[string]stored, error) {
	var shards struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	err := foreign.Check(index)
	if err == nil {
		err = jsontext.Unmarshal(index, &shards)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", form.index, err)
	}
	found := map[string]stored{}
	files := map[string]*safetensors.File{}
	for _, name := range slices.Sorted(maps.Keys(shards.WeightMap)) {
		shard := shards.WeightMap[name]
		// A shard lies beside its index: nothing else is opened because a file says so.
		if strings.ContainsAny(shard, `/\`) || !strings.HasSuffix(shard, form.suffix) {
			return nil, fmt.Errorf("%s: %q is no name of a shard", form.index, shard)
		}
		if files[shard] == nil {
			var err error
			if files[shard], err = c.openFile(dir, shard, form); err != nil {
				return nil, fmt.Errorf("a shard that %s names: %w", form.index, err)
			}
		}
		info, ok := files[shard].Lookup(name)
		if !ok {
			return nil, fmt.Errorf("%s says that %s has tensor %q, but it does not", form.index, shard, name)
		}
		found[name] = stored{files[shard], info}
	}
	return found, nil
}

// allTensors lists a file's tensors by name.
func allTensors(file *safetensors.File) map[string]stored {
	found := map[string]stored{}
	for _, info := range file.Tensors() {
		found[info.Name] = stored{file, info}
	}
	return found
}

func (c *Checkpoint) openFile(dir fs.FS, name string, form form) (*safetensors.File, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	c.closers = append(c.closers, f)
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, ok := f.(io.ReaderAt)
	size := stat.Size()
	if !ok {
		data, err := io.ReadAll(f)
		if err != nil {
			return nil, err
		}
		r, size = bytes.NewReader(data), int64(len(data))
	}
	if err := foreign.CheckAt(r, form.format); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return form.read(r, size, name)
}

// tables are the names under which Hugging Face's programs store the embedding, in the order of
// preference: files of tied models may have any of them, and repeat it under the others.
var tables = []string{embeddingTensor, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", headTensor}

// chooseTables decides which tensors are the embedding and the output table, as transformers 5 does:
// the output table is lm_head.weight where there is one; a tied model's that holds what the
// embedding does is the embedding. It warns where other programs see it differently, and of tables
// that it leaves aside though they hold other values.
func (c *Checkpoint) chooseTables(found map[string]stored) error {
	tied, own := c.Config.TieWordEmbeddings, false
	var embedding *stored
	for _, name := range tables {
		at, ok := found[name]
		if !ok {
			continue
		}
		if err := checkTensor(at, []int{c.Config.VocabSize, c.Config.DModel}); err != nil {
			return err
		}
		if embedding == nil {
			if name == headTensor && !tied {
				break // the model's embedding is missing
			}
			embedding = &at
			found[embeddingTensor] = at
			continue
		}
		if name == headTensor && !tied {
			own = true
			continue
		}
		same, err := equal(*embedding, at)
		switch {
		case err != nil:
			return err
		case same:
		case name == headTensor:
			own = true
			if c.Config.beforeVersion5() {
				c.warn("%s ties the output table to the embedding, but %s holds other values: it is used, as transformers 5 does; transformers 4 uses the embedding", configFile, headTensor)
			}
		default:
			c.warn("%s and %s hold other values: the first is used for both encoder and decoder, as transformers 4 does; transformers 5 uses each in its place", embedding.info.Name, name)
		}
	}
	if _, has := found[headTensor]; !has && !tied {
		c.warn("%s asks for an output table of its own, but there is no %s: the embedding is used, as transformers 5 does", configFile, headTensor)
	}
	c.Config.ownTable = &own
	return nil
}

func (c *Checkpoint) warn(format string, values ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, values...))
}

// Warnings are what a person should know of the files that were read, a sentence each.
func (c *Checkpoint) Warnings() []string { return c.warnings }

// equal says whether two tensors of one shape hold the same values.
func equal(a, b stored) (bool, error) {
	if a.file == b.file && a.info.Offset == b.info.Offset && a.info.DType == b.info.DType {
		return true, nil
	}
	next := func(s stored) (func(elements int64) ([]float32, error), error) {
		r, err := s.file.Reader(s.info.Name)
		if err != nil {
			return nil, err
		}
		return func(elements int64) ([]float32, error) {
			part := make([]byte, elements*int64(s.info.DType.Size()))
			if _, err := io.ReadFull(r, part); err != nil {
				return nil, fmt.Errorf("reading tensor %q of %s: %w", s.info.Name, s.file.Name(), err)
			}
			return safetensors.Decode(s.info.DType, part)
		}, nil
	}
	readA, err := next(a)
	if err != nil {
		return false, err
	}
	readB, err := next(b)
	if err != nil {
		return false, err
	}
	for left := a.info.Size / int64(a.info.DType.Size()); left > 0; {
		n := min(left, 1<<18)
		x, err := readA(n)
		if err != nil {
			return false, err
		}
		y, err := readB(n)
		if err != nil || !slices.Equal(x, y) {
			return false, err
		}
		left -= n
	}
	return true, nil
}

// resolve finds each tensor of the model among those in the files, and checks it.
func (c *Checkpoint) resolve(found map[string]stored) error {
	for _, spec := range c.Config.Tensors() {
		at, ok := found[spec.Name]
		if !ok {
			return fmt.Errorf("there is no tensor %q, which must have shape %v by %s", spec.Name, spec.Shape, configFile)
		}
		if err := checkTensor(at, spec.Shape); err != nil {
			return err
		}
		c.names = append(c.names, spec.Name)
		c.stored[spec.Name] = at
	}
	// A block more than config.json has would change what the model computes. Other tensors, such
	// as the head of a classifier, would not.
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if _, ok := c.stored[name]; ok || name == unusedBias {
			continue
		}
		if strings.HasPrefix(name, "encoder.block.") || strings.HasPrefix(name, "decoder.block.") {
			return fmt.Errorf("tensor %q has no place in the model that %s describes (%d encoder and %d decoder blocks, feed_forward_proj %q)",
				name, configFile, c.Config.NumLayers, c.Config.NumDecoderLayers, c.Config.FeedForwardProj)
		}
	}
	return nil
}

// unusedBias is in the first published T5 files. No computation ever read it.
const unusedBias = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"

func checkTensor(at stored, shape []int) error {
	if !slices.Equal(at.info.Shape, shape) {
		return fmt.Errorf("tensor %q of %s has shape %v, but must have %v by %s", at.info.Name, at.file.Name(), at.info.Shape, shape, configFile)
	}
	if !at.info.DType.Float() {
		return fmt.Errorf("tensor %q of %s has type %s: F32, F16, BF16 and F64 are read", at.info.Name, at.file.Name(), at.info.DType)
	}
	return nil
}

// Names lists the tensors as Config.Tensors does. Do not change the slice.
func (c *Checkpoint) Names() []string { return c.names }

// Info describes a tensor as it is stored, under the file's own name for it.
func (c *Checkpoint) Info(name string) (info safetensors.Info, ok bool) {
	at, ok := c.stored[name]
	return at.info, ok
}

// Halve has Bytes and Reader give as F16 what is stored as F32, so that a model takes half of the
// memory on a device. Float32, Row and Fingerprint stay with what is stored. It is called before
// the weights are read; a number beyond the largest of F16 fails when it is read.
func (c *Checkpoint) Halve() { c.halved = true }

// Bytes returns a tensor's elements as they are stored: row-major, little-endian, of type F32, F16,
// BF16 or F64; or halved.
func (c *Checkpoint) Bytes(name string) (safetensors.DType, []byte, error) {
	dtype, r, err := c.Reader(name)
	if err != nil {
		return "", nil, err
	}
	data := make([]byte, r.Size())
	if n, err := r.ReadAt(data, 0); n < len(data) {
		return "", nil, fmt.Errorf("reading tensor %q of %s: %w", name, c.stored[name].file.Name(), err)
	}
	return dtype, data, nil
}

// Reader reads a tensor's elements as Bytes gives them.
func (c *Checkpoint) Reader(name string) (safetensors.DType, *io.SectionReader, error) {
	at, ok := c.stored[name]
	if !ok {
		return "", nil, fmt.Errorf("the model has no tensor %q", name)
	}
	r, err := at.file.Reader(at.info.Name)
	if err == nil && c.halved && at.info.DType == safetensors.F32 {
		return safetensors.F16, io.NewSectionReader(halves{r, name}, 0, r.Size()/2), nil
	}
	return at.info.DType, r, err
}

// halves reads float32 numbers as float16.
type halves struct {
	from *io.SectionReader
	name string
}

func (h halves) ReadAt(p []byte, at int64) (n int, err error) {
	first, end := at/2, min(at+int64(len(p)), h.from.Size()/2) // of whole numbers
	numbers := make([]byte, 4*((end+1)/2-first))
	if n, err := h.from.ReadAt(numbers, 4*first); n < len(numbers) {
		return 0, err
	}
	values, err := safetensors.Decode(safetensors.F32, numbers)
	if err != nil {
		return 0, err
	}
	half, err := safetensors.Encode(safetensors.F16, values)
	if err != nil {
		return 0, fmt.Errorf("halving tensor %q: %w", h.name, err)
	}
	if n = copy(p, half[at%2:]); n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Row returns row i of a matrix, such as the embedding of token i in "shared.weight".
func (c *Checkpoint) Row(name string, i int) ([]float32, error) {
	dtype, r, err := c.Reader(name)
	if err != nil {
		return nil, err
	}
	shape := c.stored[name].info.Shape
	if len(shape) != 2 || i < 0 || i >= shape[0] {
		return nil, fmt.Errorf("tensor %q of shape %v has no row %d", name, shape, i)
	}
	row := make([]byte, shape[1]*dtype.Size())
	if n, err := r.ReadAt(row, int64(i*len(row))); n < len(row) {
		return nil, fmt.Errorf("reading row %d of tensor %q: %w", i, name, err)
	}
	return safetensors.Decode(dtype, row)
}

// Float32 returns a tensor's elements, row-major.
func (c *Checkpoint) Float32(name string) ([]float32, error) {
	at, ok := c.stored[name]
	if !ok {
		return nil, fmt.Errorf("the model has no tensor %q", name)
	}
	return at.file.Float32(at.info.Name)
}

// Fingerprint identifies the weights: it is the hexadecimal SHA-256 of every tensor's name, shape
// and values as float32, in the order of the names. How the values are stored, in which files and
// beside which other tensors makes no difference. It reads all weights, about a second a gigabyte.
func (c *Checkpoint) Fingerprint() (string, error) {
	shapes := map[string][]int{}
	for _, spec := range c.Config.Tensors() {
		shapes[spec.Name] = spec.Shape
	}
	sum := sha256.New()
	chunk := make([]byte, 1<<20)
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		fmt.Fprintf(sum, "%s %v\n", name, shapes[name])
		at := c.stored[name]
		r, err := at.file.Reader(at.info.Name)
		if err != nil {
			return "", err
		}
		for left := at.info.Size; left > 0; {
			part := chunk[:min(left, int64(len(chunk)))]
			if _, err := io.ReadFull(r, part); err != nil {
				return "", fmt.Errorf("reading tensor %q of %s: %w", at.info.Name, at.file.Name(), err)
			}
			left -= int64(len(part))
			if at.info.DType != safetensors.F32 {
				values, err := safetensors.Decode(at.info.DType, part)
				if err != nil {
					return "", err
				}
				if part, err = safetensors.Encode(safetensors.F32, values); err != nil {
					return "", err
				}
			}
			sum.Write(part)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Close closes the files.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.closers {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// WriteCheckpoint writes model.safetensors and config.json into dir, which it makes if need be.
// tensors returns the values of each tensor of cfg.Tensors, row-major; it is called for one after
// the other and only one is held at a time. dtype is F32, F16 or BF16. The tokenizer is not part of
// it: text.Tokenizer.Save writes that.
func WriteCheckpoint(dir string, cfg *Config, dtype safetensors.DType, tensors func(name string) ([]float32, error)) error {
	torchType, ok := torchTypes[dtype]
	if !ok {
		return fmt.Errorf("writing checkpoint %s: weights are written as F32, F16 or BF16, not as %s", dir, dtype)
	}
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("writing checkpoint %s: %w", dir, err)
	}
	config, err := json.MarshalIndent(cfg.written(torchType), "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	// Hugging Face's loader asks for this metadata.
	err = safetensors.WriteFile(filepath.Join(dir, weightsFile), tensorList(cfg, dtype, tensors), map[string]string{"format": "pt"})
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(filepath.Join(dir, configFile), func(w io.Writer) error {
		_, err := w.Write(append(config, '\n'))
		return err
	})
}

// tensorList is what a file of weights holds.
func tensorList(cfg *Config, dtype safetensors.DType, tensors func(name string) ([]float32, error)) []safetensors.Tensor {
	var list []safetensors.Tensor
	for _, spec := range cfg.Tensors() {
		list = append(list, safetensors.Tensor{Name: spec.Name, DType: dtype, Shape: spec.Shape, Data: func() ([]byte, error) {
			values, err := tensors(spec.Name)
			if err != nil {
				return nil, err
			}
			return safetensors.Encode(dtype, values)
		}})
	}
	return list
}

// torchTypes are the names in config.json of the types in which weights are written.
var torchTypes = map[safetensors.DType]string{
	safetensors.F32:  "float32",
	safetensors.F16:  "float16",
	safetensors.BF16: "bfloat16",
}
