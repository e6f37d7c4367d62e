package data

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Columns that are recognised where neither a task nor the caller names them, the first that
// is there first.
var (
	sourceColumns = []string{"source", "text", "sentence"}
	targetColumns = []string{"target", "label"}
)

func (o *Options) sources() []string {
	if o.SourceColumn != "" {
		return []string{o.SourceColumn}
	}
	return sourceColumns
}

func (o *Options) targets() []string {
	if o.TargetColumn != "" {
		return []string{o.TargetColumn}
	}
	return targetColumns
}

// row makes a row, all but its line, of the columns of a record.
func (o *Options) row(cells map[string]string) (Row, error) {
	if o.Task != nil {
		return o.taskRow(cells)
	}
	source, ok := firstOf(cells, o.sources())
	if !ok {
		return Row{}, fmt.Errorf("no column %s for the source (columns: %s)", alternatives(o.sources()), columnsOf(cells))
	}
	target, ok := firstOf(cells, o.targets())
	if o.NeedTarget && !ok {
		return Row{}, fmt.Errorf("no column %s for the target (columns: %s)", alternatives(o.targets()), columnsOf(cells))
	}
	if o.NeedTarget && strings.TrimSpace(target) == "" {
		return Row{}, errors.New("the target is empty")
	}
	return Row{Source: source, Target: target}, nil
}

func (o *Options) taskRow(cells map[string]string) (Row, error) {
	layout := o.Task.Layout(cells)
	if layout == nil {
		return Row{}, o.noLayout(slices.Sorted(maps.Keys(cells)))
	}
	source, err := layout.Text(cells)
	if err != nil {
		return Row{}, err
	}
	label, ok := cells[layout.Target]
	target, legal := o.Task.TargetOf(layout, label)
	if o.NeedTarget && !ok {
		return Row{}, fmt.Errorf("no column %q for the target of task %s (columns: %s)", layout.Target, o.Task.Name, columnsOf(cells))
	}
	if o.NeedTarget && !legal {
		return Row{}, fmt.Errorf("%s %.40q is no label of task %s: it has %s", layout.Target, label, o.Task.Name, o.Task.Spellings(layout))
	}
	return Row{Source: source, Target: target}, nil
}

// noLayout is the error for a file or row with none of the task's layouts.
func (o *Options) noLayout(columns []string) error {
	var known []string
	for i := range o.Task.Layouts {
		known = append(known, strings.Join(o.Task.Layouts[i].Columns(), ", "))
	}
	return fmt.Errorf("the columns of task %s are missing: %s (columns: %s)", o.Task.Name, strings.Join(known, "; or "), columnList(columns))
}

// header gives the names of a table's columns and whether its first line holds them.
func (o *Options) header(first []string) (names []string, inFile bool, err error) {
	named := make(map[string]string, len(first))
	for _, name := range first {
		named[name] = ""
	}
	if o.Task == nil {
		// A wrong header is an error at once, and at its own line.
		if _, ok := firstOf(named, o.sources()); !ok {
			if o.Header != nil {
				return o.Header, false, nil
			}
			return nil, true, fmt.Errorf("no column %s for the source (columns: %s)", alternatives(o.sources()), columnList(first))
		}
		return first, true, nil
	}
	if o.Task.Layout(named) != nil {
		return first, true, nil
	}
	for i := range o.Task.Layouts {
		if header := o.Task.Layouts[i].Header; header != nil && len(header) == len(first) {
			return header, false, nil
		}
	}
	return nil, true, o.noLayout(first)
}

// onlyColumn is the column of a source that is one text.
func (o *Options) onlyColumn() (string, error) {
	if o.Task == nil {
		return o.sources()[0], nil
	}
	columns := o.Task.Layouts[0].Columns()
	if len(columns) != 1 {
		return "", fmt.Errorf("a row of task %s is %d texts (%s), a line of plain text is one: take .jsonl, .tsv or .csv", o.Task.Name, len(columns), strings.Join(columns, ", "))
	}
	return columns[0], nil
}

func firstOf(cells map[string]string, names []string) (text string, ok bool) {
	for _, name := range names {
		if text, ok = cells[name]; ok {
			return text, true
		}
	}
	return "", false
}

func alternatives(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(quoted, " or ")
}

// columnList is the names of columns for an error message, which a file that is no table must
// not make a long one.
func columnList(names []string) string {
	const most, longest = 20, 40
	if len(names) == 0 {
		return "none"
	}
	var list strings.Builder
	for i, name := range names[:min(len(names), most)] {
		if i > 0 {
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "%.*s", longest, name)
	}
	if len(names) > most {
		fmt.Fprintf(&list, " and %d more", len(names)-most)
	}
	return list.String()
}

// columnsOf are the names of a record's columns.
func columnsOf(cells map[string]string) string { return columnList(slices.Sorted(maps.Keys(cells))) }
