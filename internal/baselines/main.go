// Command baselines measures what a pre-trained model is to be held against.
//
//	go run ./internal/baselines words -task TASK -train FILE -dev FILE [-rows n] [-seed n]
//	go run ./internal/baselines trigram -tokenizer DIR -text FILE ... -valid FILE
//
// words trains a classifier that knows which words a row has and nothing of their order,
// on as many rows as a run of dept train sees, and prints its score on the task's first
// metric. trigram prints the loss of a text's tokens, in nats, where each is guessed from
// the two before, as often as it came behind them in another text.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/pretrain"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/internal/draw"
	"github.com/go-dept/dept/text"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "baselines:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	if len(args) > 0 && args[0] == "words" {
		return runWords(out, args[1:])
	}
	if len(args) > 0 && args[0] == "trigram" {
		return runTrigram(out, args[1:])
	}
	return fmt.Errorf("say words or trigram")
}

func runWords(out io.Writer, args []string) error {
	f := flag.NewFlagSet("words", flag.ContinueOnError)
	name := f.String("task", "sst2", "the task: "+strings.Join(tasks.Names(), ", "))
	train := f.String("train", "", "rows to train on")
	dev := f.String("dev", "", "rows to score")
	rows := f.Int("rows", 9600, "rows that are trained on, drawn from all; a run of 600 steps of 16 sees so many")
	seed := f.Uint64("seed", 42, "of the draw")
	if err := f.Parse(args); err != nil {
		return err
	}
	task, err := tasks.Lookup(*name)
	if err != nil {
		return err
	}
	load := func(path string) ([]data.Row, error) {
		set, err := data.Load(data.Options{Task: task, NeedTarget: true}, path)
		if err != nil {
			return nil, err
		}
		rows := make([]data.Row, set.Len())
		for i := range rows {
			rows[i] = set.Row(i)
		}
		return rows, nil
	}
	from, err := load(*train)
	if err != nil {
		return err
	}
	held, err := load(*dev)
	if err != nil {
		return err
	}
	r := draw.New(*seed, 1)
	draw.Shuffle(r, from)
	c := learn(r, from[:min(*rows, len(from))], task.Targets())
	var outputs, targets []string
	for _, row := range held {
		outputs, targets = append(outputs, c.answer(row.Source)), append(targets, row.Target)
	}
	score, err := metrics.Score(task.Metrics[0], metrics.Answers{Outputs: outputs, Targets: targets, Labels: task.Targets()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "words %s: %s %.4f on %d rows, of %d words in %d rows\n", task.Name, task.Metrics[0], score, len(held), len(c.weights), min(*rows, len(from)))
	return err
}

func runTrigram(out io.Writer, args []string) error {
	f := flag.NewFlagSet("trigram", flag.ContinueOnError)
	dir := f.String("tokenizer", "", "the folder of the tokenizer")
	most := f.Int("tokens", 20_000_000, "the most tokens of the text that are counted")
	valid := f.String("valid", "", "the text whose tokens are scored")
	var texts []string
	f.Func("text", "the text that is counted; may be given several times", func(path string) error {
		texts = append(texts, path)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return err
	}
	tok, err := text.Open(*dir)
	if err != nil {
		return err
	}
	from, err := pretrain.ReadCorpus(texts...)
	if err != nil {
		return err
	}
	held, err := pretrain.ReadCorpus(*valid)
	if err != nil {
		return err
	}
	t := newTrigrams(tok.VocabSize())
	// Paragraphs from all over the text, which is of several kinds.
	r := draw.New(1, 1)
	for t.tokens < *most {
		for _, s := range from.Sentences(r.Below(from.Len())) {
			t.count(tok.Encode(s))
		}
	}
	var loss float64
	n := 0
	for i := range held.Len() {
		for _, s := range held.Sentences(i) {
			l, k := t.loss(tok.Encode(s))
			loss, n = loss+l, n+k
		}
	}
	_, err = fmt.Fprintf(out, "trigram: %.3f nats a token over %d tokens, of %d counted\n", loss/float64(n), n, t.tokens)
	return err
}
