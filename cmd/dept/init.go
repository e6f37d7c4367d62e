package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

func initCommand() *cobra.Command {
	var config, tokenizer, out string
	var seed uint64
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "init --config FILE --tokenizer DIR --out DIR",
		Short: "Make a checkpoint with random weights",
		Args:  cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			cfg, err := t5.ReadConfig(config)
			if err != nil {
				return err
			}
			tok, err := text.Open(tokenizer)
			if err != nil {
				return err
			}
			if tok.VocabSize() > cfg.VocabSize {
				return fmt.Errorf("the tokenizer in %s has ids up to %d, and vocab_size in %s is %d: make it at least %d", tokenizer, tok.VocabSize()-1, config, cfg.VocabSize, tok.VocabSize())
			}
			if err := checkNewModel(out, overwrite); err != nil {
				return err
			}
			if err := tok.Save(out); err != nil {
				return err
			}
			if err := t5.WriteCheckpoint(out, cfg, safetensors.F32, t5.RandomTensors(cfg, seed)); err != nil {
				return err
			}
			return inspect(cmd, out, "")
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&config, "config", "", "a config.json as Hugging Face's T5 checkpoints have it")
	f.StringVar(&tokenizer, "tokenizer", "", "a folder with tokenizer.json or spiece.model")
	f.StringVar(&out, "out", "", "the checkpoint's folder")
	f.Uint64Var(&seed, "seed", 42, "of the weights")
	f.BoolVar(&overwrite, "overwrite", false, "replace the checkpoint in --out")
	obligatory(cmd, "config", "tokenizer", "out")
	return cmd
}

// checkNewModel refuses a folder in which a new checkpoint would replace one, unless
// that is asked for, or would lie beside an adapter or a run.
func checkNewModel(out string, overwrite bool) error {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(out, name))
		return err == nil
	}
	switch {
	case slices.ContainsFunc([]string{train.RunFile, dept.AdapterConfigFile}, has):
		return usagef("--out %s holds a run or an adapter: name another folder", out)
	case !overwrite && slices.ContainsFunc([]string{"config.json", "model.safetensors", "model.safetensors.index.json"}, has):
		return usagef("--out %s holds a checkpoint: replace it with --overwrite, or name another folder", out)
	}
	return nil
}
