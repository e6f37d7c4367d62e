package main

import (
	"context"
	"fmt"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5/backbone"
)

func main() {
	ctx := context.Background()
	setup := must(train.OpenSetup(ctx, train.Opening{Files: backbone.Files()})) // or os.DirFS("t5-small")
	rows := data.NewDataset([]data.Row{{Source: "a fine film", Target: "good"}, {Source: "a dull film", Target: "bad"}, {Source: "a lovely song", Target: "good"}})
	session := must(train.NewSession(ctx, setup, train.Request{
		Kind:    &dept.DePT,
		Options: train.Options{Steps: 30, Batch: 3, Accumulate: 1, MaxSourceLength: 16},
	}))
	must(0, session.Begin(ctx, train.Rows{Train: data.Tokenize(rows, setup.Tokenizer, 16, 4)}))
	must(0, session.Train(ctx))
	predictor := train.NewPredictor(setup.Engine, setup.Model, setup.Tokenizer, session.Method, train.PredictOptions{})
	fmt.Println(must(predictor.Predict(ctx, []string{"a fine film", "a dull film"})))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
