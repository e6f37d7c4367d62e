// Package metrics scores answers:
//
//	f1, err := metrics.Score(metrics.MacroF1, metrics.Answers{Outputs: outputs, Targets: targets, Labels: labels})
//	confusion, err := metrics.Confuse(outputs, targets, labels)
//
// as the tasks' own benchmarks do: GLUE, SuperGLUE, SQuAD and the code of DePT's authors. Where these
// differ, each has a name of its own.
package metrics

import (
	"fmt"
	"slices"
	"strings"
)

// Name names a score as Hugging Face's logs do, where they have it. Every score is a fraction, not a
// percentage: 1 is perfect.
type Name string

const (
	// Accuracy is the share of rows whose output is the target.
	Accuracy Name = "accuracy"
	// Matthews is the correlation of outputs and targets, from -1 to 1, 0 for a constant
	// output. It is Gorodkin's R_K, which for two classes is Matthews' own coefficient:
	//
	//	(c·n − Σ p_k t_k) / √((n² − Σ p_k²)(n² − Σ t_k²))
	//
	// with c right rows of n, p_k outputs and t_k targets of class k. Each output that is no
	// label is a class of its own, never a target: never right, and a model that emits nothing
	// else scores 0, not -1.
	Matthews Name = "matthews_correlation"
	// F1 is 2·tp / (2·tp + fp + fn) for the second of two classes; of MultiRC's answers it is
	// SuperGLUE's F1a. An output that is no label counts as the wrong one of the two: fn on the
	// second class, fp on the first.
	F1 Name = "f1"
	// MacroF1 is the mean over the classes of each one's F1, 0 for a class neither seen nor
	// predicted. An output that is no label is an fn of the row's class and an fp of none.
	MacroF1 Name = "f1_macro"
	// ExactMatch is the share of rows whose output is the target, for free text: it needs no
	// labels.
	ExactMatch Name = "exact_match"
	// QuestionExactMatch is SuperGLUE's EM of MultiRC: the share of questions all of whose
	// answers are judged right.
	QuestionExactMatch Name = "question_exact_match"

	// Pearson and Spearman correlate outputs, read as numbers, with the numbers of the file, as
	// GLUE does. An output that is no number is -1; constant outputs score 0.
	Pearson  Name = "pearson"
	Spearman Name = "spearmanr"
	// PearsonRounded and SpearmanRounded correlate them with the targets, which are rounded to a
	// digit behind the point, as DePT's authors do.
	PearsonRounded  Name = "pearson_rounded"
	SpearmanRounded Name = "spearmanr_rounded"

	// SquadExactMatch and SquadF1 are SQuAD's: the share of outputs that are a right answer, and
	// the mean F1 of their words, once letters are small and punctuation and articles gone; of
	// several right answers the best counts.
	SquadExactMatch Name = "squad_exact_match"
	SquadF1         Name = "squad_f1"
	// TargetExactMatch and TargetF1 are the same against the target alone, which is the first of
	// the answers, cut to the tokens that are generated, as DePT's authors do. Of two texts without
	// a word TargetF1 is 0 and SquadF1 1.
	TargetExactMatch Name = "target_exact_match"
	TargetF1         Name = "target_f1"
)

// Names lists the metrics.
var Names = []Name{
	Accuracy, Matthews, F1, MacroF1, ExactMatch, QuestionExactMatch,
	Pearson, Spearman, PearsonRounded, SpearmanRounded,
	SquadExactMatch, SquadF1, TargetExactMatch, TargetF1,
}

// NeedsLabels says whether the metric is one of classes.
func (m Name) NeedsLabels() bool {
	return slices.Contains([]Name{Accuracy, Matthews, F1, MacroF1, QuestionExactMatch}, m)
}

// Answers are what a model wrote for rows, and what was wanted. All but Labels have an element a row, in
// the same order; texts count without white space around them.
type Answers struct {
	Outputs []string
	Targets []string
	// References are all the right answers of each row; nil is the targets. Of numbers it is the
	// file's own.
	References [][]string
	// Groups tells the questions of MultiRC apart, which have several answers each; nil is a row
	// a question.
	Groups []string
	Labels []string // the targets that there are, in class order; nil for free text and numbers
}

// Score computes a metric. An output that is no label counts as wrong; a target that is none is an
// error.
func Score(metric Name, a Answers) (score float64, err error) {
	if err := a.check(); err != nil {
		return 0, fmt.Errorf("%s: %w", metric, err)
	}
	if metric.NeedsLabels() {
		score, err = a.classes(metric)
	} else {
		score, err = a.texts(metric)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", metric, err)
	}
	return score, nil
}

func (a *Answers) check() error {
	rows := len(a.Outputs)
	switch {
	case len(a.Targets) != rows:
		return fmt.Errorf("%d outputs for %d targets", rows, len(a.Targets))
	case rows == 0:
		return fmt.Errorf("there are no rows to score")
	case a.References != nil && len(a.References) != rows:
		return fmt.Errorf("%d outputs for %d lists of right answers", rows, len(a.References))
	case a.Groups != nil && len(a.Groups) != rows:
		return fmt.Errorf("%d outputs for %d questions", rows, len(a.Groups))
	}
	return nil
}

// texts computes a metric that needs no labels.
func (a *Answers) texts(metric Name) (float64, error) {
	switch metric {
	case ExactMatch:
		return a.share(func(output, target string) bool { return output == target }), nil
	case PearsonRounded, SpearmanRounded, Pearson, Spearman:
		return a.correlate(metric)
	case SquadExactMatch:
		return a.squad(squadExact, a.references()), nil
	case SquadF1:
		return a.squad(squadF1, a.references()), nil
	case TargetExactMatch:
		return a.squad(squadExact, single(a.Targets)), nil
	case TargetF1:
		return a.squad(targetF1, single(a.Targets)), nil
	}
	return 0, fmt.Errorf("unknown metric: the metrics are %s", list())
}

// share is the share of rows that are right.
func (a *Answers) share(right func(output, target string) bool) float64 {
	n := 0
	for i := range a.Outputs {
		if right(strings.TrimSpace(a.Outputs[i]), strings.TrimSpace(a.Targets[i])) {
			n++
		}
	}
	return float64(n) / float64(len(a.Outputs))
}

// references are the right answers of each row, at least one.
func (a *Answers) references() [][]string {
	all := single(a.Targets)
	for i := range a.References {
		if len(a.References[i]) > 0 {
			all[i] = a.References[i]
		}
	}
	return all
}

func single(texts []string) [][]string {
	lists := make([][]string, len(texts))
	for i := range texts {
		lists[i] = texts[i : i+1]
	}
	return lists
}

func list() string {
	names := make([]string, len(Names))
	for i, name := range Names {
		names[i] = string(name)
	}
	return strings.Join(names, ", ")
}
