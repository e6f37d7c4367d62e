package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// classes computes a metric of classes.
func (a *Answers) classes(metric Name) (float64, error) {
	c, err := Confuse(a.Outputs, a.Targets, a.Labels)
	if err != nil {
		return 0, err
	}
	switch metric {
	case Accuracy:
		return c.accuracy(), nil
	case Matthews:
		return c.matthews(a.invalid()), nil
	case F1:
		if len(a.Labels) != 2 {
			return 0, fmt.Errorf("needs two classes, there are %d: take f1_macro", len(a.Labels))
		}
		return c.f1(), nil
	case QuestionExactMatch:
		return a.questions(), nil
	}
	return c.macroF1(), nil
}

// invalid counts each output that is no label.
func (a *Answers) invalid() map[string]int {
	counts := map[string]int{}
	for _, output := range a.Outputs {
		if output = strings.TrimSpace(output); !slices.Contains(a.Labels, output) {
			counts[output]++
		}
	}
	return counts
}

// questions is the share of groups whose rows are all right.
func (a *Answers) questions() float64 {
	if a.Groups == nil {
		return a.share(func(output, target string) bool { return output == target })
	}
	right := map[string]bool{}
	for i, group := range a.Groups {
		before, seen := right[group]
		right[group] = (before || !seen) && strings.TrimSpace(a.Outputs[i]) == strings.TrimSpace(a.Targets[i])
	}
	n := 0
	for _, all := range right {
		if all {
			n++
		}
	}
	return float64(n) / float64(len(right))
}

// Confusion counts rows by class and output.
type Confusion struct {
	Labels []string `json:"labels"`
	// Counts[i][j] is the number of rows of class i whose output is label j; the last j,
	// len(Labels), is for outputs that are no label.
	Counts [][]int `json:"counts"`
}

// Confuse counts the outputs of each class. Its arguments are those of Answers.
func Confuse(outputs, targets, labels []string) (*Confusion, error) {
	if err := (&Answers{Outputs: outputs, Targets: targets}).check(); err != nil {
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

// matthews takes how often each output is that is no label.
func (c *Confusion) matthews(invalid map[string]int) float64 {
	t, p, right, n := c.sums()
	var pt, pp, tt float64
	for k := range c.Labels {
		pt += p[k] * t[k]
		pp += p[k] * p[k]
		tt += t[k] * t[k]
	}
	for _, count := range invalid {
		pp += float64(count) * float64(count)
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
