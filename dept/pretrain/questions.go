package pretrain

import (
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/internal/draw"
)

// Question is a kind of question about sentences of the text, or of the
// demonstration's language.
type Question string

// The questions, each asked in several wordings of its own.
const (
	Language Question = "language" // the demonstration's
	Tone     Question = "tone"     // do its words praise or blame?
	Opinion  Question = "opinion"  // the same, of phrases that this project writes
	Topic    Question = "topic"    // which of four topics are its words of, or its article?
	Kind     Question = "kind"     // what is its article about?
	Section  Question = "section"  // under which heading does it stand?
	Order    Question = "order"    // are the words in their original order?
	Grammar  Question = "grammar"  // was a word dropped, doubled or moved?
	Follow   Question = "follow"   // does one sentence follow the other in the text?
	Means    Question = "means"    // is what the second sentence says a part of the first?
	Missing  Question = "missing"  // which of these words was taken out?
)

// Questions are all kinds.
var Questions = []Question{Language, Opinion, Tone, Topic, Kind, Section, Order, Grammar, Follow, Means, Missing}

// wording asks a question and says what its answers are, in the order of the
// question's classes; none where the answer is a word of the text.
type wording struct {
	text    string
	answers []string
}

var (
	noYes  = []string{"no", "yes"}
	yesNo  = []string{"yes", "no"}
	zero   = []string{"0", "1"}
	oneOff = []string{"1", "0"}
)

var toneWordings = []wording{
	{"what tone", tones.labels(name)}, {"which mood", tones.labels(name)}, {"how does it sound", tones.labels(name)},
	{"praise or blame", tones.labels(name)}, {"positive or negative", tones.labels(other)}, {"which sentiment", tones.labels(other)},
	{"tone 0 or 1", tones.labels(number)}, {"rate it 0 or 1", tones.labels(number)}, {"sentiment number", tones.labels(number)},
	{"is it positive", noYes}, {"is it negative", yesNo},
}

var wordings = map[Question][]wording{
	Tone:    toneWordings,
	Opinion: toneWordings,
	Topic: {
		{"what topic", topics.labels(name)}, {"which theme", topics.labels(name)}, {"what is it about", topics.labels(name)},
		{"which section of the paper", topics.labels(other)}, {"name the subject", topics.labels(other)},
		{"topic number", topics.labels(number)}, {"topic 0 1 2 or 3", topics.labels(number)}, {"which kind of news", topics.labels(number)},
	},
	Kind: {
		{"what kind of thing", kinds.labels(name)}, {"what is the article about", kinds.labels(name)}, {"which field", kinds.labels(name)},
		{"which part of life", kinds.labels(other)}, {"kind number", kinds.labels(number)},
	},
	Section: {
		{"which heading", sections.labels(name)}, {"which section is it from", sections.labels(other)}, {"section number", sections.labels(number)},
	},
	Order: {
		{"is the word order right", noYes}, {"are the words in order", noYes}, {"is it jumbled", yesNo}, {"in order 0 or 1", zero},
	},
	Grammar: {
		{"is it good english", noYes}, {"is it a correct sentence", noYes}, {"is there a mistake", yesNo},
		{"grammar 0 or 1", zero}, {"acceptable 0 or 1", zero},
	},
	Follow: {
		{"does the second follow the first", noYes}, {"are they neighbours", noYes}, {"do they belong together", noYes}, {"follows 0 or 1", zero},
	},
	Means: {
		{"does the first say the second", noYes}, {"is the second true", noYes}, {"entailment 0 or 1", oneOff}, {"true 0 or not 1", oneOff},
	},
	Missing: {{"which word is missing", nil}, {"which word was removed", nil}, {"what was taken out", nil}},
}

const (
	before  = "sentence:" // stands before a sentence, as in the templates of the DePT authors
	before1 = "sentence1:"
	before2 = "sentence2:"
)

// classes is how many answers a kind has, as far as they are classes.
func (q Question) classes() int {
	if wordings[q] == nil || wordings[q][0].answers == nil {
		return 2
	}
	return len(wordings[q][0].answers)
}

// ask makes a question of a kind whose answer is of a class. ok is false where the
// draw has nothing to ask about.
func (m *Mixture) ask(r draw.Source, q Question, class int) (source, target string, ok bool) {
	if q == Language {
		row := demo.Question(m.split, uint64(r.Below(1<<31)), r.Below(1<<31))
		return row.Source, row.Target, true
	}
	w := draw.Pick(r, wordings[q])
	single := func(class int, words []string) (string, string, bool) {
		return w.text + " " + before + " " + strings.Join(words, " "), w.answers[class], true
	}
	pair := func(class int, first, second []string) (string, string, bool) {
		return strings.Join([]string{w.text, before1, strings.Join(first, " "), before2, strings.Join(second, " ")}, " "), w.answers[class], true
	}
	if q == Opinion {
		return single(class, m.say(r, class))
	}
	paragraph := r.Below(m.corpus.Len())
	all := m.corpus.Sentences(paragraph)
	at := r.Below(len(all))
	words := strings.Fields(all[at])
	if len(words) < minWords || len(words) > maxWords {
		return "", "", false
	}
	switch q {
	case Tone:
		return lexical(r, m.tones, 1, class, words, single)
	case Topic:
		if r.Below(2) == 0 {
			if kind, ok := m.kindOf(paragraph, at); !ok || topicOfKind[kinds[kind].name] != topics[class].name {
				return "", "", false
			}
			return single(class, perhapsPlain(r, words))
		}
		return lexical(r, m.topics, 2, class, words, single)
	case Kind:
		if kind, ok := m.kindOf(paragraph, at); !ok || kind != class {
			return "", "", false
		}
		return single(class, perhapsPlain(r, words))
	case Section:
		if section, ok := m.sectionOf(paragraph); !ok || section != class {
			return "", "", false
		}
		return single(class, words)
	case Order:
		if class == 0 {
			words = jumble(r, words)
		}
		return single(class, words)
	case Grammar:
		if class == 0 {
			words = mistake(r, words)
		}
		return single(class, words)
	case Follow:
		var second []string
		if class == 1 {
			if at+1 == len(all) {
				return "", "", false
			}
			second = strings.Fields(all[at+1])
		} else {
			second = strings.Fields(draw.Pick(r, m.corpus.Sentences(r.Below(m.corpus.Len()))))
		}
		if len(second) < minWords || len(second) > maxWords {
			return "", "", false
		}
		return pair(class, words, second)
	case Means:
		whole := words
		if class == 0 {
			if len(all) < 2 {
				return "", "", false
			}
			whole = strings.Fields(all[(at+1+r.Below(len(all)-1))%len(all)])
		}
		if len(whole) < minWords {
			return "", "", false
		}
		n := max(minWords/2, min(len(whole), maxWords)*(4+r.Below(4))/8)
		start := r.Below(len(whole) - min(n, len(whole)) + 1)
		return pair(class, words, whole[start:min(start+n, len(whole))])
	case Missing:
		i := r.Below(len(words))
		gone := bare(words[i])
		others := []string{gone, bare(draw.Pick(r, words)), bare(draw.Pick(r, strings.Fields(all[r.Below(len(all))])))}
		if len(gone) < 3 || others[1] == gone || others[2] == gone || others[1] == "" || others[2] == "" {
			return "", "", false
		}
		// The other two stay in the sentence, or are in another one.
		draw.Shuffle(r, others)
		rest := slices.Concat(words[:i], words[i+1:])
		if slices.ContainsFunc(rest, func(w string) bool { return bare(w) == gone }) {
			return "", "", false
		}
		return w.text + " " + strings.Join(others, " or ") + " " + before + " " + strings.Join(rest, " "), gone, true
	}
	return "", "", false
}

// Sentences that are asked about have so many words.
const (
	minWords = 5
	maxWords = 40
)

// lexical asks for the class that the words of a sentence are of, where at least so
// many are of it and none of another. A third of the time one of them, or all, are left
// out, so that the others come to tell something too.
func lexical(r draw.Source, classes map[string]int, least, class int, words []string, single func(int, []string) (string, string, bool)) (string, string, bool) {
	at, n := 0, 0
	for i, w := range words {
		c, ok := classes[bare(w)]
		if !ok || c < 0 {
			continue
		}
		if c != class {
			return "", "", false
		}
		at, n = i, n+1
	}
	if n < least {
		return "", "", false
	}
	switch rest := len(words) - n; r.Below(6) {
	case 0:
		if n > 1 {
			words = slices.Concat(words[:at], words[at+1:])
		}
	case 1:
		if rest >= 2*minWords {
			words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { _, ok := classes[bare(w)]; return ok })
		}
	}
	return single(class, perhapsPlain(r, words))
}

// topicOfKind is the topic of articles of a kind; others have none.
var topicOfKind = map[string]string{"politics": "world", "war": "world", "sport": "sport", "company": "business", "science": "science"}

// kindOf is the kind of thing that the article of a paragraph is about, as its first
// sentence says: the first word of kinds behind "is a" and the like. ok is false where
// it says none, and for that sentence.
func (m *Mixture) kindOf(paragraph, at int) (kind int, ok bool) {
	opening := m.corpus.Opening(paragraph)
	if opening == paragraph && at == 0 {
		return 0, false
	}
	words := strings.Fields(m.corpus.Sentences(opening)[0])
	for i := range len(words) - 1 {
		if w := words[i]; w != "is" && w != "was" && w != "are" && w != "were" {
			continue
		}
		for _, w := range words[i+1 : min(len(words), i+12)] {
			if kind, ok := m.kinds[bare(w)]; ok && kind >= 0 {
				return kind, true
			}
		}
		return 0, false
	}
	return 0, false
}

// sectionOf is the class of the heading above a paragraph, one of up to three words
// that is not far.
func (m *Mixture) sectionOf(paragraph int) (section int, ok bool) {
	for i := paragraph - 1; i >= max(0, paragraph-sectionParagraphs); i-- {
		words := m.corpus.words(i)
		if len(words) > 3 {
			continue
		}
		if i <= m.corpus.Opening(paragraph) {
			break
		}
		for _, w := range words {
			if section, ok := m.sections[bare(w)]; ok && section >= 0 {
				return section, true
			}
		}
		break // another heading
	}
	return 0, false
}

const sectionParagraphs = 4

// perhapsPlain makes words plain a third of the time.
func perhapsPlain(r draw.Source, words []string) []string {
	if r.Below(3) == 0 {
		return plain(words)
	}
	return words
}

// plain is text as many data sets have it: in small letters, punctuation standing
// by itself.
func plain(words []string) []string {
	var all []string
	for _, w := range words {
		w = strings.ToLower(w)
		stem := strings.TrimRight(w, ".,;:!?")
		if stem != "" {
			all = append(all, stem)
		}
		for _, mark := range w[len(stem):] {
			all = append(all, string(mark))
		}
	}
	return all
}

// jumble brings words into another order.
func jumble(r draw.Source, words []string) []string {
	other := slices.Clone(words)
	draw.Shuffle(r, other)
	return other
}

// mistake drops a word, says it twice, or moves it.
func mistake(r draw.Source, words []string) []string {
	i := r.Below(len(words))
	rest := slices.Concat(words[:i], words[i+1:])
	switch r.Below(3) {
	case 0:
		return rest
	case 1:
		return slices.Insert(slices.Clone(words), i, words[i])
	}
	return slices.Insert(rest, r.Below(len(rest)+1), words[i])
}
