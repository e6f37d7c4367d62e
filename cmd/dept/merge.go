package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

func mergeCommand() *cobra.Command {
	var model, adapter, out string
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "merge --model DIR --adapter DIR --out DIR",
		Short: "Fold an adapter into its model's weights",
		Long: `Write a whole checkpoint, tokenizer included, that answers by itself as the model does
with the adapter. The methods that change weights can be merged: ` + strings.Join(mergeable(), ", ") + `.
The numbers are stored as the model stores its own: those of a half-precision model
are rounded again.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			for _, given := range []struct{ flag, dir string }{{"model", model}, {"adapter", adapter}} {
				if sameFolder(out, given.dir) {
					return usagef("--out %s is the folder of --%s: merging would write over it", out, given.flag)
				}
			}
			if err := checkNewModel(out, overwrite); err != nil {
				return err
			}
			base, err := locate(cmd, "model", model, (*hub.Client).Model)
			if err != nil {
				return err
			}
			on, err := locate(cmd, "adapter", adapter, (*hub.Client).Adapter)
			if err != nil {
				return err
			}
			if err := merge(cmd, base.Dir, on.Dir, out); err != nil {
				return err
			}
			return inspect(cmd, out, "")
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&model, "model", "", modelUsage)
	f.StringVar(&adapter, "adapter", "", "the adapter's folder, or its name on the hub")
	f.StringVar(&out, "out", "", "the folder of the merged checkpoint")
	f.BoolVar(&overwrite, "overwrite", false, "replace the checkpoint in --out")
	obligatory(cmd, "model", "adapter", "out")
	return cmd
}

// mergeable lists the titles of the methods whose adapters can be merged.
func mergeable() []string {
	var titles []string
	for _, k := range dept.Kinds {
		if k.Merge != nil {
			titles = append(titles, k.Title)
		}
	}
	return titles
}

// merge writes the checkpoint.
func merge(cmd *cobra.Command, model, adapterDir, out string) error {
	a, err := dept.ReadAdapter(adapterDir)
	if err != nil {
		return err
	}
	ck, err := t5.OpenCheckpoint(model)
	if err != nil {
		return err
	}
	defer ck.Close()
	warnOf(cmd, model, ck)
	tok, err := text.Open(model)
	if err != nil {
		return err
	}
	check := func(a *dept.Adapter) (string, error) { return train.CheckAdapter(a, ck) }
	if err := checkBase(cmd, adapterDir, a, check); err != nil {
		return err
	}
	weights, err := dept.Merge(a, ck.Config.Describe(), ck.Float32)
	if err != nil {
		return fmt.Errorf("merge %s: %w", adapterDir, err)
	}
	if err := tok.Save(out); err != nil {
		return err
	}
	return t5.WriteCheckpoint(out, ck.Config, storedType(ck), weights)
}

// storedType is the type of a checkpoint's matrices, float32 where it is one that
// checkpoints are not written in.
func storedType(ck *t5.Checkpoint) safetensors.DType {
	info, _ := ck.Info(ck.Config.Describe().Embedding)
	if info.DType == safetensors.F16 || info.DType == safetensors.BF16 {
		return info.DType
	}
	return safetensors.F32
}
