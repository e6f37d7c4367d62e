package data

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
)

// dialect is how the rows of a table are cut into cells.
type dialect struct {
	separator byte
	quotes    bool // a quote at the start of a cell opens it
	blanks    bool // a quoted cell may have blanks in front
}

// sniffed is how much of a table's beginning shows its dialect.
const sniffed = 64 << 10

// separators are what stands between the cells of a csv file, the likeliest first.
var separators = []byte{'\t', ',', ';', '|'}

// dialectOf finds the dialect of a table by its beginning. The separator of a csv file is the first under which
// all rows have as many cells, at least two, or else the first that the first line has outside of quotes.
func dialectOf(format Format, head []byte) dialect {
	head = head[:min(len(head), sniffed)]
	if format == TSV {
		return dialect{separator: '\t', quotes: tabsQuoted(head)}
	}
	first, _, _ := bytes.Cut(head, []byte{'\n'})
	for _, separator := range separators {
		if !bytes.Contains(first, []byte{separator}) || separator == first[0] && separator == '|' { // Markdown's
			continue
		}
		if separator == '\t' && (rawTabs(head) > 0 || tabsQuoted(head)) {
			return dialect{separator: '\t', quotes: tabsQuoted(head)}
		}
		d := dialect{separator: separator, quotes: true, blanks: bytes.Contains(first, []byte{separator, ' ', '"'})}
		if rows, _, ok := sample(head, d); ok && len(rows[0]) > 1 {
			return d
		}
	}
	bare := outsideQuotes(first)
	for _, separator := range []byte{',', ';', '\t'} {
		if bytes.Contains(bare, []byte{separator}) {
			return dialect{separator: separator, quotes: separator != '\t'}
		}
	}
	return dialect{separator: ',', quotes: true}
}

// tabsQuoted says whether cells between tabs are quoted as in a csv file: pandas and spreadsheets write those so
// that hold a tab, a line's end, a quote or a comma, while others write quotes as they are. It takes the reading
// under which all rows have as many cells, and where both do, wants to see a quote or comma that explains the
// quotes, or a header that is quoted whole.
func tabsQuoted(head []byte) bool {
	rows, quoted, ok := sample(head, dialect{separator: '\t', quotes: true})
	if !ok || len(rows[0]) < 2 {
		return false
	}
	raw := rawTabs(head)
	if raw == 0 {
		return true
	}
	if raw != len(rows) {
		return false
	}
	return len(quoted[0]) == len(rows[0]) || slices.ContainsFunc(quoted, func(cells []string) bool {
		return slices.ContainsFunc(cells, func(cell string) bool { return strings.ContainsAny(cell, `",`) })
	})
}

// rawTabs is how many lines a beginning has, where all have as many tabs, at least one; else 0.
func rawTabs(head []byte) int {
	lines := bytes.Split(bytes.TrimRight(head, " \r\n"), []byte{'\n'})
	if len(head) == sniffed && len(lines) > 1 {
		lines = lines[:len(lines)-1] // which may go on
	}
	tabs := bytes.Count(lines[0], []byte{'\t'})
	for _, line := range lines {
		if bytes.Count(line, []byte{'\t'}) != tabs {
			return 0
		}
	}
	if tabs == 0 {
		return 0
	}
	return len(lines)
}

// sample reads a beginning as csv rows, but for one that may go on behind it, and gives those cells of each, too,
// that a quote opened. It is ok where there are rows, of as many cells each.
func sample(head []byte, d dialect) (rows, quoted [][]string, ok bool) {
	c := &commaRows{text: bufio.NewReader(bytes.NewReader(head)), comma: d.separator, blanks: d.blanks, line: 1}
	for {
		cells, err := c.record()
		_, end := c.text.Peek(1)
		switch {
		case len(head) == sniffed && end != nil: // it may go on
			return rows, quoted, len(rows) > 0
		case err != nil:
			return rows, quoted, err == io.EOF && len(rows) > 0
		case len(cells) == 1 && cells[0] == "":
			continue
		case rows != nil && len(cells) != len(rows[0]):
			return rows, quoted, false
		}
		rows, quoted = append(rows, cells), append(quoted, slices.Clone(c.opened))
	}
}

// outsideQuotes is a line without what stands in quotes.
func outsideQuotes(line []byte) (bare []byte) {
	quoted := false
	for _, b := range line {
		if b == '"' {
			quoted = !quoted
		} else if !quoted {
			bare = append(bare, b)
		}
	}
	return bare
}
