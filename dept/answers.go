package dept

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Answers says how an adapter is asked and how its answers are read, which training knew and the
// numbers do not say. Who predicts with it gives Source(text) to the model, ranks the answers over
// Ranked(), and shows Name(answer); who scores the answers compares them with Target(class). Of nil,
// which says nothing, they are the text, nil, the answer and the class.
type Answers struct {
	// Template is what the model reads of a text, which stands in it as {text}; empty is the text alone.
	Template string `json:"template,omitempty"`
	// Labels are what the model was taught to write; empty where answers are free text.
	Labels []string `json:"labels,omitempty"`
	// Names are what people call the labels, in their order; empty where it is the labels themselves.
	Names []string `json:"names,omitempty"`
	// Rank has the answer be the likeliest of the labels, whatever the model would write.
	Rank bool `json:"rank,omitempty"`
}

// TemplateText stands for the text in a template.
const TemplateText = "{text}"

// Source is what the model reads of a text.
func (a *Answers) Source(text string) string {
	if a == nil || a.Template == "" {
		return text
	}
	before, after, _ := strings.Cut(a.Template, TemplateText)
	return before + text + after
}

// Name is what people call an answer.
func (a *Answers) Name(answer string) string {
	if a == nil {
		return answer
	}
	if i := slices.Index(a.Labels, strings.TrimSpace(answer)); i >= 0 && i < len(a.Names) {
		return a.Names[i]
	}
	return answer
}

// Target is what the model writes for a class, by the name that people call it or as its label;
// what is neither stays as it is. White space around it goes.
func (a *Answers) Target(class string) string {
	class = strings.TrimSpace(class)
	if a == nil {
		return class
	}
	if i := slices.Index(a.Names, class); i >= 0 {
		return a.Labels[i]
	}
	return class
}

// Classes are what people call the labels, in class order; nil where answers are free text.
func (a *Answers) Classes() []string {
	switch {
	case a == nil:
		return nil
	case len(a.Names) > 0:
		return a.Names
	}
	return a.Labels
}

// String is a line for people.
func (a *Answers) String() string {
	asked := "as it is"
	if a.Template != "" {
		asked = fmt.Sprintf("as %q", a.Template)
	}
	labels := make([]string, len(a.Labels))
	for i, l := range a.Labels {
		if labels[i] = l; a.Name(l) != l {
			labels[i] = fmt.Sprintf("%s for %s", l, a.Name(l))
		}
	}
	switch {
	case len(labels) == 0:
		return asked + ", answered in free text"
	case a.Rank:
		return asked + ", answered by ranking " + strings.Join(labels, ", ")
	}
	return asked + ", answered by writing " + strings.Join(labels, ", ")
}

// Ranked are the labels that answers are ranked over; nil where they are written.
func (a *Answers) Ranked() []string {
	if a == nil || !a.Rank {
		return nil
	}
	return a.Labels
}

// mostLabels bounds a list that a file brings.
const mostLabels = 1000

func (a *Answers) check() error {
	switch {
	case a.Template != "" && !strings.Contains(a.Template, TemplateText):
		return fmt.Errorf("the template %.60q has no %s", a.Template, TemplateText)
	case len(a.Labels) > mostLabels:
		return fmt.Errorf("there are %d labels: at most %d can be told apart", len(a.Labels), mostLabels)
	case len(a.Names) > 0 && len(a.Names) != len(a.Labels):
		return fmt.Errorf("there are %d names for %d labels", len(a.Names), len(a.Labels))
	case a.Rank && len(a.Labels) == 0:
		return fmt.Errorf("there are no labels to rank")
	}
	for _, list := range [][]string{a.Labels, a.Names} {
		for i, label := range list {
			if strings.TrimSpace(label) == "" || slices.Contains(list[:i], label) {
				return fmt.Errorf("label %d, %.40q, is empty or there twice", i, label)
			}
		}
	}
	return nil
}

// note is what the weights' file says.
func (a *Answers) note() (string, error) {
	if err := a.check(); err != nil {
		return "", err
	}
	text, err := json.Marshal(a)
	return string(text), err
}

// parseAnswers reads a note; of none it is nil.
func parseAnswers(note string) (*Answers, error) {
	if note == "" {
		return nil, nil
	}
	a := &Answers{}
	err := json.Unmarshal([]byte(note), a)
	if err != nil {
		err = fmt.Errorf("it is no JSON object of template, labels, names and rank")
	} else {
		err = a.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s in the metadata: %w", answersKey, err)
	}
	for _, list := range []*[]string{&a.Labels, &a.Names} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return a, nil
}
