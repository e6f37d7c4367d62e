package tasks

import "strings"

// Template is text with column names in braces, "question: {question} sentence: {sentence}".
// A brace stands for nothing else in it.
type Template string

// next splits the template at its first column: the text before it, the column's name and the
// rest. The last piece has no column.
func (t Template) next() (text, column string, rest Template) {
	text, after, _ := strings.Cut(string(t), "{")
	column, remainder, _ := strings.Cut(after, "}")
	return text, column, Template(remainder)
}

// Columns lists the columns that the template names, in order.
func (t Template) Columns() []string {
	var columns []string
	for rest := t; rest != ""; {
		var column string
		if _, column, rest = rest.next(); column != "" {
			columns = append(columns, column)
		}
	}
	return columns
}

// Fill puts each column's text in its place.
func (t Template) Fill(cells map[string]string) string {
	var filled strings.Builder
	for rest := t; rest != ""; {
		var text, column string
		text, column, rest = rest.next()
		filled.WriteString(text)
		if column != "" {
			filled.WriteString(cells[column])
		}
	}
	return filled.String()
}

// Match is Fill the other way round: it takes the columns out of a text that has the
// template's form, each as short as it can be, and reports whether the text has it.
func (t Template) Match(filled string) (cells map[string]string, ok bool) {
	cells = map[string]string{}
	text, column, rest := t.next()
	filled, ok = strings.CutPrefix(filled, text)
	for ok && column != "" {
		name := column
		text, column, rest = rest.next()
		if text == "" && column == "" { // the last column takes what is left
			cells[name], filled = filled, ""
			break
		}
		cells[name], filled, ok = strings.Cut(filled, text)
	}
	return cells, ok && filled == ""
}

// closed says whether every brace of the template has its other one, with a name between.
func (t Template) closed() bool {
	for rest := string(t); ; {
		text, after, open := strings.Cut(rest, "{")
		name, behind, shut := strings.Cut(after, "}")
		if strings.Contains(text, "}") || open != shut || strings.Contains(name, "{") || open && name == "" {
			return false
		}
		if !open {
			return true
		}
		rest = behind
	}
}
