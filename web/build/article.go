package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	text "text/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"go.yaml.in/yaml/v3"
)

// The article is written in web/article, a file for each language: en.md becomes
// index.html and any other LANGUAGE.md LANGUAGE.html. Such a file is Markdown behind a
// head in YAML, with three functions of its own:
//
//	{{number "group.name" "%.1f"}}  a number of numbers.json
//	{{figure "name" `caption`}}     a figure, drawn by web/src/figures
//	{{lesson "name" `text`}}        an exercise: a question, its choices as a list, and
//	                                behind a line of --- what the run showed
//
// Whatever is missing, a number or a figure, stops the build.
const articles = "web/article"

// head is what an article says before its text.
type head struct {
	Lang        string            `yaml:"lang"`
	Title       string            `yaml:"title"`
	Description string            `yaml:"description"`
	Words       map[string]string `yaml:"words"` // of figures and exercises, by their names in web/src
}

// article is what article.html is filled with.
type article struct {
	head
	JSON template.JS // the words
	Body template.HTML
}

// writeArticles writes the article in each language to a folder.
func writeArticles(dist string) error {
	numbers, err := readNumbers(filepath.Join(articles, "numbers.json"))
	if err != nil {
		return err
	}
	frame, err := template.ParseFiles("web/src/article.html")
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(articles, "*.md"))
	if err != nil {
		return err
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		page, err := readArticle(source, numbers, stills)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		var out bytes.Buffer
		if err := frame.Execute(&out, page); err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".md") + ".html"
		if name == "en.html" {
			name = "index.html"
		}
		if err := write(filepath.Join(dist, name), out.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// still is a figure before anything moves.
type still struct {
	Picture string `json:"picture"` // HTML
	Source  string `json:"source"`  // a sentence on where it comes from
}

// stills draws every figure as it is before anything moves, with the words of a language: by its
// name. The page's own code draws them, run by Node.js.
func stills(words []byte) (map[string]still, error) {
	script := filepath.Join("node_modules", ".cache", "stills.mjs")
	if err := run("web", nil, "npm", "run", "--silent", "stills", "--", "--outfile="+script); err != nil {
		return nil, err
	}
	node := exec.Command("node", script)
	node.Dir, node.Stdin, node.Stderr = "web", bytes.NewReader(words), os.Stderr
	out, err := node.Output()
	if err != nil {
		return nil, fmt.Errorf("draw the figures: %w", err)
	}
	var drawn map[string]still
	if err := json.Unmarshal(out, &drawn); err != nil {
		return nil, fmt.Errorf("draw the figures: %w", err)
	}
	return drawn, nil
}

// readArticle reads the text of an article.
func readArticle(source []byte, numbers any, stills func(words []byte) (map[string]still, error)) (page article, err error) {
	front, body, ok := bytes.Cut(bytes.TrimPrefix(source, []byte("---\n")), []byte("\n---\n"))
	if !ok {
		return page, errors.New("there is no head: begin with a line of ---, some YAML, and another line of ---")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(front))
	decoder.KnownFields(true)
	if err := decoder.Decode(&page.head); err != nil {
		return page, fmt.Errorf("the head: %w", err)
	}
	words, err := json.Marshal(page.Words) // escapes <, so that no word ends the script that holds it
	if err != nil {
		return page, err
	}
	page.JSON = template.JS(words)
	drawn, err := stills(words)
	if err != nil {
		return page, err
	}
	markdown := goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.DefinitionList),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(html.WithUnsafe()), // figures and formulas
	)
	toHTML := func(source string) (string, error) {
		var out bytes.Buffer
		err := markdown.Convert([]byte(source), &out)
		return strings.TrimSpace(out.String()), err
	}
	inline := func(source string) (string, error) {
		out, err := toHTML(source)
		return strings.TrimSuffix(strings.TrimPrefix(out, "<p>"), "</p>"), err
	}
	var fill func(source string) (string, error) // whose functions fill what they are given
	var kept []string                            // HTML that Markdown would take apart, by the number of its mark
	keep := func(html string) string {
		kept = append(kept, html)
		return fmt.Sprintf("\n\n<!--%d-->\n\n", len(kept)-1)
	}
	functions := text.FuncMap{
		"number": func(path, format string) (string, error) { return number(numbers, path, format) },
		"figure": func(name, caption string) (string, error) {
			still, ok := drawn[name]
			if !ok {
				return "", fmt.Errorf("there is no figure %s in web/src/figures", name)
			}
			caption, err := fill(caption)
			if err != nil {
				return "", err
			}
			caption, err = inline(caption)
			return keep(fmt.Sprintf(`<figure id="figure-%[1]s" data-figure="%[1]s"><div class="picture">%[2]s</div><figcaption>%[3]s <span class="source">%[4]s</span></figcaption></figure>`,
				name, still.Picture, caption, template.HTMLEscapeString(still.Source))), err
		},
		"lesson": func(name, source string) (string, error) {
			source, err := fill(source)
			if err != nil {
				return "", err
			}
			html, err := lesson(name, source, page.Words, toHTML, inline)
			return keep(html), err
		},
	}
	fill = func(source string) (string, error) {
		t, err := text.New("article").Funcs(functions).Parse(source)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = t.Execute(&out, nil)
		return out.String(), err
	}
	filled, err := fill(string(body))
	if err != nil {
		return page, err
	}
	out, err := toHTML(filled)
	for i, html := range kept {
		out = strings.Replace(out, fmt.Sprintf("<!--%d-->", i), html, 1)
	}
	page.Body = template.HTML(out)
	return page, err
}

// lesson is an exercise as HTML. Its source is a question, a list of choices, a line of --- and
// what the run showed.
func lesson(name, source string, words map[string]string, block, inline func(string) (string, error)) (string, error) {
	before, showed, ok := strings.Cut(source, "\n---\n")
	question, list, found := strings.Cut(strings.TrimSpace(before), "\n- ")
	if !ok || !found {
		return "", fmt.Errorf("lesson %s: write a question, a list of choices, a line of --- and what the run showed", name)
	}
	var choices strings.Builder
	for i, choice := range strings.Split(list, "\n- ") {
		choice, err := inline(choice)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&choices, `<label><input type="radio" name="%s" value="%d"> %s</label>`, name, i, choice)
	}
	asked, err := inline(question)
	if err != nil {
		return "", err
	}
	answer, err := block(showed)
	return fmt.Sprintf(`<section class="lesson" id="lesson-%[1]s" data-lesson="%[1]s"><h3>%[2]s</h3><fieldset><legend>%[3]s</legend>%[4]s</fieldset>`+
		`<p class="acts"><button type="button" class="go" hidden>%[5]s</button> <a class="open" href="workshop.html">%[6]s</a> <button type="button" class="copy" hidden>%[7]s</button></p>`+
		`<p class="outcome" role="status"></p><details><summary>%[8]s</summary>%[9]s</details></section>`,
		name, words["lesson"], asked, choices.String(), words["lesson-run"], words["lesson-open"], words["lesson-copy"], words["lesson-showed"], answer), err
}

// readNumbers reads what the engine has measured.
func readNumbers(path string) (numbers any, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(content, &numbers); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return numbers, nil
}

// number is a number by its path, names with dots between.
func number(numbers any, path, format string) (string, error) {
	at := numbers
	for _, name := range strings.Split(path, ".") {
		group, ok := at.(map[string]any)
		if !ok || group[name] == nil {
			return "", fmt.Errorf("numbers.json has no %s: there is no %s", path, name)
		}
		at = group[name]
	}
	switch x := at.(type) {
	case string:
		return x, nil
	case float64:
		return grouped(fmt.Sprintf(format, x)), nil
	}
	return "", fmt.Errorf("numbers.json has more than one number at %s", path)
}

// grouped puts commas between a number's thousands.
func grouped(s string) string {
	whole, rest, _ := strings.Cut(s, ".")
	if rest != "" {
		rest = "." + rest
	}
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return whole + rest
}
