package tasks

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPadPunctuation(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"Who is it?":               "Who is it ? ",
		"\"Go\", he said.":         " \" Go \" , he said . ",
		"a_b  c\t\nd":              "a_b c d",
		"café cafe\u0301 ½ ٣ 中":    "café cafe\u0301 ½ ٣ 中",
		"5€—a\u00a0b":              "5 € — a b",
		"...":                      " . . . ",
		" lead, trail ":            " lead , trail ",
		"zero\u200bwidth (format)": "zero \u200b width ( format ) ",
	} {
		require.Equal(t, want, padPunctuation(text))
	}
}

func TestMarks(t *testing.T) {
	for _, tc := range []struct{ text, noun, nounAt, pronoun, pronounAt, want string }{
		{"Ann said she won .", "Ann", "0", "she", "2", "* Ann * said # she # won ."},
		{"It fell as Tom ran .", "Tom", "3", "It", "0", "# It # fell as * Tom * ran ."},
		{"Mr. Lee saw him.", "Mr. Lee", "0", "him", "3", "* Mr. Lee * saw # him #."},
		{"the plan: it works", "the plan", "0", "it", "2", "* the plan *: # it # works"},
		{"Ann  saw her", "Ann", "0", "her", "2", "* Ann *  saw her"}, // two blanks: no word stands before the second
		{"Ann saw her", "Eve", "0", "her", "2", "Ann saw her"},       // the place counts signs that are not there
		{"a b (c d", "(c", "2", "a", "0", "# a # b * (c * d"},        // no pattern
		{"U.S. and UxSx it", "U.S.", "2", "it", "3", "U.S. and * UxSx * # it #"},
	} {
		got, err := marked(map[string]string{"text": tc.text, "n": tc.noun, "i": tc.nounAt, "p": tc.pronoun, "j": tc.pronounAt},
			[]Mark{{"*", "n", "i"}, {"#", "p", "j"}})
		require.NoError(t, err)
		require.Equal(t, tc.want, got["text"])
	}
	for _, place := range []string{"", "-1", "one", "99999999999999999999"} {
		_, err := marked(map[string]string{"text": "a", "n": "a", "i": place}, []Mark{{"*", "n", "i"}})
		require.ErrorContains(t, err, "must be the number of a word, from 0")
	}
	got, err := marked(map[string]string{"text": "a", "n": "a", "i": "1000000000"}, []Mark{{"*", "n", "i"}})
	require.NoError(t, err)
	require.Equal(t, "a", got["text"])
}

func TestNumberTarget(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0.0", "5.000": "5.0", "3.8": "3.8", "2.5": "2.5", "4.75": "4.8", "0.25": "0.2", "1.15": "1.1", "0.850": "0.9", " 2.449 ": "2.4", "-0": "0.0", "1e-3": "0.0",
	} {
		got, err := NumberTarget(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "five", "-0.1", "5.01", "NaN", "Inf", "0x1p1z"} {
		_, err := NumberTarget(text)
		require.ErrorContains(t, err, "is no number from 0 to 5", text)
	}
}

func TestWithoutMarkup(t *testing.T) {
	require.Equal(t, "a b c <i>d</i>", withoutMarkup("<b>a</b><br>b <b>c</b> <i>d</i>"))
}
