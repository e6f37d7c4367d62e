package tasks

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostNumber is the largest answer of a task of numbers.
const mostNumber = 5

// NumberTarget is the target of a number: rounded to a digit behind the point, halves to the even digit, as
// the DePT authors round STS-B's float32 scores. That is not T5's grid of 0.2.
func NumberTarget(text string) (string, error) {
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 32)
	if err != nil || !(0 <= x && x <= mostNumber) {
		return "", fmt.Errorf("%.40q is no number from 0 to %d", text, mostNumber)
	}
	return numberText(math.RoundToEven(x*5/5*10)/10 + 0), nil // never -0.0
}

func numberText(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }

// padPunctuation puts a blank on both sides of every character that is no letter, number, mark, underscore or
// white space, and makes one blank of white space, as T5 does with SQuAD and the DePT authors with MRQA's.
func padPunctuation(text string) string {
	var padded strings.Builder
	space := false // is what was written last
	write := func(r rune) {
		if unicode.IsSpace(r) {
			if !space {
				padded.WriteByte(' ')
			}
			space = true
			return
		}
		padded.WriteRune(r)
		space = false
	}
	for _, r := range text {
		if r == '_' || unicode.IsSpace(r) || unicode.In(r, unicode.L, unicode.N, unicode.M) {
			write(r)
			continue
		}
		write(' ')
		write(r)
		write(' ')
	}
	return padded.String()
}

// withoutMarkup takes MultiRC's tags out of a text.
func withoutMarkup(text string) string { return markup.Replace(text) }

var markup = strings.NewReplacer("<br>", " ", "<b>", "", "</b>", "")

// Mark is a sign on both sides of some words of a text. The columns are those of the words and of how many words
// stand before them.
type Mark struct{ Sign, Text, Index string }

// marked is columns with the marks in the text, as T5 and the DePT authors put them: words are what one white
// space follows, a sign in front of others counts as two words, and where the text does not have the words at
// their place, they stay unmarked.
func marked(columns map[string]string, marks []Mark) (map[string]string, error) {
	text := columns[packedColumn]
	var before []int // places of marks
	for _, m := range marks {
		place, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(columns[m.Index]), ".0"))
		if err != nil || place < 0 {
			return nil, fmt.Errorf("%s is %.40q, and must be the number of a word, from 0", m.Index, columns[m.Index])
		}
		signs := 0
		for _, other := range before {
			if other < place {
				signs += 2
			}
		}
		text = mark(text, m.Sign, columns[m.Text], place+signs)
		before = append(before, place)
	}
	changed := maps.Clone(columns)
	changed[packedColumn] = text
	return changed, nil
}

func mark(text, sign, words string, place int) string {
	rest := text
	for range place {
		i := strings.IndexFunc(rest, unicode.IsSpace)
		if i <= 0 {
			return text
		}
		_, size := utf8.DecodeRuneInString(rest[i:])
		rest = rest[i+size:]
	}
	// The words are a pattern to the authors: a full stop in them is any character.
	pattern, err := regexp.Compile(`^(?:` + words + `)`)
	if err != nil {
		pattern = regexp.MustCompile(`^` + regexp.QuoteMeta(words))
	}
	found := pattern.FindString(rest)
	if found == "" {
		return text
	}
	return text[:len(text)-len(rest)] + sign + " " + found + " " + sign + rest[len(found):]
}
