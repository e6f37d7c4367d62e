package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/tasks"
)

// politeFlags lets a command tree take flags with underscores, say which flag is meant
// where one is unknown, and complete values.
func politeFlags(root *cobra.Command) {
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.SetFlagErrorFunc(flagError)
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { complete(cmd, f) })
	}
}

// values are what the shell completes flags with.
var values = map[string][]string{
	"method":    dept.Names(),
	"task":      tasks.Names(),
	"device":    {"cpu", "gpu", "discrete", "integrated"},
	"precision": {"float32", "mixed"},
	"answer":    {answerWrite, answerRank},
	"labels":    {data.WriteWords, data.WriteDigits},
	"split":     {splitOfficial, splitAuthors}, "shots-draw": {data.ShotsBalanced, data.ShotsAuthors},
	"scale": choices("scale"), "prompt-init": choices("prompt-init"), "placement": choices("placement"), "non-linearity": choices("non-linearity"),
	"log": {logTensorBoard},
}

// choices are the values of a method's setting.
func choices(name string) []string { return settingNamed(name).Choices }

// complete says what the shell completes a flag with: values, folders, else files.
func complete(cmd *cobra.Command, f *pflag.Flag) {
	var err error
	switch f.Name {
	case "model", "adapter", "init", "out":
		err = cmd.MarkFlagDirname(f.Name)
	default:
		list := values[f.Name]
		if cmd.Name() == "demo" && f.Name == "task" {
			list = demo.Names()
		}
		if list != nil {
			err = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	if err != nil {
		panic(err) // no flag of that name
	}
}

// elsewhere is what other tools call flags, which flags that is here, of those that a
// command has, and what there is to say about it.
var elsewhere = []struct{ names, flags, note string }{
	{"model-name-or-path model-name model-path base-model pretrained-model-name-or-path checkpoint", "model", ""},
	{"train-file train-data dataset dataset-name dataset-path data-path data", "train data text", ""},
	{"validation-file validation-data validation valid-file val-file dev-file valid val", "dev valid", ""},
	{"eval-file eval-data test-file test-data input input-file file", "data dev", ""},
	{"output-dir output-path output save-dir", "out", ""},
	{"adapter adapter-name-or-path adapter-path peft-model-id lora-path", "adapter init", ""},
	{"task-name", "task", ""},
	{"peft-type peft-method peft tuner", "method", ""},
	{"text-column input-column prompt-column", "source-column", ""},
	{"label-column summary-column output-column answer-column", "target-column", ""},
	{"learning-rate lr", "lr lr-prompt lr-lowrank", "by the method"},
	{"per-device-train-batch-size per-device-eval-batch-size train-batch-size eval-batch-size batch bs", "batch-size", ""},
	{"gradient-accumulation-steps grad-accum accumulate-grad-batches accumulation-steps", "accumulate", ""},
	{"max-steps train-steps num-train-steps num-steps iterations max-iters", "steps", ""},
	{"epochs epoch num-epochs num-train-epochs max-epochs n-epochs", "steps", "updates, of which rows / (batch size × accumulated batches) are an epoch"},
	{"warmup num-warmup-steps", "warmup-steps", ""},
	{"warmup-ratio", "warmup-steps", "updates, not a share of them"},
	{"lr-scheduler-type lr-scheduler scheduler", "warmup-steps", "the rates rise over it and then fall to the end"},
	{"max-grad-norm gradient-clip-val grad-clip clip-grad", "clip", ""},
	{"dropout-rate", "dropout", ""},
	{"max-length max-seq-length max-seq-len model-max-length max-input-length cutoff-len", "max-source-length source-length", ""},
	{"max-output-length max-new-tokens generation-max-length val-max-target-length max-answer-length", "max-target-length target-length", ""},
	{"num-beams beam-size", "beams", ""},
	{"fp16 bf16 mixed-precision amp half", "precision", "mixed"},
	{"gradient-checkpointing", "recompute", ""},
	{"resume-from-checkpoint", "resume", ""},
	{"overwrite-output-dir force", "overwrite", ""},
	{"save-steps", "save-every", ""},
	{"eval-steps evaluation-steps", "eval-every", ""},
	{"report-to logging-dir tensorboard logger", "log", "tensorboard, into the folder of the run"},
	{"cpu no-cuda use-cpu", "device", "cpu"},
	{"gpu cuda", "device", "gpu"},
	{"gpu-id device-id", "device", "as '#1'"},
	{"num-virtual-tokens prefix-length soft-prompt-length pre-seq-len", "prompt-length", ""},
	{"r lora-r lora-rank", "rank", ""},
	{"alpha", "lora-alpha", ""},
	{"random-seed", "seed", ""},
	{"k-shot k-shots k-shot-example num-shots n-shots few-shot", "shots", ""},
}

// flagError words a mistake in a command line's flags.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		if hint := meant(cmd, unknown); hint != "" {
			return fmt.Errorf("%w; %s", err, hint)
		}
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		if wants := wanted(f.Value.Type()); wants != "" {
			return fmt.Errorf("--%s %q: it must be %s", f.Name, invalid.GetValue(), wants)
		}
		return fmt.Errorf("--%s: %w", f.Name, errors.Unwrap(invalid))
	}
	return err
}

// wanted says what values a flag of a type has; empty where the type's own error does.
func wanted(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "uint64":
		return "a whole number from 0"
	case "float64":
		return "a number"
	case "bool":
		return "true or false, after =, or left out"
	case "intSlice":
		return "whole numbers with commas between them"
	}
	return ""
}

// meant says which flags are meant by one that is unknown; empty where none comes near.
func meant(cmd *cobra.Command, unknown *pflag.NotExistError) string {
	name := unknown.GetSpecifiedName()
	if short := unknown.GetSpecifiedShortnames(); short != "" {
		name, _, _ = strings.Cut(short, "=")
		if cmd.Flags().Lookup(name) != nil {
			return "two dashes begin its name: --" + name
		}
	}
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	for _, e := range elsewhere {
		if !slices.Contains(strings.Fields(e.names), name) {
			continue
		}
		var has []string
		for flag := range strings.FieldsSeq(e.flags) {
			if cmd.Flags().Lookup(flag) != nil {
				has = append(has, "--"+flag)
			}
		}
		if len(has) == 0 {
			break
		}
		hint := "here that is " + strings.Join(has, " or ")
		if e.note != "" {
			hint += " (" + e.note + ")"
		}
		return hint
	}
	nearest, least := "", 1+len(name)/3 // mistakes that still leave a name recognisable
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		d := distance(name, f.Name)
		if strings.HasPrefix(f.Name, name) && len(name) > 2 || strings.HasPrefix(name, f.Name+"-") {
			d = min(d, 1)
		}
		if d <= least && (nearest == "" || d < least) {
			nearest, least = f.Name, d
		}
	})
	if nearest == "" {
		return ""
	}
	return "the nearest is --" + nearest
}

// distance is how many letters must be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the letters of a so far, for each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of one letter less of each
		row[0] = i + 1
		for j := range len(b) {
			d := before
			if a[i] != b[j] {
				d = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
