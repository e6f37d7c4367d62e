package demo

import (
	"slices"
	"strings"

	"github.com/go-dept/dept/internal/draw"
)

// The labels of tasks.
var (
	toneLabels  = attributes[0].labels
	topicLabels = attributes[1].labels
	pairLabels  = []string{"bad bad", "bad good", "good bad", "good good"}
)

// The lengths of what has one length, in tokens: both take words of every list.
const (
	statementTokens = 8
	fortunateTokens = 12
	wordTokens      = 4
)

// Designs are Tasks and others, made to ask what a part of DePT is good for: they differ
// in few things, mostly in whether the answer depends on where a word stands. A statement
// is one such as "soup is awful".
func Designs() []Task { return slices.Concat(Tasks, designs) }

var designs = []Task{
	of("topic", "the topic of a sentence"),
	of("tense", "the tense of a sentence"),
	task("statement", "the tone of the one statement", toneLabels, func(w writer, label string) string {
		return w.statement(label)
	}),
	task("statement-prefixed", "the tone of the one statement behind \""+before+"\"", toneLabels, func(w writer, label string) string {
		return before + " " + w.statement(label)
	}),
	task("statement-luck", "the tone of the one statement, which has a luck too", toneLabels, func(w writer, label string) string {
		return w.fortunate(label)
	}),
	task("first", "the tone of the first of two statements", toneLabels, func(w writer, label string) string {
		return w.statement(label) + " and " + w.statement(w.tone())
	}),
	task("second", "the tone of the second of two statements", toneLabels, func(w writer, label string) string {
		return w.statement(w.tone()) + " and " + w.statement(label)
	}),
	task("middle", "the tone of the second of three statements", toneLabels, func(w writer, label string) string {
		return w.statement(w.tone()) + " and " + w.statement(label) + " and " + w.statement(w.tone())
	}),
	task("first-prefixed", "the tone of the first of two statements behind \""+before+"\"", toneLabels, func(w writer, label string) string {
		return before + " " + w.statement(label) + " and " + w.statement(w.tone())
	}),
	task("first-loose", "the tone of the first of two statements of any lengths", toneLabels, func(w writer, label string) string {
		return w.of(0, label) + " and " + w.of(0, w.tone())
	}),
	task("second-loose", "the tone of the second of two statements of any lengths", toneLabels, func(w writer, label string) string {
		return w.of(0, w.tone()) + " and " + w.of(0, label)
	}),
	task("first-luck", "the tone of the first of two statements, which have a luck too", toneLabels, func(w writer, label string) string {
		return w.fortunate(label) + " and " + w.fortunate(w.tone())
	}),
	task("second-luck", "the tone of the second of two statements, which have a luck too", toneLabels, func(w writer, label string) string {
		return w.fortunate(w.tone()) + " and " + w.fortunate(label)
	}),
	task("sentence1", "the tone of what stands behind \"sentence1:\" and before \"sentence2:\"", toneLabels, func(w writer, label string) string {
		return "sentence1: " + w.statement(label) + " sentence2: " + w.statement(w.tone())
	}),
	task("sentence2", "the tone of what stands behind \"sentence2:\"", toneLabels, func(w writer, label string) string {
		return "sentence1: " + w.statement(w.tone()) + " sentence2: " + w.statement(label)
	}),
	task("marked", "the tone of the statement behind \"but\", which is the first or the second", toneLabels, func(w writer, label string) string {
		both := []string{"but " + w.statement(label), "and " + w.statement(w.tone())}
		draw.Shuffle(w.r, both)
		return strings.Join(both, " ")
	}),
	task("first-word", "the tone of the first of four words", toneLabels, func(w writer, label string) string {
		return strings.Join([]string{w.opinion(label), w.opinion(w.tone()), w.opinion(w.tone()), w.opinion(w.tone())}, " ")
	}),
	task("third-word", "the tone of the third of four words", toneLabels, func(w writer, label string) string {
		return strings.Join([]string{w.opinion(w.tone()), w.opinion(w.tone()), w.opinion(label), w.opinion(w.tone())}, " ")
	}),
	task("first-topic", "the topic of the first of two statements", topicLabels, func(w writer, label string) string {
		return w.about(label) + " and " + w.about(draw.Pick(w.r, topicLabels))
	}),
	task("some-topic", "the topic of the first of one to three statements", topicLabels, func(w writer, label string) string {
		text := w.about(label)
		for range w.r.Below(3) {
			text += " and " + w.about(draw.Pick(w.r, topicLabels))
		}
		return text
	}),
	task("two-things", "the topic of the first of one or two things", topicLabels, func(w writer, label string) string {
		return w.list(label, 1, 2)
	}),
	task("eight-things", "the topic of the first of one to eight things", topicLabels, func(w writer, label string) string {
		return w.list(label, 1, 8)
	}).upTo(56),
	task("first-number", "the tone of the first of two statements, 0 or 1", []string{"0", "1"}, func(w writer, label string) string {
		return w.statement(toneLabels[slices.Index([]string{"0", "1"}, label)]) + " and " + w.statement(w.tone())
	}),
	task("opposite", "what the tone of the first of two statements is not", toneLabels, func(w writer, label string) string {
		return w.statement(toneLabels[1-slices.Index(toneLabels, label)]) + " and " + w.statement(w.tone())
	}),
	task("pair", "the tones of two statements, in their order", pairLabels, func(w writer, label string) string {
		first, second, _ := strings.Cut(label, " ")
		return w.statement(first) + " and " + w.statement(second)
	}),
	task("same", "whether two statements have one tone", []string{"no", "yes"}, func(w writer, label string) string {
		first := w.tone()
		second := first
		if label == "no" {
			second = toneLabels[1-slices.Index(toneLabels, first)]
		}
		return w.statement(first) + " and " + w.statement(second)
	}),
}

// writer writes the statements of a split.
type writer struct {
	r     draw.Source
	split Split
	count Count
}

func (w writer) tone() string { return draw.Pick(w.r, toneLabels) }

// statement is one of a tone, of statementTokens.
func (w writer) statement(tone string) string { return w.of(statementTokens, tone) }

// of is a statement of a tone about any topic, of so many tokens; 0 is any number.
func (w writer) of(tokens int, tone string) string {
	return w.fit(tokens, func() string { return w.say(draw.Pick(w.r, topicLabels), tone) })
}

// fortunate is a statement of a tone, of fortunateTokens, behind a word for any luck.
func (w writer) fortunate(tone string) string {
	return w.fit(fortunateTokens, func() string {
		return word(w.r, fortunes[draw.Pick(w.r, attributes[2].labels)], w.split, true) + " " + w.say(draw.Pick(w.r, topicLabels), tone)
	})
}

// about is a statement about a topic, of statementTokens.
func (w writer) about(topic string) string {
	return w.fit(statementTokens, func() string { return w.say(topic, w.tone()) })
}

// opinion is a word of a tone, of wordTokens.
func (w writer) opinion(tone string) string {
	return w.fit(wordTokens, func() string { return word(w.r, opinions[tone], w.split, true) })
}

// list is some things, joined: the first of a topic, the others of any.
func (w writer) list(topic string, least, most int) string {
	text := w.thing(topic)
	for range least - 1 + w.r.Below(most-least+1) {
		text += " and " + w.thing(draw.Pick(w.r, topicLabels))
	}
	return text
}

func (w writer) thing(topic string) string { return word(w.r, things[topic], w.split, true) }

func (w writer) say(topic, tone string) string {
	return strings.Join([]string{
		w.thing(topic), word(w.r, copulas, w.split, true)[w.r.Below(2)], word(w.r, opinions[tone], w.split, true),
	}, " ")
}

// fit draws until a text has so many tokens, or takes any with 0.
func (w writer) fit(tokens int, text func() string) string {
	for {
		if s := text(); tokens == 0 || w.count(s) == tokens {
			return s
		}
	}
}
