package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/text"
	"github.com/go-dept/dept/wgpu"
)

// modelFiles is a model's folder, wherever it lies.
type modelFiles interface {
	fs.FS
	// Forget drops what is kept of a file from earlier visits, because it is no
	// good.
	Forget(name string)
}

// The files of a model's folder.
const (
	configFile    = "config.json"
	weightsFile   = "model.safetensors"
	tokenizerFile = "tokenizer.json"
	spieceFile    = "spiece.model"
)

// model is a frozen T5 on a device.
type model struct {
	name          string
	dev           *wgpu.Device
	engine        *tensor.Engine
	ck            *t5.Checkpoint
	tok           *text.Tokenizer
	t5            *t5.Model
	fingerprint   string
	embeddingSize float32 // mean |E(x)|
}

// openModel puts a model on a device of its own.
func openModel(ctx context.Context, name string, files modelFiles) (*model, error) {
	m := &model{name: name}
	if err := m.open(ctx, files); err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

func (m *model) open(ctx context.Context, files modelFiles) (err error) {
	// The device first: without one there is no use in fetching.
	if m.dev, err = wgpu.Open(ctx, ""); err != nil {
		return err
	}
	if m.engine, err = tensor.NewEngine(m.dev); err != nil {
		return err
	}
	if m.tok, err = readTokenizer(files); err != nil {
		return err
	}
	if m.ck, err = t5.OpenCheckpointFS(files); err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); !ok && ctx.Err() == nil {
			// What was kept is damaged, or was when it was fetched.
			files.Forget(weightsFile)
			files.Forget(configFile)
		}
		return as(codeFile, damaged, fmt.Errorf("the model's files: %w", err))
	}
	if m.t5, err = t5.LoadModel(ctx, m.engine, m.ck, false); err != nil {
		return as(codeFile, damaged, err)
	}
	if err = m.dev.Wait(ctx); err != nil {
		return err
	}
	if m.fingerprint, err = m.ck.Fingerprint(); err != nil {
		return err
	}
	m.embeddingSize, err = m.meanEmbedding()
	return err
}

// damaged says what to do about a file that is no good.
const damaged = "Load again: the file is fetched anew. If it stays like this, the file on the server is damaged."

func readTokenizer(files modelFiles) (*text.Tokenizer, error) {
	for _, format := range []struct {
		name  string
		parse func([]byte) (*text.Tokenizer, error)
	}{{tokenizerFile, text.ParseJSON}, {spieceFile, text.ParseSentencePiece}} {
		data, err := fs.ReadFile(files, format.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		tok, err := format.parse(data)
		if err != nil {
			files.Forget(format.name)
			return nil, failf(codeFile, damaged, "%s: %w", format.name, err)
		}
		return tok, nil
	}
	return nil, failf(codeFile, "Put tokenizer.json or spiece.model beside config.json.", "the model's folder has no tokenizer")
}

// meanEmbedding is the mean length of some of the embedding's rows.
func (m *model) meanEmbedding() (float32, error) {
	const samples = 64
	var sum float32
	for i := range samples {
		row, err := m.ck.Row("shared.weight", i*m.ck.Config.VocabSize/samples)
		if err != nil {
			return 0, err
		}
		sum += size(row)
	}
	return sum / samples, nil
}

// release gives everything back, the device too.
func (m *model) release() {
	if m.t5 != nil {
		m.t5.Release()
	}
	if m.engine != nil {
		m.engine.Release()
	}
	if m.dev != nil {
		m.dev.Release()
	}
	if m.ck != nil {
		m.ck.Close()
	}
}

func (m *model) device() Device {
	info := m.dev.Info()
	return Device{Name: info.Name, Type: string(info.Type), Backend: info.Backend}
}

// ready describes the model and its device.
func (m *model) ready() Ready {
	c := m.ck.Config
	return Ready{
		Device: m.device(),
		Model: Model{
			Name: m.name, Parameters: m.t5.Parameters(), Bytes: m.t5.Bytes(), Width: c.DModel,
			Blocks: [2]int{c.NumLayers, c.NumDecoderLayers}, Vocabulary: c.VocabSize,
		},
	}
}

// encode is a text's ids with the end token, as the encoder reads them under a
// limit of s tokens.
func (m *model) encode(text string, s int) (ids []int32, cut bool, err error) {
	ids, err = m.tok.Encode(text)
	if err != nil {
		return nil, false, err
	}
	if len(ids) > s-1 {
		ids, cut = ids[:s-1], true
	}
	return append(ids, m.tok.EOS()), cut, nil
}

// check refuses an adapter of another width, and warns of one that was trained
// on another model.
func (m *model) check(a *dept.Adapter) (warning string, err error) {
	c := a.Config
	if width := m.ck.Config.DModel; c.Width != width {
		return "", failf(codeAdapter, "Drop an adapter that was trained on this page's model, or load the model it was trained on.",
			"the adapter is for a model of width %d, and this one has width %d", c.Width, width)
	}
	if c.BaseFingerprint != "" && c.BaseFingerprint != m.fingerprint {
		return "This adapter was trained on another model: it will hardly work on this one.", nil
	}
	return "", nil
}

// reader answers with an adapter's numbers as they were when it was given them.
type reader struct {
	config    dept.AdapterConfig
	prompt    *dept.Prompt
	many, one *train.Predictor // for rows and for a typed text: each keeps programs of its shapes
}

// The sizes of prediction.
const (
	answerTokens  = 20  // generated at most, as the command line does for a task
	defaultSource = 128 // tokens of a text where no adapter says how many
	rowsAtOnce    = 16
)

// readerConfig is a reader's: an adapter's, with a source length in any case.
func readerConfig(c dept.AdapterConfig) dept.AdapterConfig {
	if c.MaxSourceLength == 0 {
		c.MaxSourceLength = defaultSource
	}
	return c
}

func (m *model) newReader(c dept.AdapterConfig) (*reader, error) {
	c = readerConfig(c)
	prompt, err := dept.NewPrompt(m.engine, zeros(c), false)
	if err != nil {
		return nil, err
	}
	o := train.PredictOptions{Batch: rowsAtOnce, MaxSourceLength: c.MaxSourceLength, MaxNewTokens: answerTokens, Beams: 1}
	many := train.NewPredictor(m.engine, m.t5, m.tok, prompt, o)
	o.Batch = 1
	return &reader{c, prompt, many, train.NewPredictor(m.engine, m.t5, m.tok, prompt, o)}, nil
}

func zeros(c dept.AdapterConfig) *dept.Adapter {
	return &dept.Adapter{
		Config: c, P: make([]float32, c.PromptLength*c.Width),
		A: make([]float32, c.MaxSourceLength*c.Rank), B: make([]float32, c.Rank*c.Width),
	}
}

// take gives the reader an adapter's numbers. A·B is zero where B is.
func (r *reader) take(a *dept.Adapter, zeroPrompt, zeroShift bool) error {
	none := zeros(r.config)
	p, b := a.P, a.B
	if zeroPrompt {
		p = none.P
	}
	if zeroShift {
		b = none.B
	}
	if r.prompt.P != nil {
		if err := r.prompt.P.WriteFloats(p); err != nil {
			return err
		}
	}
	if r.prompt.A != nil {
		return errors.Join(r.prompt.A.WriteFloats(a.A), r.prompt.B.WriteFloats(b))
	}
	return nil
}

func (r *reader) release() {
	r.many.Release()
	r.one.Release()
	r.prompt.Release()
}

// probabilities are the labels' shares, from the logarithms of each one's
// probability as the whole answer.
func probabilities(scores []float64) []float64 {
	best := math.Inf(-1)
	for _, s := range scores {
		best = max(best, s)
	}
	out := make([]float64, len(scores))
	var sum float64
	for i, s := range scores {
		out[i] = math.Exp(s - best)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
