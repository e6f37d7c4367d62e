package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/data"
)

func predictCommand() *cobra.Command {
	r := &reading{}
	cmd := &cobra.Command{
		Use:   "predict --model DIR",
		Short: "Answer texts, one prediction a line",
		Long: `Answer the rows of --data, or the lines of standard input, each as soon as no more
of them are waiting. Predictions come in the rows' order, one a line; a blank line
is an empty source and gets one too. An adapter of the page's says how it is asked
and which labels it knows, and answers as it does there, unless --task says otherwise.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			options, err := r.data.options(false)
			if err != nil {
				return err
			}
			if r.dataFile == stdin && options.Format == "" {
				options.Format = data.Text
			}
			if err := checkRows(cmd, "data", r.dataFile, options, testSplits); err != nil {
				return err
			}
			rows, err := openRows(cmd, "data", r.dataFile, options, testSplits)
			if err != nil {
				return err
			}
			defer rows.Close()
			defer r.close()
			if err := r.open(cmd); err != nil {
				return err
			}
			return r.answer(cmd, rows)
		}),
	}
	r.add(cmd)
	r.dataFile, cmd.Flags().Lookup("data").DefValue = stdin, stdin
	cmd.Flags().IntVar(&r.beam, "beams", 1, "hypotheses to search with; 1 is greedy")
	return cmd
}

// prediction is the answer to a row, as --json prints it.
type prediction struct {
	Source     string `json:"source"`
	Prediction string `json:"prediction"`
	// Scores are the log-probabilities of a task's labels, or the adapter's, each as
	// the whole answer.
	Scores map[string]float64 `json:"scores,omitempty"`
}

// answer predicts rows in batches and prints them in order.
func (r *reading) answer(cmd *cobra.Command, rows *data.Reader) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	waiting := startReading(rows, r.batch)
	for {
		batch, readErr := nextBatch(waiting, r.batch)
		answers, err := r.predict(cmd, batch)
		if err != nil {
			return err
		}
		for _, a := range answers {
			if err := r.print(out, a); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return readErr
		}
	}
	if n := r.predictor.Cut(); n > 0 {
		warn(cmd, "%s longer than %d tokens and cut", plural(n, "source"), r.maxSource)
	}
	return nil
}

func (r *reading) predict(cmd *cobra.Command, batch []string) ([]prediction, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	sources := make([]string, len(batch))
	for i := range sources {
		sources[i] = r.answers.Source(batch[i])
	}
	texts, err := r.predictor.Predict(cmd.Context(), sources)
	if err != nil {
		return nil, err
	}
	answers := make([]prediction, len(batch))
	for i := range answers {
		answers[i] = prediction{Source: batch[i], Prediction: r.answers.Name(texts[i])}
	}
	if labels := r.labels(); r.json && labels != nil {
		scores, err := r.predictor.Scores(cmd.Context(), sources, labels)
		if err != nil {
			return nil, err
		}
		for i := range answers {
			answers[i].Scores = map[string]float64{}
			for k, label := range labels {
				if math.IsNaN(scores[i][k]) || math.IsInf(scores[i][k], 0) {
					return nil, fmt.Errorf("the score of label %s is %g: check the checkpoint's and the adapter's numbers", label, scores[i][k])
				}
				answers[i].Scores[r.answers.Name(label)] = scores[i][k]
			}
		}
	}
	return answers, nil
}

// oneLineText keeps a prediction on its line.
var oneLineText = strings.NewReplacer("\n", " ", "\r", " ")

func (r *reading) print(out io.Writer, p prediction) error {
	if !r.json {
		_, err := fmt.Fprintln(out, oneLineText.Replace(p.Prediction))
		return err
	}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	return lines.Encode(p)
}

// incoming is a row that has been read, or why there are no more.
type incoming struct {
	source string
	err    error
}

// startReading reads ahead, so that nobody who types waits for a full batch. The
// channel is closed after its first error, the end of the rows among them.
func startReading(rows *data.Reader, ahead int) <-chan incoming {
	c := make(chan incoming, ahead)
	go func() {
		defer close(c)
		for {
			row, err := rows.Next()
			c <- incoming{row.Source, err}
			if err != nil {
				return
			}
		}
	}()
	return c
}

// pause is how long a row waits for others to share its batch.
const pause = 20 * time.Millisecond

// nextBatch waits for a row and takes those that come right behind it. The error
// belongs to the row after the batch.
func nextBatch(rows <-chan incoming, most int) (batch []string, err error) {
	first, open := <-rows
	for row := first; ; {
		if !open {
			return batch, io.EOF
		}
		if row.err != nil {
			return batch, withColumnFlags(row.err)
		}
		batch = append(batch, row.source)
		if len(batch) == most {
			return batch, nil
		}
		select {
		case row, open = <-rows:
		case <-time.After(pause):
			return batch, nil
		}
	}
}
