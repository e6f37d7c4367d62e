package data

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// commaRows reads a csv file's records, which may run over several lines. As in Python's csv a quote
// is a character like any other but at the start of a cell, which it opens; inside such a cell it is
// doubled.
type commaRows struct {
	text         *bufio.Reader
	comma        byte
	blanks       bool     // a quoted cell may have blanks in front
	line, column int      // of the byte read last
	left         int      // bytes that the record may still have
	opened       []string // the cells of the record that a quote opened
}

// newTableRows reads a table's rows in the dialect that its beginning shows. A first line such as sep=; is how
// Excel is told the separator, and is no row.
func newTableRows(format Format, text *bufio.Reader) tableRows {
	head, _ := text.Peek(text.Buffered())
	line := 1
	first, rest, _ := bytes.Cut(head, []byte{'\n'})
	said, ok := bytes.CutPrefix(bytes.TrimRight(first, "\r"), []byte("sep="))
	if ok = ok && format == CSV && len(said) == 1; ok {
		text.Discard(len(head) - len(rest))
		head, line = rest, 2
	}
	d := dialectOf(format, head)
	switch {
	case ok:
		d = dialect{separator: said[0], quotes: true}
	case d.separator == '\t' && !d.quotes:
		return &tabRows{newLines(text)}
	}
	return &commaRows{text: text, comma: d.separator, blanks: d.blanks, line: line}
}

func (c *commaRows) next() (int, []string, error) {
	blank := 0 // the first of a run of blank lines
	for {
		line := c.line
		cells, err := c.record()
		switch {
		case err == nil && len(cells) == 1 && cells[0] == "":
			if blank == 0 {
				blank = line
			}
			continue
		case err == nil && blank > 0:
			return blank, nil, errBlank
		}
		return line, cells, err
	}
}

// record reads cells up to the end of a line that no quote has open.
func (c *commaRows) record() (cells []string, err error) {
	if _, err := c.text.Peek(1); err != nil {
		return nil, err
	}
	c.left, c.opened = maxRow, c.opened[:0]
	for end := c.comma; end == c.comma; {
		var cell []byte
		if cell, end, err = c.cell(); err != nil {
			return nil, err
		}
		if !utf8.Valid(cell) {
			return nil, errNotUTF8
		}
		cells = append(cells, string(cell))
	}
	return cells, nil
}

// cell reads a cell and the separator or line feed behind it, which the end of the text counts as.
func (c *commaRows) cell() (cell []byte, end byte, err error) {
	b, err := c.read()
	for c.blanks && err == nil && b == ' ' && c.quoteAhead() {
		b, err = c.read()
	}
	if err == nil && b == '"' {
		if cell, err = c.quoted(); err != nil {
			return nil, 0, err
		}
		c.opened = append(c.opened, string(cell))
		if b, err = c.read(); b == '\r' {
			b, err = c.read()
		}
		if err == nil && b != c.comma && b != '\n' {
			return nil, 0, c.failed("the cell goes on behind the quote that closes it: double a quote that is part of a cell")
		}
	}
	for err == nil && b != c.comma && b != '\n' {
		cell = append(cell, b)
		b, err = c.read()
	}
	if err == io.EOF {
		b, err = '\n', nil
	}
	if b == '\n' {
		cell = bytes.TrimSuffix(cell, []byte{'\r'})
	}
	return cell, b, err
}

// quoteAhead says whether a quote is next, or behind blanks.
func (c *commaRows) quoteAhead() bool {
	for n := 1; ; n++ {
		next, err := c.text.Peek(n)
		if err != nil || next[n-1] != ' ' {
			return err == nil && next[n-1] == '"'
		}
	}
}

// quoted reads the rest of a cell whose opening quote has been read, and the closing one.
func (c *commaRows) quoted() (cell []byte, err error) {
	unclosed := c.failed("the quote that opens the cell here never closes: double a quote that is part of a cell")
	for {
		b, err := c.read()
		switch {
		case err == io.EOF:
			return nil, unclosed
		case err != nil:
			return nil, err
		case b == '\n':
			cell = bytes.TrimSuffix(cell, []byte{'\r'})
		case b == '"':
			if next, _ := c.text.Peek(1); string(next) != `"` {
				return cell, nil
			}
			c.read()
		}
		cell = append(cell, b)
	}
}

// read gives a byte and counts it.
func (c *commaRows) read() (byte, error) {
	if c.left == 0 {
		return 0, errTooLong
	}
	b, err := c.text.ReadByte()
	if err != nil {
		return 0, err
	}
	c.left--
	c.line, c.column = advance(c.line, c.column, b)
	return b, nil
}

// failed is an error at the byte read last.
func (c *commaRows) failed(text string) error { return &placed{c.line, c.column, errors.New(text)} }
