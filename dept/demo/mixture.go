package demo

import (
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/internal/draw"
)

// before stands before every sentence, as in the templates of the DePT authors.
const before = "sentence:"

// The questions, in several wordings each: one for each attribute, and one for
// all of them.
var (
	questions = map[string][]string{
		"tone":  {"what tone", "how does it sound", "which mood", "praise or blame", "is it liked or not"},
		"topic": {"what topic", "what is it about", "which theme", "name the subject", "what does it describe"},
		"luck":  {"what luck", "how did it go", "which fate", "lucky or unlucky", "is fate kind or not"},
		"tense": {"what tense", "when is it", "which time", "present or over", "is it going on now"},
	}
	everything = []string{"tell everything", "describe all of it", "what is all this", "name every property"}
)

// TopicQuestion asks for the topic of what follows it, as the mixture does.
const TopicQuestion = "what topic " + before

// questionWords is the most words of a question with the fillers around it.
const questionWords = 5

// How often out of a hundred the mixture asks nothing, and otherwise how often
// it asks for everything.
const (
	askNothing    = 12
	askEverything = 50
)

// Question is row i of the mixture that a backbone is pre-trained on: a question
// about a sentence, answered with label words. A small model learns four labels a
// sentence several times faster than one, so many questions ask for everything.
// The words are all words; the templates are the split's. Rows of Dev and Test
// serve to look at a backbone: it has not seen their templates.
func Question(split Split, seed uint64, i int) data.Row {
	r := newSource(seed^uint64(i)<<32, mixtureStream, split)
	s := makeSentence(r, split, false, nil)
	var question []string
	var answer string
	switch {
	case r.Below(100) < askNothing:
		// Words by lot, or none, mean nothing together. The answer is the luck, so
		// that a prompt that has learned nothing yet gets labels of the tone, at
		// chance.
		question, answer = around(r, nil, vocabulary()), s.labels["luck"]
	case r.Below(100) < askEverything:
		question, answer = around(r, words(draw.Pick(r, everything)), fillers), s.everything()
	default:
		a := draw.Pick(r, attributes).name
		question, answer = around(r, words(draw.Pick(r, questions[a])), fillers), s.labels[a]
	}
	question = append(question, before, s.text)
	return data.Row{Source: strings.Join(question, " "), Target: answer, Line: i + 1}
}

// Mixture is the first n rows of the mixture.
func Mixture(split Split, n int, seed uint64) []data.Row {
	rows := make([]data.Row, n)
	for i := range rows {
		rows[i] = Question(split, seed, i)
	}
	return rows
}

// around puts some words before and behind a question, as many as there is room
// for at most. A backbone that finds the question among them can be steered by a
// prompt that is only partly right, and so shows it the way; without them one
// prompt in four learned nothing.
func around(r draw.Source, question, list []string) []string {
	for room := r.Below(questionWords - len(question) + 1); room > 0; room-- {
		question = slices.Insert(question, r.Below(2)*len(question), draw.Pick(r, list))
	}
	return question
}

// everything is all labels of a sentence in the order of the attributes.
func (s sentence) everything() string {
	var labels []string
	for _, a := range attributes {
		labels = append(labels, s.labels[a.name])
	}
	return strings.Join(labels, " ")
}
