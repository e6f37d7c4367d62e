package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testHead = `---
lang: de
title: Ein Titel
description: Wovon es handelt
words:
  lesson: Rate
  closing: </script>
---
`

// An article is its text with numbers, figures and exercises filled in; what is missing stops
// the build, and says what.
func TestReadArticle(t *testing.T) {
	var numbers any
	require.NoError(t, json.Unmarshal([]byte(`{"a": {"b-c": 1476608, "d": 0.5}, "s": "llvmpipe"}`), &numbers))
	stills := func(words []byte) (map[string]still, error) {
		assert.NotContains(t, string(words), "</script>", "it would end the page's own")
		return map[string]still{"path": {Picture: "<svg></svg>", Source: "recorded & kept"}}, nil
	}
	page, err := readArticle([]byte(testHead+`
# Head

There are {{number "a.b-c" "%.0f"}} and {{number "a.d" "%.2f"}}, on {{number "s" "%s"}}.

{{figure "path" `+"`A *caption* of {{number \"a.d\" \"%.1f\"}}`"+`}}

{{lesson "one" `+"`What of *r*?\n- this\n- **that**\n---\nIt is {{number \"a.d\" \"%.1f\"}}.`"+`}}
`), numbers, stills)
	require.NoError(t, err)
	assert.Equal(t, "de", page.Lang)
	body := string(page.Body)
	for _, want := range []string{
		`<h1 id="head">Head</h1>`, "There are 1,476,608 and 0.50, on llvmpipe.",
		`data-figure="path"><div class="picture"><svg></svg></div><figcaption>A <em>caption</em> of 0.5 <span class="source">recorded &amp; kept</span></figcaption>`,
		`data-lesson="one"><h3>Rate</h3><fieldset><legend>What of <em>r</em>?</legend>`, `value="1"> <strong>that</strong></label>`, "<p>It is 0.5.</p></details>",
	} {
		assert.Contains(t, body, want)
	}

	for source, message := range map[string]string{
		"no head":                                                "there is no head",
		"---\nlang: en\nnope: 1\n---\ntext":                      "nope",
		testHead + `{{number "a.x" "%.0f"}}`:                     "numbers.json has no a.x: there is no x",
		testHead + `{{number "a" "%.0f"}}`:                       "more than one number at a",
		testHead + `{{figure "other" ""}}`:                       "there is no figure other",
		testHead + `{{lesson "two" "no choices"}}`:               "lesson two: write a question",
		testHead + "{{figure \"path\" `{{number \"x\" \"\"}}`}}": "numbers.json has no x",
	} {
		_, err := readArticle([]byte(source), numbers, stills)
		assert.ErrorContains(t, err, message)
	}
}

// Every article has the words of the first one, asks for numbers that there are, and names no
// number of a run by hand: a percentage is always one of numbers.json.
func TestArticles(t *testing.T) {
	t.Chdir("../..") // where make web runs
	numbers, err := readNumbers(filepath.Join(articles, "numbers.json"))
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(articles, "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var words []string
	for _, file := range append([]string{filepath.Join(articles, "en.md")}, files...) {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		figures := map[string]still{}
		for _, name := range regexp.MustCompile(`\{\{figure "([a-z]+)"`).FindAllStringSubmatch(string(source), -1) {
			figures[name[1]] = still{}
		}
		page, err := readArticle(source, numbers, func([]byte) (map[string]still, error) { return figures, nil })
		require.NoError(t, err, file)
		var names []string
		for name := range page.Words {
			names = append(names, name)
		}
		if words == nil {
			words = names
		}
		assert.ElementsMatch(t, words, names, file)
		_, text, _ := strings.Cut(string(source), "\n---\n")
		assert.Empty(t, regexp.MustCompile(`[0-9.]+ ?%`).FindAllString(regexp.MustCompile(`\{\{number [^}]*\}\}`).ReplaceAllString(text, "N"), -1), file)
	}
}
