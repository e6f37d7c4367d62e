package metrics

import (
	"strings"
	"unicode"
)

// squad is the mean over the rows of the best score of an output against its right answers.
func (a *Answers) squad(score func(output, reference []string) float64, references [][]string) float64 {
	var sum float64
	for i, output := range a.Outputs {
		words, best := squadWords(output), 0.
		for _, reference := range references[i] {
			best = max(best, score(words, squadWords(reference)))
		}
		sum += best
	}
	return sum / float64(len(a.Outputs))
}

const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" // ASCII's, as Python has it

// squadWords are the words of a text that SQuAD compares: in small letters, without ASCII punctuation
// and without the articles.
func squadWords(text string) []string {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(punctuation, r) {
			return -1
		}
		return r
	}, strings.ToLower(text))
	var words []string
	for _, word := range strings.Fields(text) {
		words = append(words, strings.Fields(withoutArticles(word))...)
	}
	return words
}

// withoutArticles puts a blank in the place of each article, which letters and digits alone join to what
// stands beside it: not a dash that ASCII does not have.
func withoutArticles(text string) string {
	joins := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	var left strings.Builder
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return !joins(r) })
		if end < 0 {
			end = len(text)
		}
		switch word := text[:end]; word {
		case "a", "an", "the":
			left.WriteByte(' ')
		default:
			left.WriteString(word)
		}
		next := strings.IndexFunc(text[end:], joins)
		if next < 0 {
			next = len(text) - end
		}
		left.WriteString(text[end : end+next])
		text = text[end+next:]
	}
	return left.String()
}

func squadExact(output, reference []string) float64 {
	if strings.Join(output, " ") == strings.Join(reference, " ") {
		return 1
	}
	return 0
}

// squadF1 is targetF1, but 1 where both texts have no words, as SQuAD 2.0's own program and torchmetrics have it.
func squadF1(output, reference []string) float64 {
	if len(output)+len(reference) == 0 {
		return 1
	}
	return targetF1(output, reference)
}

// targetF1 is 2·common / (words of the output + words of the reference), 0 where no word is common.
func targetF1(output, reference []string) float64 {
	left := map[string]int{}
	for _, word := range reference {
		left[word]++
	}
	common := 0
	for _, word := range output {
		if left[word] > 0 {
			left[word]--
			common++
		}
	}
	if common == 0 {
		return 0
	}
	return 2 * float64(common) / float64(len(output)+len(reference))
}
