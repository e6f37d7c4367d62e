//go:build !js

package train_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"text/tabwriter"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5/backbone"
)

// An adapter is evaluated on a CSV file, and the rows of each class are counted by what
// was answered. The adapter says how it is asked and which labels there are.
func ExamplePredictor_Evaluate() {
	ctx := context.Background()
	adapter, err := dept.ReadAdapter("testdata/film")
	if err != nil {
		log.Fatal(err)
	}
	file, err := data.Load(data.Options{NeedTarget: true}, "testdata/film/rows.csv")
	if err != nil {
		log.Fatal(err)
	}
	setup, err := train.OpenSetup(ctx, train.Opening{Files: backbone.Files()})
	if err != nil {
		log.Fatal(err)
	}
	defer setup.Release()
	if _, err := setup.CheckAdapter(adapter); err != nil { // that it is for this model
		log.Fatal(err)
	}
	method, err := dept.New(setup.Model, adapter, false)
	if err != nil {
		log.Fatal(err)
	}
	defer method.Release()

	rows, targets := make([]data.Row, file.Len()), make([]string, file.Len())
	for i := range rows {
		rows[i] = file.Row(i)
		rows[i].Source = adapter.Answers.Source(rows[i].Source)
		rows[i].Target = adapter.Answers.Target(rows[i].Target)
		targets[i] = rows[i].Target
	}
	predictor := train.NewPredictor(setup.Engine, setup.Model, setup.Tokenizer, method, train.PredictOptions{
		Batch: 8, Rank: adapter.Answers.Ranked(),
	})
	defer predictor.Release()
	v, err := predictor.Evaluate(ctx, data.NewDataset(rows), nil)
	if err != nil {
		log.Fatal(err)
	}
	confusion, err := metrics.Confuse(v.Answers, targets, adapter.Answers.Labels)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Printf("%.0f %% of %d right\n", 100*v.Metrics[metrics.ExactMatch], v.Rows)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "class")
	classes := adapter.Answers.Classes()
	for _, class := range classes {
		fmt.Fprintf(w, "\t%s", class)
	}
	fmt.Fprintln(w, "\tno label")
	for i, counts := range confusion.Counts {
		fmt.Fprint(w, classes[i])
		for _, n := range counts {
			fmt.Fprintf(w, "\t%d", n)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	// Output:
	// 83 % of 6 right
	// class  good  bad  no label
	// good   3     0    0
	// bad    1     2    0
}
