package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/text"
)

// Unwritable is which of a data set's targets a tokenizer cannot write: a model never answers with them, only
// with what the tokenizer makes of them.
type Unwritable struct {
	Rows, Of   int
	Characters []rune // that are lost on the way, in the order they came up
	Target     string // the first of those targets,
	Read       string // and what the tokenizer makes of it
}

// FindUnwritable tokenizes all targets, each text once, and reads them back.
func FindUnwritable(rows *Dataset, tok *text.Tokenizer) Unwritable {
	u := Unwritable{Of: rows.Len()}
	known := map[string]bool{}
	for i := range u.Of {
		target := rows.Row(i).Target
		differs, seen := known[target]
		if !seen {
			var gone []rune
			differs, gone = tok.Unwritable(target)
			known[target] = differs
			for _, r := range gone {
				if !slices.Contains(u.Characters, r) {
					u.Characters = append(u.Characters, r)
				}
			}
		}
		if !differs {
			continue
		}
		if u.Rows++; u.Rows == 1 {
			u.Target, u.Read = target, tok.Decode(tok.Encode(target))
		}
	}
	return u
}

// most characters and bytes of a text that a sentence shows
const (
	shownCharacters = 12
	shownText       = 60
)

// String is a sentence about them, "" where there are none.
func (u Unwritable) String() string {
	if u.Rows == 0 {
		return ""
	}
	var shown []string
	for _, r := range u.Characters[:min(len(u.Characters), shownCharacters)] {
		quoted := strconv.QuoteRune(r)
		if r != ' ' {
			quoted = quoted[1 : len(quoted)-1]
		}
		shown = append(shown, quoted)
	}
	if more := len(u.Characters) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d of %d targets cannot be written by this tokenizer: %s; %s is learned and scored as %s",
		u.Rows, u.Of, strings.Join(shown, ", "), short(u.Target), short(u.Read))
}

// short quotes the beginning of a text, without the white space at its ends, which no score counts.
func short(text string) string {
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > shownText {
		text = string(runes[:shownText-1]) + "…"
	}
	return strconv.Quote(text)
}
