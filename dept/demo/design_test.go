package demo

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

func counter(t *testing.T) Count {
	tok, err := text.OpenFS(backbone.Files())
	require.NoError(t, err)
	return func(text string) int { return len(tok.Encode(text)) }
}

// classOf is the class of each word that is in one of the lists by class.
func classOf(lists map[string][]string) map[string]string {
	of := map[string]string{}
	for class, list := range lists {
		for _, w := range list {
			of[w] = class
		}
	}
	return of
}

// The answer of every design, read from its text by somebody who knows the words.
func TestDesignsAnswers(t *testing.T) {
	tone, topic := classOf(opinions), classOf(things)
	all := func(of map[string]string, text string) (list []string) {
		for _, w := range strings.Fields(text) {
			if c := of[w]; c != "" {
				list = append(list, c)
			}
		}
		return list
	}
	nth := func(of map[string]string, i int) func(string) string {
		return func(text string) string { return all(of, text)[i] }
	}
	first, second := nth(tone, 0), nth(tone, 1)
	answers := map[string]func(text string) string{
		"tone": first, "statement": first, "statement-prefixed": first, "statement-luck": first, "first": first, "first-prefixed": first, "first-loose": first,
		"first-luck": first, "sentence1": first, "first-word": first,
		"second": second, "second-loose": second, "second-luck": second, "middle": second, "sentence2": second, "third-word": nth(tone, 2),
		"first-topic": nth(topic, 0), "some-topic": nth(topic, 0), "first-thing": nth(topic, 0), "four-things": nth(topic, 0),
		"topic": nth(topic, 0), "two-things": nth(topic, 0), "eight-things": nth(topic, 0),
		"tense": func(text string) string {
			for i, label := range []string{"now", "past"} {
				for _, v := range slices.Concat(verbs, copulas) {
					if slices.Contains(strings.Fields(text), v[i]) {
						return label
					}
				}
			}
			return ""
		},
		"marked": func(text string) string {
			_, behind, _ := strings.Cut(text, "but ")
			return first(behind)
		},
		"first-number": func(text string) string { return fmt.Sprint(slices.Index(toneLabels, first(text))) },
		"opposite":     func(text string) string { return toneLabels[1-slices.Index(toneLabels, first(text))] },
		"pair":         func(text string) string { return first(text) + " " + second(text) },
		"same": func(text string) string {
			if first(text) == second(text) {
				return "yes"
			}
			return "no"
		},
	}
	count := counter(t)
	require.Len(t, answers, len(Designs()))
	for _, d := range Designs() {
		assert.Equal(t, d.Rows(Dev, 50, 1, count), d.Rows(Dev, 50, 1, count))
		assert.NotEqual(t, d.Rows(Dev, 50, 1, count), d.Rows(Dev, 50, 2, count))
		n := map[string]int{}
		words := map[Split]map[string]bool{}
		for _, s := range splits {
			words[s] = map[string]bool{}
			for _, r := range d.Rows(s, 60*len(d.Labels), 1, count) {
				require.Equal(t, answers[d.Name](r.Source), r.Target, "%s: %s", d.Name, r.Source)
				require.LessOrEqual(t, count(r.Source)+1, d.MaxSource, r.Source)
				require.LessOrEqual(t, count(r.Target)+1, MaxAnswer, r.Target)
				n[r.Target]++
				for _, w := range strings.Fields(r.Source) {
					if tone[w] != "" || topic[w] != "" {
						words[s][w] = true
					}
				}
			}
		}
		for _, label := range d.Labels {
			assert.Equal(t, 180, n[label], "%s %s", d.Name, label)
		}
		for w := range words[Train] {
			assert.False(t, words[Dev][w] || words[Test][w], "%s: %s is not held back", d.Name, w)
		}
	}
}

// What is said to stand at one place does.
func TestDesignsAlign(t *testing.T) {
	count := counter(t)
	for _, d := range Designs() {
		if strings.Contains(d.Name, "loose") || strings.Contains(d.Name, "thing") || slices.ContainsFunc(sentenceTasks(t), func(s Task) bool { return s.Name == d.Name }) {
			continue
		}
		places := map[int]bool{}
		for _, s := range splits {
			for _, r := range d.Rows(s, 100, 1, count) {
				text := strings.TrimPrefix(r.Source, before+" ")
				at, length := 0, statementTokens
				switch {
				case strings.HasSuffix(d.Name, "word"):
					text, _, _ = strings.Cut(text, " ")
					length = wordTokens
				case strings.HasSuffix(d.Name, "luck"):
					length = fortunateTokens
				case d.Name == "marked":
					text = text[len("and "):]
				case strings.HasPrefix(d.Name, "sentence"):
					text = strings.TrimPrefix(text, "sentence1: ")
					text, _, _ = strings.Cut(text, " sentence2:")
				}
				text, _, _ = strings.Cut(text, " and ")
				text, _, _ = strings.Cut(text, " but ")
				at = count(text)
				require.Equal(t, length, at, "%s: %s", d.Name, r.Source)
				places[count(r.Source)] = true
			}
		}
		if d.Name != "some-topic" {
			assert.Len(t, places, 1, d.Name)
		}
	}
}
