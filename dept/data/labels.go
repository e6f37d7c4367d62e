package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/text"
)

// MaxLabels is how many different targets still count as labels.
const MaxLabels = 20

// Labels are the different targets of rows, in the order in which they come up; nil where there are more than
// MaxLabels, which is free text.
func Labels(sets ...*Dataset) (labels []string) {
	for _, rows := range sets {
		for i := range rows.Len() {
			target := strings.TrimSpace(rows.Row(i).Target)
			if slices.Contains(labels, target) {
				continue
			}
			if labels = append(labels, target); len(labels) > MaxLabels {
				return nil
			}
		}
	}
	return labels
}

// What a model learns to write for a label.
const (
	WriteWords  = "words"  // the label itself
	WriteDigits = "digits" // its number, from 0
)

// longLabel is how many tokens, the end token aside, a label may have that is learnt as it is where
// nobody says otherwise: each is one more that a short training has to get right.
const longLabel = 4

// Spell decides what a model is to write for each label: WriteWords, WriteDigits or, of "", the label itself, or a
// digit where the model cannot write one of them or it is long, which the reason then says. A tokenizer of nil
// writes everything. Words, or digits, that the model does not write are an error.
func Spell(labels []string, how string, tok *text.Tokenizer) (targets []string, reason string, err error) {
	if len(labels) == 0 || tok == nil {
		return labels, "", nil
	}
	unwritable, alike := unwritableLabels(tok, labels)
	long := slices.IndexFunc(labels, func(l string) bool { return len(tok.Encode(l)) > longLabel })
	switch bad := len(unwritable)+len(alike) > 0; {
	case how == WriteWords && bad:
		return nil, "", fmt.Errorf("%s", whyUnwritable(unwritable, alike))
	case how == WriteWords, how == "" && !bad && long < 0:
		return labels, "", nil
	case how == "" && bad:
		reason = whyUnwritable(unwritable, alike)
	case how == "":
		reason = fmt.Sprintf("the label %.40q takes the model %d tokens to write", labels[long], len(tok.Encode(labels[long])))
	}
	digits := make([]string, len(labels))
	for i := range digits {
		digits[i] = strconv.Itoa(i)
	}
	if no, same := unwritableLabels(tok, digits); len(no)+len(same) > 0 {
		return nil, "", fmt.Errorf("this model writes neither digits nor all of the labels %s", List(labels))
	}
	return digits, reason, nil
}

// unwritableLabels are the labels that the tokenizer does not give back, and two that it reads as one.
func unwritableLabels(tok *text.Tokenizer, labels []string) (unwritable, alike []string) {
	known := map[string]string{}
	for _, l := range labels {
		if differs, _ := tok.Unwritable(l); differs {
			unwritable = append(unwritable, l)
		}
		read := tok.Decode(tok.Encode(l))
		if other, ok := known[read]; ok && alike == nil {
			alike = []string{other, l}
		}
		known[read] = l
	}
	return unwritable, alike
}

func whyUnwritable(unwritable, alike []string) string {
	switch {
	case len(unwritable) == 1:
		return fmt.Sprintf("the model's tokenizer cannot write the label %.40q", unwritable[0])
	case len(unwritable) > 1:
		return "the model's tokenizer cannot write the labels " + List(unwritable)
	}
	return fmt.Sprintf("the model's tokenizer reads the labels %.40q and %.40q alike", alike[0], alike[1])
}

// AlikeLabels are two labels that differ in capitals alone; empty where there are none.
func AlikeLabels(labels []string) (a, b string) {
	for i, b := range labels {
		for _, a := range labels[:i] {
			if strings.EqualFold(a, b) {
				return a, b
			}
		}
	}
	return "", ""
}

// List is names for a sentence, which a file that is no table must not make a long one.
func List(names []string) string {
	const most, longest = 12, 30
	var shown []string
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, fmt.Sprintf("%.*s", longest, name))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	if len(shown) < 2 {
		return strings.Join(shown, "")
	}
	return strings.Join(shown[:len(shown)-1], ", ") + " and " + shown[len(shown)-1]
}
