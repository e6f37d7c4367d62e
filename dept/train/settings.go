package train

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/internal/jsontext"
	"github.com/go-dept/dept/tensor"
)

// runFormat is the version of run.json that is written. The first had none.
const runFormat = 2

// Settings decide every number of a run on one device. They are what run.json
// holds.
type Settings struct {
	Format int    `json:"format"`
	Method string `json:"method"` // a name in dept.Kinds
	Task   string `json:"task,omitempty"`
	// Answers is how labels are written and answers read, where the task does not say.
	Answers   *dept.Answers `json:"answers,omitempty"`
	Train     Options       `json:"train"`
	Adapter   dept.Config   `json:"adapter"`         // null where a checkpoint is trained
	Shift     string        `json:"shift,omitempty"` // dept.ShiftConstant, which is not in the adapter's configuration; else empty
	Start     string        `json:"start"`           // how the numbers start: an init rule or an adapter's fingerprint
	EvalEvery int           `json:"eval_every"`
	Model     string        `json:"model"` // fingerprints
	Data      string        `json:"data"`
	Dev       string        `json:"dev,omitempty"`
	// Kernels is what the run's kernels are chosen by. It is not compared: a run that
	// goes on takes its own along.
	Kernels *tensor.Kernels `json:"kernels,omitempty"`
	// Base is where the model came from. It is not compared: Model says which it is.
	Base *Base `json:"base,omitempty"`
	// Legs are those of a run that was extended; Train has the first's.
	Legs []Leg `json:"legs,omitempty"`
}

// Base names a run's model as its user did, and the commit that it was at on the hub, if it came
// from there.
type Base struct {
	Name   string `json:"name"`
	Commit string `json:"commit,omitempty"`
}

// RunBase is where the model of the run in a folder came from; nil for a run that does not say, and
// where there is none.
func RunBase(dir string) *Base {
	var s struct{ Base *Base }
	if data, err := os.ReadFile(filepath.Join(dir, RunFile)); err != nil || json.Unmarshal(data, &s) != nil {
		return nil
	}
	return s.Base
}

// runKernels is what the kernels of the run in a folder are chosen by; nil for a run
// that does not say.
func runKernels(dir string) (*tensor.Kernels, error) {
	path := filepath.Join(dir, RunFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("resume: %s holds no run to go on with: %w", dir, err)
	}
	k, err := kernelsIn(data)
	if err != nil {
		return nil, fmt.Errorf("resume: %s: %w", path, err)
	}
	return k, nil
}

// kernelsIn is that of a run.json.
func kernelsIn(run []byte) (*tensor.Kernels, error) {
	var s struct {
		Kernels *tensor.Kernels `json:"kernels"`
	}
	err := jsontext.Unmarshal(run, &s)
	return s.Kernels, err
}

// cannotGoOn says what to do where a device lacks a kernel of a run.
func cannotGoOn(dir string, err error) error {
	var missing *tensor.MissingKernel
	if !errors.As(err, &missing) {
		return err
	}
	return fmt.Errorf("the run in %s cannot go on here: %w; begin another one from what it made with --init, in another folder, or go on where it began", dir, err)
}

// sameSettings says in which setting the run differs from its run.json: of those that
// follow from others, in these.
func (r *Run) sameSettings(old []byte) error {
	var a, b map[string]any
	if err := jsontext.Unmarshal(old, &a); err != nil {
		return fmt.Errorf("%s: %w", RunFile, err)
	}
	switch format, _ := a["format"].(float64); {
	case format > runFormat:
		return fmt.Errorf("%s has format %g, and this program knows those up to %d: go on with a newer one", RunFile, format, runFormat)
	case format < runFormat:
		if err := upgrade(a); err != nil {
			return err
		}
	}
	now := r.Settings
	now.Format, now.Kernels, now.Base, now.Legs = runFormat, nil, nil, nil
	for _, key := range []string{"kernels", "base", "legs"} {
		delete(a, key)
	}
	fresh, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(fresh, &b); err != nil {
		return err
	}
	changes := differences("", a, b)
	if len(changes) == 0 {
		return nil
	}
	first := slices.MinFunc(changes, func(x, y change) int { return cmp.Compare(x.rank(), y.rank()) })
	return fmt.Errorf("%s: go on with the settings and data that the run began with, or begin anew with --overwrite", first.sentence(r))
}

// upgrade brings a run.json of format 1 into today's form. Its dropout was drawn by
// numbers that the places no longer have, so that a run with dropout cannot go on
// as it began.
func upgrade(run map[string]any) error {
	options, _ := run["train"].(map[string]any)
	rates, _ := options["learning_rates"].([]any)
	if len(rates) != 2 {
		return fmt.Errorf("%s has neither a format nor the learning rates of format 1", RunFile)
	}
	if dropout, _ := options["dropout"].(float64); dropout > 0 {
		return fmt.Errorf("%s has format 1, whose dropout drew other numbers than format %d does, so that this run (dropout %g) cannot go on exactly: "+
			"begin another one from what it made with --init, in another folder", RunFile, runFormat, dropout)
	}
	run["format"] = float64(runFormat)
	adapter, _ := run["adapter"].(map[string]any)
	switch run["method"] {
	case dept.Full.Name:
		options["learning_rates"] = map[string]any{"": rates[0]}
		run["adapter"] = nil
		return nil
	case dept.DePT.Name:
		options["learning_rates"] = map[string]any{dept.GroupPrompt: rates[0], dept.GroupLowRank: rates[1]}
	default:
		options["learning_rates"] = map[string]any{dept.GroupPrompt: rates[0]}
		delete(adapter, "max_length")
	}
	delete(adapter, "base_model_name_or_path")
	delete(adapter, "base_model_fingerprint")
	adapter["num_transformer_submodules"] = 1.
	return nil
}

// change is a value of run.json, null where it has none, and what it would be now.
type change struct {
	key     string // as train.seed
	was, is string // JSON
}

// differences are the changes from a to b.
func differences(prefix string, a, b map[string]any) (changes []change) {
	keys := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		x, isMap := a[k].(map[string]any)
		y, alsoMap := b[k].(map[string]any)
		if isMap && alsoMap {
			changes = append(changes, differences(prefix+k+".", x, y)...)
			continue
		}
		was, _ := json.Marshal(a[k])
		is, _ := json.Marshal(b[k])
		if !bytes.Equal(was, is) {
			changes = append(changes, change{prefix + k, string(was), string(is)})
		}
	}
	return changes
}

// causes are keys that decide others: those come after them.
var causes = []string{"method", "task", "model", "answers", "data", "dev", "start", "adapter.num_virtual_tokens", "adapter.r", "train.max_source_length"}

// rank orders changes by what causes what.
func (c change) rank() int {
	key := c.key
	if strings.HasPrefix(key, "answers.") {
		key = "answers"
	}
	if i := slices.Index(causes, key); i >= 0 {
		return i
	}
	return len(causes)
}

// adapterFlags are the flags that decide keys of an adapter's configuration and are
// not named as they are.
var adapterFlags = map[string]string{
	"num_virtual_tokens": "prompt-length", "r": "rank", "max_length": "max-source-length", "encoder_hidden_size": "bottleneck",
	"config.reduction_factor": "reduction", "config.non_linearity": "non-linearity",
	"config.prefix_length": "prefix-length", "config.bottleneck_size": "bottleneck", "config.flat": "flat",
}

// placementKeys are those that --placement decides.
var placementKeys = []string{"config.mh_adapter", "config.cross_adapter", "config.original_ln_before", "config.is_parallel", "config.scaling", "config.init_weights"}

// sentence says what has changed, by the flags that say so.
func (c change) sentence(r *Run) string {
	const none = "null"
	began := func(flag, was, is string) string {
		switch {
		case was == none:
			return "the run began without " + flag
		case is == none:
			return "the run began with " + flag + " " + was
		}
		return fmt.Sprintf("the run began with %s %s, and this is %s", flag, was, is)
	}
	flag := func(key string) string { return "--" + strings.ReplaceAll(key, "_", "-") }
	was, is := strings.Trim(c.was, `"`), strings.Trim(c.is, `"`)
	section, key, _ := strings.Cut(c.key, ".")
	switch {
	case c.key == "method":
		return began("--method", was, is)
	case c.key == "task":
		return began("--task", was, is)
	case c.key == "answers" || section == "answers":
		return "the run began with other labels, or another --answer"
	case c.key == "model":
		return "the model of --model has changed"
	case c.key == "data":
		return fmt.Sprintf("the rows of %s have changed", r.TrainName)
	case c.key == "dev" && was == none:
		return "the run began without " + r.DevName
	case c.key == "dev" && is == none:
		return "the run began with " + r.DevName
	case c.key == "dev":
		return fmt.Sprintf("the rows of %s have changed", r.DevName)
	case c.key == "start":
		return startSentence(was, is)
	case c.key == "train.steps":
		return began("--steps", was, is) + " (a run that has ended goes on for N updates more with --extend N)"
	case section == "train" && strings.HasPrefix(key, "learning_rates"):
		_, group, _ := strings.Cut(key, ".")
		return began(flag(dept.RateKey(group)), was, is)
	case section == "adapter" && adapterFlags[key] != "":
		return began(flag(adapterFlags[key]), was, is)
	case section == "adapter" && slices.Contains(placementKeys, key):
		return "the run began with another --placement"
	case c.key == "adapter.lora_alpha" && r.Settings.Method == dept.DePT.Name:
		return "the run began with another --scale"
	case key != "":
		return began(flag(key), was, is)
	}
	return began(flag(c.key), was, is)
}

// startSentence says how a run started that now would start otherwise.
func startSentence(was, is string) string {
	const adapter = "adapter "
	switch from, now := strings.HasPrefix(was, adapter), strings.HasPrefix(is, adapter); {
	case from && now:
		return "the adapter of --init has changed"
	case from:
		return "the run began with --init"
	case now:
		return "the run began without --init"
	}
	return fmt.Sprintf("the run began with --prompt-init %s, and this is %s", was, is)
}
