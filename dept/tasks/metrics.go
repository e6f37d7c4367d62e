package tasks

import (
	"fmt"
	"math"
	"strings"
)

// Metric names a score as Hugging Face's logs do. Every score is a fraction, not a
// percentage: 1 is perfect.
type Metric string

const (
	// Accuracy is the share of rows whose output is the target.
	Accuracy Metric = "accuracy"
	// Matthews is the correlation of outputs and targets, from -1 to 1, 0 for a constant
	// output. It is Gorodkin's R_K, which for two classes is Matthews' own coefficient:
	//
	//	(c·n − Σ p_k t_k) / √((n² − Σ p_k²)(n² − Σ t_k²))
	//
	// with c right rows of n, p_k outputs and t_k targets of class k. Outputs that are no
	// label are one more class k, never a target: never right, and a model that emits nothing
	// else scores 0, not -1.
	Matthews Metric = "matthews_correlation"
	// F1 is 2·tp / (2·tp + fp + fn) for the second of two classes. An output that is no label
	// counts as the wrong one of the two: fn on the second class, fp on the first.
	F1 Metric = "f1"
	// MacroF1 is the mean over the classes of each one's F1, 0 for a class neither seen nor
	// predicted. An output that is no label is an fn of the row's class and an fp of none.
	MacroF1 Metric = "f1_macro"
	// ExactMatch is the share of rows whose output is the target, for free text: it needs no
	// labels.
	ExactMatch Metric = "exact_match"
)

// Score compares outputs with targets row by row, both stripped of surrounding white space.
// Labels are the targets that there are, in class order, as Task.Targets gives them; only
// ExactMatch does without. An output that is no label counts as wrong; a target that is none
// is an error.
func Score(metric Metric, outputs, targets, labels []string) (float64, error) {
	if metric == ExactMatch {
		return exactMatch(outputs, targets)
	}
	c, err := Confuse(outputs, targets, labels)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", metric, err)
	}
	switch metric {
	case Accuracy:
		return c.accuracy(), nil
	case Matthews:
		return c.matthews(), nil
	case F1:
		if len(labels) != 2 {
			return 0, fmt.Errorf("f1: needs two classes, there are %d: take f1_macro", len(labels))
		}
		return c.f1(), nil
	case MacroF1:
		return c.macroF1(), nil
	}
	return 0, fmt.Errorf("unknown metric %q", metric)
}

func exactMatch(outputs, targets []string) (float64, error) {
	if err := samePositiveLength(outputs, targets); err != nil {
		return 0, fmt.Errorf("exact_match: %w", err)
	}
	right := 0
	for i, output := range outputs {
		if strings.TrimSpace(output) == strings.TrimSpace(targets[i]) {
			right++
		}
	}
	return float64(right) / float64(len(outputs)), nil
}

// Confusion counts rows by class and output.
type Confusion struct {
	Labels []string `json:"labels"`
	// Counts[i][j] is the number of rows of class i whose output is label j; the last j,
	// len(Labels), is for outputs that are no label.
	Counts [][]int `json:"counts"`
}

// Confuse counts the outputs of each class. Its arguments are Score's.
func Confuse(outputs, targets, labels []string) (*Confusion, error) {
	if err := samePositiveLength(outputs, targets); err != nil {
		return nil, err
	}
	class := make(map[string]int, len(labels))
	c := &Confusion{Labels: labels, Counts: make([][]int, len(labels))}
	for i, label := range labels {
		class[label] = i
		c.Counts[i] = make([]int, len(labels)+1)
	}
	for i, target := range targets {
		t, ok := class[strings.TrimSpace(target)]
		if !ok {
			return nil, fmt.Errorf("row %d: target %q is none of the labels %s", i, target, strings.Join(labels, ", "))
		}
		p, ok := class[strings.TrimSpace(outputs[i])]
		if !ok {
			p = len(labels)
		}
		c.Counts[t][p]++
	}
	return c, nil
}

func samePositiveLength(outputs, targets []string) error {
	if len(outputs) != len(targets) {
		return fmt.Errorf("%d outputs for %d targets", len(outputs), len(targets))
	}
	if len(outputs) == 0 {
		return fmt.Errorf("there are no rows to score")
	}
	return nil
}

// sums gives t[k] and p[k], the rows whose target and whose output is k, the number of right
// rows and of all rows. Both t and p have a last entry for "no label".
func (c *Confusion) sums() (t, p []float64, right, rows float64) {
	n := len(c.Labels)
	t, p = make([]float64, n+1), make([]float64, n+1)
	for i, counts := range c.Counts {
		for j, count := range counts {
			t[i] += float64(count)
			p[j] += float64(count)
			rows += float64(count)
		}
		right += float64(counts[i])
	}
	return t, p, right, rows
}

func (c *Confusion) accuracy() float64 {
	_, _, right, rows := c.sums()
	return right / rows
}

func (c *Confusion) matthews() float64 {
	t, p, right, n := c.sums()
	var pt, pp, tt float64
	for k := range t {
		pt += p[k] * t[k]
		pp += p[k] * p[k]
		tt += t[k] * t[k]
	}
	if pp == n*n || tt == n*n { // one class only: no correlation to speak of
		return 0
	}
	return (right*n - pt) / math.Sqrt((n*n-pp)*(n*n-tt))
}

func (c *Confusion) f1() float64 {
	tp := c.Counts[1][1]
	fp := c.Counts[0][1] + c.Counts[0][2]
	fn := c.Counts[1][0] + c.Counts[1][2]
	if tp == 0 {
		return 0
	}
	return float64(2*tp) / float64(2*tp+fp+fn)
}

func (c *Confusion) macroF1() float64 {
	t, p, _, _ := c.sums()
	var sum float64
	for k := range c.Labels {
		if tp := float64(c.Counts[k][k]); tp > 0 {
			sum += 2 * tp / (t[k] + p[k])
		}
	}
	return sum / float64(len(c.Labels))
}
