package demo

import (
	"slices"
	"strings"

	"github.com/go-dept/dept/internal/draw"
)

// Split says which words and templates sentences are made of. No two splits
// share any, but for the small words of the templates.
type Split int

// The splits: half of every list is for training, a quarter each for the others.
const (
	Train Split = iota
	Dev
	Test
)

// part is the part of a list that belongs to a split.
func part[T any](list []T, s Split) []T {
	turns := [...]Split{Train, Dev, Train, Test}
	var own []T
	for i, x := range list {
		if turns[i%len(turns)] == s {
			own = append(own, x)
		}
	}
	return own
}

// attribute is something that every sentence has, and the words that name it.
type attribute struct {
	name   string
	labels []string
}

// The attributes. Two of them have the same labels, so that the question alone
// decides whether "luckily the soup was awful" is good or bad.
var attributes = []attribute{
	{"tone", []string{"bad", "good"}},
	{"topic", []string{"food", "sport", "weather", "music", "travel"}},
	{"luck", []string{"bad", "good"}},
	{"tense", []string{"now", "past"}},
}

// The places in a template that words are put into; each but somebody shows an
// attribute.
const (
	somebody = "SOMEBODY"
	does     = "DOES"
	is       = "IS"
	thing    = "THING"
	opinion  = "OPINION"
	fortune  = "FORTUNE"
)

var places = []string{somebody, does, is, thing, opinion, fortune}

// The templates, by family: every one shows every attribute, and every split has
// one of each family, Train two. The small words are those of Train's templates,
// since a backbone that has never seen a word cannot tell it from a question.
var templates = [][]string{
	{fortune, "the", thing, is, opinion},
	{fortune, "this", thing, is, opinion},
	{fortune, "we", "think", "that", "our", thing, is, opinion},
	{fortune, "we", "think", "that", "the", thing, is, opinion},

	{"the", thing, "near", "us", is, fortune, opinion},
	{"our", thing, is, fortune, opinion},
	{"at", "home", "the", thing, is, fortune, opinion},
	{"the", thing, "here", is, fortune, opinion},

	{"the", thing, is, opinion, fortune},
	{"our", thing, is, opinion, "here", fortune},
	{"today", "the", thing, is, opinion, fortune},
	{"at", "home", "our", thing, is, opinion, fortune},

	{fortune, "my", somebody, does, "the", opinion, thing},
	{fortune, "my", somebody, does, "our", opinion, thing},
	{fortune, "even", "my", somebody, does, "this", opinion, thing},
	{fortune, "today", "my", somebody, does, "the", opinion, thing},

	{"my", somebody, does, "the", opinion, thing, fortune},
	{"even", "my", somebody, does, "the", opinion, thing, fortune},
	{"my", somebody, does, "this", opinion, thing, fortune, "again"},
	{"here", "my", somebody, does, "the", opinion, thing, fortune},

	{"my", somebody, fortune, does, "that", "the", thing, is, opinion},
	{"my", somebody, does, "that", "the", thing, is, fortune, opinion},
	{"my", somebody, fortune, does, "the", thing, "which", is, opinion},
	{"my", somebody, does, "the", thing, "which", is, fortune, opinion},

	{"the", opinion, thing, is, fortune, "here"},
	{"our", opinion, thing, is, fortune, "at", "home"},
	{"this", opinion, thing, is, fortune, "what", "my", somebody, does},
	{"the", opinion, thing, "near", "us", is, fortune, "here"},

	{"what", "my", somebody, does, is, fortune, "the", opinion, thing},
	{"what", "my", somebody, does, is, fortune, "our", opinion, thing},
	{fortune, "what", "my", somebody, does, is, "this", opinion, thing},
	{"what", "my", somebody, does, is, "the", opinion, thing, fortune},
}

// sentence is a text and its label under each attribute.
type sentence struct {
	text   string
	labels map[string]string
}

// The streams of one seed: the mixture's and the tasks' rows do not depend on
// each other.
const (
	mixtureStream = 0
	rowsStream    = 2
)

func newSource(seed uint64, stream int, s Split) draw.Source {
	return draw.New(seed, uint64(stream)<<8|uint64(s))
}

// makeSentence makes one from a template of the given split. Its words are any, or
// those of the same split with ownWords; its labels are any, but for those in
// fixed.
func makeSentence(r draw.Source, s Split, ownWords bool, fixed map[string]string) sentence {
	labels := map[string]string{}
	for _, a := range attributes {
		labels[a.name] = draw.Pick(r, a.labels)
		if label, ok := fixed[a.name]; ok {
			labels[a.name] = label
		}
	}
	tense := 0
	if labels["tense"] == "past" {
		tense = 1
	}
	text := slices.Clone(draw.Pick(r, part(templates, s)))
	for i, place := range text {
		switch place {
		case somebody:
			text[i] = word(r, people, s, ownWords)
		case does:
			text[i] = word(r, verbs, s, ownWords)[tense]
		case is:
			text[i] = word(r, copulas, s, ownWords)[tense]
		case thing:
			text[i] = word(r, things[labels["topic"]], s, ownWords)
		case opinion:
			text[i] = word(r, opinions[labels["tone"]], s, ownWords)
		case fortune:
			text[i] = word(r, fortunes[labels["luck"]], s, ownWords)
		}
	}
	return sentence{strings.Join(text, " "), labels}
}

// word picks from a list, or from the split's part of it.
func word[T any](r draw.Source, list []T, s Split, own bool) T {
	if own {
		list = part(list, s)
	}
	return draw.Pick(r, list)
}
