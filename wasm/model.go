package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/wgpu"
)

// modelFiles is a model's folder, wherever it lies.
type modelFiles interface {
	fs.FS
	// Forget drops what is kept of a file from earlier visits, because it is no
	// good.
	Forget(name string)
}

// partFiles are the files that each part of a model is read from.
var partFiles = map[string][]string{
	train.PartCheckpoint: {"config.json", weightsFile},
	train.PartTokenizer:  {"tokenizer.json", "spiece.model"},
}

const weightsFile = "model.safetensors"

// model is a frozen T5 on a device of its own.
type model struct {
	*train.Setup
	embeddingSize float32   // mean |E(x)|
	table         []float32 // the embedding, once it was gone through and where it is small; else nil
}

const halved = "Its float32 weights lie here as float16, which the device has the room for: numbers differ from the fourth digit on."

// openModel opens a model on a device, which is released with it or where it fails.
func openModel(ctx context.Context, dev *wgpu.Device, from *source) (*model, error) {
	s, err := train.OpenSetup(ctx, train.Opening{
		Name: from.name, Commit: from.commit, Files: from.files, Device: dev,
		Halve: func(ctx context.Context, dev *wgpu.Device, ck *t5.Checkpoint) (bool, error) {
			info, _ := ck.Info(ck.Names()[0])
			half, err := halves(ctx, dev, from.name, ck.Config, info.DType)
			if half && err == nil {
				from.notice = strings.TrimSpace(from.notice + " " + halved)
			}
			return half, err
		},
	})
	if err != nil {
		dev.Release()
		return nil, openFailure(ctx, from, err)
	}
	for _, warning := range s.Checkpoint.Warnings() {
		fmt.Printf("%s: %s\n", from.name, warning) // on the console
	}
	m := &model{Setup: s}
	if err = dev.Wait(ctx); err == nil {
		m.embeddingSize, err = m.meanEmbedding()
	}
	if err != nil {
		m.Release()
		return nil, err
	}
	return m, nil
}

// Release gives the model and its device back.
func (m *model) Release() {
	m.Setup.Release()
	m.Device.Release()
}

// openFailure makes the failure of an error of OpenSetup. Files that came whole, but
// do not hold what they should, are damaged, or were when they were fetched: what is
// kept of them is dropped.
func openFailure(ctx context.Context, from *source, err error) error {
	var part *train.OpenError
	if !errors.As(err, &part) || part.Part == train.PartDevice {
		return err
	}
	if _, ok := errors.AsType[*fs.PathError](err); !ok && ctx.Err() == nil {
		for _, name := range partFiles[part.Part] {
			from.files.Forget(name)
		}
	}
	return as(codeFile, from.remedy, fmt.Errorf("the model's files: %w", err))
}

// meanEmbedding is the mean length of some of the embedding's rows.
func (m *model) meanEmbedding() (float32, error) {
	const samples = 64
	var sum float32
	for i := range samples {
		row, err := m.Checkpoint.Row(m.Model.Embedding, i*m.Model.Vocabulary/samples)
		if err != nil {
			return 0, err
		}
		sum += size(row)
	}
	return sum / samples, nil
}

func deviceInfo(d *wgpu.Device) Device {
	info := d.Info()
	return Device{Name: info.Name, Type: string(info.Type), Backend: info.Backend}
}

// ready describes the model and its device.
func (m *model) ready() Ready {
	d := m.Model.Description
	return Ready{
		Device: deviceInfo(m.Device), Values: modelValues(d.Width),
		Model: Model{
			Name: m.Name, Parameters: m.Model.Parameters(), Bytes: m.Model.Bytes(), Width: d.Width,
			Blocks: [2]int{len(d.Encoder.Blocks), len(d.Decoder.Blocks)}, Vocabulary: d.Vocabulary,
		},
	}
}

// check refuses an adapter that cannot be for the model, and warns of one that was
// trained on another.
func (m *model) check(a *dept.Adapter) (warning string, err error) {
	advice, err := m.CheckAdapter(a)
	if err != nil {
		return "", &failure{codeAdapter, "Drop an adapter that was trained on this page's model, or load the model it was trained on.", err}
	}
	if advice != "" {
		advice = sentence(advice)
	}
	return advice, nil
}

// sample draws an adapter.
func (m *model) sample(a *dept.Adapter, step int) Sample {
	s := pictures(a, m.Model.Description)
	s.Step, s.EmbeddingSize = step, m.embeddingSize
	return s
}

// Of texts that are answered one by one: the most tokens where no adapter says how
// many, and the most that are generated.
const (
	defaultSource = 128
	answerTokens  = 20
)

// reader answers texts with an adapter's numbers as they were when it was given
// them, or as the model does without an adapter.
type reader struct {
	config    dept.Config // nil without an adapter
	maxSource int
	method    *dept.Method
	predictor *train.Predictor
}

// newReader makes a reader for adapters of a's Config, or for none where a is nil.
func (m *model) newReader(a *dept.Adapter, maxSource int) (*reader, error) {
	r := &reader{maxSource: maxSource, method: dept.AsIs()}
	if a != nil {
		var err error
		r.config = a.Config
		if r.method, err = dept.New(m.Model, a, false); err != nil {
			return nil, err
		}
	}
	r.predictor = train.NewPredictor(m.Engine, m.Model, m.Tokenizer, r.method, train.PredictOptions{
		Batch: 1, MaxSourceLength: maxSource, MaxNewTokens: answerTokens, Beams: 1,
	})
	return r, nil
}

// leastSuggested is the least that is suggested for the longest text of one's own, and mostSuggested
// the most: what a step gets through while somebody watches. More can be asked for.
const leastSuggested = 8

func (m *model) mostSuggested() int {
	if m.Device.Info().Type == wgpu.CPU {
		return 64
	}
	return 128
}

// maxSource is how many tokens of a text are read under an adapter; nil is none.
func maxSource(a *dept.Adapter) int {
	if a != nil && a.Config.MaxSource() > 0 {
		return a.Config.MaxSource()
	}
	return defaultSource
}

// answer gives the answer to a text, and how likely each of the labels is; ranked, the
// likeliest is the answer.
func (r *reader) answer(ctx context.Context, source string, labels []string, ranked bool) (answer string, shares []float64, err error) {
	if len(labels) > 0 {
		scores, err := r.predictor.Scores(ctx, []string{source}, labels)
		if err != nil {
			return "", nil, err
		}
		shares = probabilities(scores[0])
		if ranked {
			return labels[train.Likeliest(scores[0])], shares, nil
		}
	}
	texts, err := r.predictor.Predict(ctx, []string{source})
	return append(texts, "")[0], shares, err
}

func (r *reader) release() {
	r.predictor.Release()
	r.method.Release()
}

// tokens are a text's pieces, with the end token, as the encoder reads them.
func (m *model) tokens(source string, most int) (pieces []string, cut bool) {
	ids, cut := data.Encode(m.Tokenizer, source, most)
	return mapped(ids, m.Tokenizer.Piece), cut
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
