package demo

import (
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/internal/draw"
)

// Design is a task made to ask what a part of DePT is good for. Designs differ from
// one another in few things: mostly, in whether the answer depends on where a word
// stands. Like those of Tasks their dev and test rows have words of their own.
type Design struct {
	Name  string
	About string // what the answer is, in a line
	// Labels are the targets there are. Each is as frequent as any other.
	Labels []string
	source func(w writer, label string) string
}

// Count is how many tokens a text has, without an end token. Several designs have
// statements of one length in tokens, so that a word's part in the text follows from
// its position.
type Count func(text string) int

// Rows makes n rows of a design.
func (d Design) Rows(split Split, n int, seed uint64, count Count) []data.Row {
	w := writer{newSource(seed, designStream, split), split, count}
	rows := make([]data.Row, n)
	for i := range rows {
		label := d.Labels[i%len(d.Labels)]
		rows[i] = data.Row{Source: d.source(w, label), Target: label, Line: i + 1}
	}
	return rows
}

// The labels of designs.
var (
	toneLabels = attributes[0].labels
	pairLabels = []string{"bad bad", "bad good", "good bad", "good good"}
)

// The lengths of what has one length, in tokens: both take words of every list.
const (
	statementTokens = 8
	fortunateTokens = 12
	wordTokens      = 4
)

// Designs are all of them. A statement is one such as "soup is awful".
var Designs = []Design{
	{"tone", "the tone of the one statement", toneLabels, func(w writer, label string) string {
		return w.statement(label)
	}},
	{"tone-prefixed", "the tone of the one statement behind \"" + before + "\"", toneLabels, func(w writer, label string) string {
		return before + " " + w.statement(label)
	}},
	{"tone-luck", "the tone of the one statement, which has a luck too", toneLabels, func(w writer, label string) string {
		return w.fortunate(label)
	}},
	{"first", "the tone of the first of two statements", toneLabels, func(w writer, label string) string {
		return w.statement(label) + " and " + w.statement(w.tone())
	}},
	{"second", "the tone of the second of two statements", toneLabels, func(w writer, label string) string {
		return w.statement(w.tone()) + " and " + w.statement(label)
	}},
	{"middle", "the tone of the second of three statements", toneLabels, func(w writer, label string) string {
		return w.statement(w.tone()) + " and " + w.statement(label) + " and " + w.statement(w.tone())
	}},
	{"first-prefixed", "the tone of the first of two statements behind \"" + before + "\"", toneLabels, func(w writer, label string) string {
		return before + " " + w.statement(label) + " and " + w.statement(w.tone())
	}},
	{"first-loose", "the tone of the first of two statements of any lengths", toneLabels, func(w writer, label string) string {
		return w.of(0, label) + " and " + w.of(0, w.tone())
	}},
	{"second-loose", "the tone of the second of two statements of any lengths", toneLabels, func(w writer, label string) string {
		return w.of(0, w.tone()) + " and " + w.of(0, label)
	}},
	{"first-luck", "the tone of the first of two statements, which have a luck too", toneLabels, func(w writer, label string) string {
		return w.fortunate(label) + " and " + w.fortunate(w.tone())
	}},
	{"second-luck", "the tone of the second of two statements, which have a luck too", toneLabels, func(w writer, label string) string {
		return w.fortunate(w.tone()) + " and " + w.fortunate(label)
	}},
	{"sentence1", "the tone of what stands behind \"sentence1:\" and before \"sentence2:\"", toneLabels, func(w writer, label string) string {
		return "sentence1: " + w.statement(label) + " sentence2: " + w.statement(w.tone())
	}},
	{"sentence2", "the tone of what stands behind \"sentence2:\"", toneLabels, func(w writer, label string) string {
		return "sentence1: " + w.statement(w.tone()) + " sentence2: " + w.statement(label)
	}},
	{"marked", "the tone of the statement behind \"but\", which is the first or the second", toneLabels, func(w writer, label string) string {
		both := []string{"but " + w.statement(label), "and " + w.statement(w.tone())}
		draw.Shuffle(w.r, both)
		return strings.Join(both, " ")
	}},
	{"first-word", "the tone of the first of four words", toneLabels, func(w writer, label string) string {
		return strings.Join([]string{w.opinion(label), w.opinion(w.tone()), w.opinion(w.tone()), w.opinion(w.tone())}, " ")
	}},
	{"third-word", "the tone of the third of four words", toneLabels, func(w writer, label string) string {
		return strings.Join([]string{w.opinion(w.tone()), w.opinion(w.tone()), w.opinion(label), w.opinion(w.tone())}, " ")
	}},
	{"first-topic", "the topic of the first of two statements", attributes[1].labels, func(w writer, label string) string {
		return w.about(label) + " and " + w.about(draw.Pick(w.r, attributes[1].labels))
	}},
	{"some-topic", "the topic of the first of one to three statements", attributes[1].labels, func(w writer, label string) string {
		text := w.about(label)
		for range w.r.Below(3) {
			text += " and " + w.about(draw.Pick(w.r, attributes[1].labels))
		}
		return text
	}},
	{"four-things", "the topic of the first of four things", attributes[1].labels, func(w writer, label string) string {
		text := w.thing(label)
		for range 3 {
			text += " and " + w.thing(draw.Pick(w.r, attributes[1].labels))
		}
		return text
	}},
	{"first-thing", "the topic of the first of one to four things", attributes[1].labels, func(w writer, label string) string {
		text := w.thing(label)
		for range w.r.Below(4) {
			text += " and " + w.thing(draw.Pick(w.r, attributes[1].labels))
		}
		return text
	}},
	{"first-number", "the tone of the first of two statements, 0 or 1", []string{"0", "1"}, func(w writer, label string) string {
		return w.statement(toneLabels[slices.Index([]string{"0", "1"}, label)]) + " and " + w.statement(w.tone())
	}},
	{"opposite", "what the tone of the first of two statements is not", toneLabels, func(w writer, label string) string {
		return w.statement(toneLabels[1-slices.Index(toneLabels, label)]) + " and " + w.statement(w.tone())
	}},
	{"pair", "the tones of two statements, in their order", pairLabels, func(w writer, label string) string {
		first, second, _ := strings.Cut(label, " ")
		return w.statement(first) + " and " + w.statement(second)
	}},
	{"same", "whether two statements have one tone", []string{"no", "yes"}, func(w writer, label string) string {
		first := w.tone()
		second := first
		if label == "no" {
			second = toneLabels[1-slices.Index(toneLabels, first)]
		}
		return w.statement(first) + " and " + w.statement(second)
	}},
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
	return w.fit(tokens, func() string { return w.say(draw.Pick(w.r, attributes[1].labels), tone) })
}

// fortunate is a statement of a tone, of fortunateTokens, behind a word for any luck.
func (w writer) fortunate(tone string) string {
	return w.fit(fortunateTokens, func() string {
		return word(w.r, fortunes[draw.Pick(w.r, attributes[2].labels)], w.split, true) + " " + w.say(draw.Pick(w.r, attributes[1].labels), tone)
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
