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
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

func inspectCommand() *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "inspect DIR",
		Short: "Say what a checkpoint or an adapter holds, in a folder or of the hub",
		Args:  cobra.ExactArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			at, err := locate(cmd, "", args[0], (*hub.Client).Any)
			if err != nil {
				return err
			}
			if model != "" {
				base, err := locate(cmd, "model", model, (*hub.Client).Model)
				if err != nil {
					return err
				}
				model = base.Dir
			}
			return inspect(cmd, at.Dir, model)
		}),
	}
	cmd.Flags().StringVar(&model, "model", "", "the adapter's model (default: the one that it names)")
	return cmd
}

// inspect says what is in a folder.
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
	out, base := cmd.OutOrStdout(), model
	field(out, "adapter", "%s: %s", a.Config.Kind().Title, a.Config.Describe())
	field(out, "settings", "%s", adapterSettings(a.Config))
	if a.Answers != nil {
		field(out, "asked", "%s", a.Answers)
	}
	if a.Base.Model != "" {
		field(out, "base", "%s %s", a.Base.Model, a.Base.Fingerprint)
	}
	if base == "" {
		base = atHand(cmd, a.Base.Model)
	}
	ck, err := t5.OpenCheckpoint(base)
	if err != nil && model != "" {
		return err
	}
	if err != nil {
		field(out, "trainable", "%s parameters (the base is not at hand: --model says where it is)", count(a.Parameters()))
		return nil
	}
	defer ck.Close()
	d := ck.Config.Describe()
	if err := a.Fits(d); err != nil {
		return fmt.Errorf("%s, for the model in %s: %w", dir, base, err)
	}
	whole := d.Parameters() + a.Parameters()
	field(out, "trainable", "%s of %s parameters (%s)", count(a.Parameters()), count(whole), share(a.Parameters(), whole))
	return nil
}

// adapterSettings lists what an adapter says of the settings it was made with.
func adapterSettings(c dept.Config) string {
	k := c.Kind()
	list := []string{"method " + k.Name}
	for _, s := range k.Settings {
		if s.Of != nil {
			list = append(list, fmt.Sprintf("%s %v", s.Name, s.Of(c)))
		}
	}
	if s := c.MaxSource(); s > 0 {
		list = append(list, fmt.Sprintf("max-source-length %d", s))
	}
	return strings.Join(list, ", ")
}

func inspectCheckpoint(cmd *cobra.Command, dir string) error {
	ck, err := t5.OpenCheckpoint(dir)
	if err != nil {
		return err
	}
	defer ck.Close()
	warnOf(cmd, dir, ck)
	out, c := cmd.OutOrStdout(), ck.Config
	table := "the embedding"
	if c.OwnTable() {
		table = "lm_head.weight"
	}
	if c.Scaled() {
		table += " (scaled)"
	}
	field(out, "model", "%s", describeModel(ck))
	field(out, "sizes", "d_model %d, %d heads of %d, d_ff %d (%s), vocabulary %s, output table: %s", c.DModel, c.NumHeads, c.DKV, c.DFF, c.FeedForwardProj, count(c.VocabSize), table)
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
	name := "trainable"
	for _, k := range dept.Kinds {
		field(out, name, "%-8s %s", k.Name, trainable(k, c.Describe()))
		name = ""
	}
	return nil
}

// trainable says how many parameters a method trains of a model, with its own
// defaults.
func trainable(k *dept.Kind, d nn.Description) string {
	own, whole := d.Parameters(), d.Parameters()
	if !k.Checkpoints() {
		c, _, err := k.Configure(k.Defaults(), train.DefaultSourceLength, d)
		if err != nil {
			return err.Error()
		}
		list, err := c.Tensors(d)
		if err != nil {
			return err.Error()
		}
		own = (&dept.Adapter{Config: c, Tensors: list}).Parameters()
		whole += own
	}
	return fmt.Sprintf("%s of %s parameters (%s)", count(own), count(whole), share(own, whole))
}

// describeModel names a checkpoint's kind and size.
func describeModel(ck *t5.Checkpoint) string {
	c, kind := ck.Config, "T5"
	switch {
	case c.ModelType == t5.ModelMT5:
		kind = "mT5"
	case c.Gated():
		kind = "T5 1.1 or Flan"
	}
	return fmt.Sprintf("%s, %d+%d blocks of width %d, %s parameters", kind, c.NumLayers, c.NumDecoderLayers, c.DModel, count(c.Describe().Parameters()))
}
