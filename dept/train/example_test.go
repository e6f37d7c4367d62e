//go:build !js

package train_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5/backbone"
)

// DePT is trained on three rows and answers with what it learnt.
func Example() {
	ctx := context.Background()
	setup, err := train.OpenSetup(ctx, train.Opening{Name: "backbone", Files: backbone.Files()})
	if err != nil {
		log.Fatal(err)
	}
	defer setup.Release()
	rows := data.NewDataset([]data.Row{
		{Source: "a fine film", Target: "good"},
		{Source: "a dull film", Target: "bad"},
		{Source: "a lovely song", Target: "good"},
	})
	labels := data.Labels(rows)
	session, err := train.NewSession(ctx, setup, train.Request{
		Kind: &dept.DePT, Values: dept.Values{"prompt-length": 4, "rank": 8},
		Labels: labels, Answers: &dept.Answers{Labels: labels},
		Options: train.Options{Steps: 30, Batch: 3, Accumulate: 1, MaxSourceLength: 16, Seed: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Release()
	err = session.Begin(ctx, train.Rows{
		Train: data.Tokenize(rows, setup.Tokenizer, session.Options.MaxSourceLength, session.Options.MaxTargetLength),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Train(ctx); err != nil {
		log.Fatal(err)
	}

	predictor := train.NewPredictor(setup.Engine, setup.Model, setup.Tokenizer, session.Method, train.PredictOptions{Batch: 3})
	defer predictor.Release()
	answers, err := predictor.Predict(ctx, []string{"a fine film", "a dull film", "a lovely song"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answers)
	// Output: [good bad good]
}

// A run keeps its adapter in a folder where it is told to, and can be resumed there.
func ExampleSession_KeepIn() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "film")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	setup, err := train.OpenSetup(ctx, train.Opening{Name: "backbone", Files: backbone.Files()})
	if err != nil {
		log.Fatal(err)
	}
	defer setup.Release()
	rows := data.NewDataset([]data.Row{{Source: "a fine film", Target: "good"}})
	for _, resume := range []bool{false, true} {
		session, err := train.NewSession(ctx, setup, train.Request{
			Kind:    &dept.PromptTuning,
			Options: train.Options{Steps: 2, Batch: 1, Accumulate: 1, MaxSourceLength: 16, MaxTargetLength: 4},
		})
		if err != nil {
			log.Fatal(err)
		}
		err = session.Begin(ctx, train.Rows{Train: data.Tokenize(rows, setup.Tokenizer, 16, 4), TrainFingerprint: rows.Fingerprint()})
		if err == nil {
			err = session.KeepIn(ctx, dir, resume)
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("done:", session.Trainer.Done())
		if err := session.Train(ctx); err != nil {
			log.Fatal(err)
		}
		session.Release()
	}
	adapter, err := dept.ReadAdapter(dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(adapter.Config.Kind().Title, "of", adapter.Base.Model)
	// Output:
	// done: 0
	// done: 2
	// Prompt tuning of backbone
}
