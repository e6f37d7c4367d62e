package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

func inspectCommand() *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "inspect DIR",
		Short: "Say what a checkpoint or an adapter holds",
		Args:  cobra.ExactArgs(1),
		RunE:  work(func(cmd *cobra.Command, args []string) error { return inspect(cmd, args[0], model) }),
	}
	cmd.Flags().StringVar(&model, "model", "", "the adapter's model (default: the one that it names)")
	return cmd
}

// inspect tells what is in a folder.
func inspect(cmd *cobra.Command, dir, model string) error {
	if _, err := os.Stat(filepath.Join(dir, dept.AdapterConfigFile)); err == nil {
		return inspectAdapter(cmd, dir, model)
	}
	return inspectCheckpoint(cmd, dir)
}

func inspectAdapter(cmd *cobra.Command, dir, model string) error {
	a, err := dept.ReadAdapter(dir)
	if err != nil {
		return err
	}
	out, c := cmd.OutOrStdout(), a.Config
	if c.Rank == 0 {
		field(out, "adapter", "prompt tuning: P [%d, %d]", c.PromptLength, c.Width)
	} else {
		field(out, "adapter", "DePT: P [%d, %d], A [%d, %d], B [%d, %d], scale %.4g (lora_alpha %.4g / √%d)",
			c.PromptLength, c.Width, c.MaxSourceLength, c.Rank, c.Rank, c.Width, c.Scale(), c.LoraAlpha, c.Rank)
	}
	field(out, "sizes", "m %d, r %d, s %d, d %d", c.PromptLength, c.Rank, c.MaxSourceLength, c.Width)
	if c.BaseModel != "" {
		field(out, "base", "%s %s", c.BaseModel, c.BaseFingerprint)
	}
	base := model
	if base == "" {
		base = c.BaseModel
	}
	ck, err := t5.OpenCheckpoint(base)
	if err != nil && model != "" {
		return err
	}
	if err != nil {
		field(out, "trainable", "%s parameters (the base is not at hand: --model says where it is)", count(c.Parameters()))
		return nil
	}
	defer ck.Close()
	whole := weights(ck.Config) + c.Parameters()
	field(out, "trainable", "%s of %s parameters (%s)", count(c.Parameters()), count(whole), share(c.Parameters(), whole))
	return nil
}

func inspectCheckpoint(cmd *cobra.Command, dir string) error {
	ck, err := t5.OpenCheckpoint(dir)
	if err != nil {
		return err
	}
	defer ck.Close()
	out, c := cmd.OutOrStdout(), ck.Config
	field(out, "model", "%s", describeModel(ck))
	field(out, "sizes", "d_model %d, %d heads of %d, d_ff %d (%s), vocabulary %s, tied embeddings: %t", c.DModel, c.NumHeads, c.DKV, c.DFF, c.FeedForwardProj, count(c.VocabSize), c.TieWordEmbeddings)
	bytes, types := int64(0), map[string]int{}
	for _, name := range ck.Names() {
		info, _ := ck.Info(name)
		bytes += info.Size
		types[string(info.DType)]++
	}
	var stored []string
	for _, dtype := range slices.Sorted(maps.Keys(types)) {
		stored = append(stored, fmt.Sprintf("%d of %s", types[dtype], dtype))
	}
	field(out, "tensors", "%d (%s), %s", len(ck.Names()), strings.Join(stored, ", "), size(bytes))
	if tok, err := text.Open(dir); err != nil {
		field(out, "tokenizer", "none: %v", err)
	} else {
		field(out, "tokenizer", "%s ids, the text's end is %d", count(tok.VocabSize()), tok.EOS())
	}
	field(out, "trainable", "%s of %s parameters (100 %%) with --method full", count(weights(c)), count(weights(c)))
	return nil
}

// describeModel names a checkpoint's kind and size.
func describeModel(ck *t5.Checkpoint) string {
	c, kind := ck.Config, "T5"
	if c.Gated() {
		kind = "T5 1.1 or Flan"
	}
	return fmt.Sprintf("%s, %d+%d blocks of width %d, %s parameters", kind, c.NumLayers, c.NumDecoderLayers, c.DModel, count(weights(c)))
}

// weights is the number of a model's parameters.
func weights(c *t5.Config) (n int) {
	for _, spec := range c.Tensors() {
		elements := 1
		for _, size := range spec.Shape {
			elements *= size
		}
		n += elements
	}
	return n
}
