package data

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/tasks"
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
func (o *Options) row(r record) (Row, error) {
	if o.Task != nil {
		return o.taskRow(r)
	}
	source, ok := firstOf(r.cells, o.sources())
	if !ok {
		return Row{}, o.missing("source", o.sources(), r, slices.Sorted(maps.Keys(r.cells)))
	}
	target, ok := firstOf(r.cells, o.targets())
	if o.NeedTarget && !ok {
		return Row{}, o.missing("target", o.targets(), r, slices.Sorted(maps.Keys(r.cells)))
	}
	if o.NeedTarget && strings.TrimSpace(target) == "" {
		return Row{}, errors.New("the target is empty: a row to learn from has one, so write it or take the row out")
	}
	return Row{Source: source, Target: target}, nil
}

func (o *Options) taskRow(r record) (Row, error) {
	cells := respell(r.cells, o.taskColumns())
	layout := o.Task.Layout(func(column string) bool {
		_, ok := cells[column]
		return ok || r.lists[column] != nil
	})
	if layout == nil {
		for i := range o.Task.Layouts {
			if err := noText(o.Task.Layouts[i].Columns(), r); err != nil {
				return Row{}, err
			}
		}
		return Row{}, o.noLayout(slices.Sorted(maps.Keys(cells)))
	}
	if part, ok := cells[layout.Part]; ok && layout.Part != "" && !o.Task.Is(part) {
		return Row{}, errOther
	}
	if err := noText(layout.Columns(), record{cells: cells, other: r.other}); err != nil {
		return Row{}, err
	}
	source, err := o.Task.Source(layout, cells)
	if err != nil {
		return Row{}, err
	}
	row := Row{Source: source, Group: layout.Group.Fill(cells)}
	err = o.answer(&row, layout, cells, r)
	if err != nil && !o.NeedTarget {
		row.Target, row.Answers, err = "", nil, nil
	}
	return row, err
}

// errOther is a row of another data set.
var errOther = errors.New("the row is of another data set")

// answer gives a row its target and answers.
func (o *Options) answer(row *Row, l *tasks.Layout, cells map[string]string, r record) error {
	label, ok := cells[l.Target]
	if list := r.lists[l.Target]; list != nil && o.Task.Answer == tasks.Text {
		return o.freeText(row, l.Target, texts(list))
	}
	if !ok {
		if err := noText([]string{l.Target}, r); err != nil {
			return err
		}
		return fmt.Errorf("no column %q for the target of task %s (columns: %s): a test file is published without", l.Target, o.Task.Name, columnsOf(r.cells))
	}
	if o.Task.Answer != tasks.Text && tasks.Hidden(label) {
		return fmt.Errorf("%s is hidden (%.40q), as in test files: there is nothing to learn from it or to score by", l.Target, label)
	}
	switch o.Task.Answer {
	case tasks.Text:
		return o.freeText(row, l.Target, []string{label})
	case tasks.Number:
		target, err := tasks.NumberTarget(label)
		if err != nil {
			return fmt.Errorf("%s %w", l.Target, err)
		}
		row.Target, row.Answers = target, []string{strings.TrimSpace(label)}
		return nil
	}
	if row.Target, ok = o.Task.TargetOf(l, label); !ok {
		return fmt.Errorf("%s %.40q is no label of task %s: it has %s", l.Target, label, o.Task.Name, o.Task.Spellings(l))
	}
	return nil
}

// freeText gives a row answers, of which the first is the target.
func (o *Options) freeText(row *Row, column string, answers []string) error {
	if len(answers) == 0 || strings.TrimSpace(answers[0]) == "" {
		return fmt.Errorf("%s holds no answer: it is hidden, as in test files, or there is none", column)
	}
	row.Answers = slices.Clone(answers)
	for i, answer := range answers {
		if o.Task.Clean != nil {
			row.Answers[i] = o.Task.Clean(answer)
		}
	}
	row.Target = row.Answers[0]
	return nil
}

// taskColumns are the columns that any of the task's layouts takes.
func (o *Options) taskColumns() (names []string) {
	for i := range o.Task.Layouts {
		names = append(append(names, o.Task.Layouts[i].Columns()...), o.Task.Layouts[i].Target)
	}
	return names
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
			err := o.missing("source", o.sources(), record{cells: named}, first)
			if !slices.ContainsFunc(first, isUsual) {
				err = fmt.Errorf("%w; the first line has to name the columns, as text and label", err)
			}
			return nil, true, err
		}
		return first, true, nil
	}
	spelled := respell(named, o.taskColumns())
	if o.Task.Layout(func(column string) bool { _, ok := spelled[column]; return ok }) != nil {
		return first, true, nil
	}
	for i := range o.Task.Layouts {
		if header := o.Task.Layouts[i].Header; header != nil && len(header) == len(first) {
			return header, false, nil
		}
	}
	return nil, true, o.noLayout(first)
}

// line is the form of a line of plain text that has its target in it, where the task knows one and a target is
// needed; else empty.
func (o *Options) line() tasks.Template {
	if o.Task == nil || !o.NeedTarget || o.Task.LineLayout() == nil {
		return ""
	}
	return o.Task.LineLayout().Line
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

// firstOf is the first of the named columns that is there, or else the first that is there in other
// letters, as "Text" is for "text".
func firstOf(cells map[string]string, names []string) (text string, ok bool) {
	for _, cells := range []map[string]string{cells, respell(cells, names)} {
		for _, name := range names {
			if text, ok = cells[name]; ok {
				return text, true
			}
		}
	}
	return "", false
}

// respell is the columns with those of the names that are there in other letters alone.
func respell(cells map[string]string, names []string) map[string]string {
	spelled := cells
	for _, name := range names {
		if _, ok := cells[name]; ok {
			continue
		}
		for _, column := range slices.Sorted(maps.Keys(cells)) {
			if !strings.EqualFold(strings.TrimSpace(column), name) {
				continue
			}
			if len(spelled) == len(cells) {
				spelled = maps.Clone(cells)
			}
			spelled[name] = cells[column]
			break
		}
	}
	return spelled
}

// noText is an error where one of the named columns is there, but is no text.
func noText(names []string, r record) error {
	for _, name := range names {
		switch what := r.other[name]; what {
		case "":
		case aNull:
			return fmt.Errorf("%s is null", name)
		default:
			return fmt.Errorf("%s is %s, not text", name, what)
		}
	}
	return nil
}

// ColumnError is a row without a column that was taken for its source or target, and what the caller
// may take instead.
type ColumnError struct {
	What string // what is wrong
	// Source and Target are columns that may be meant, empty where none suggests itself;
	// Source is "" too where it was not missed.
	Source, Target string
	Role           string // "source" or "target": what was missed
}

func (c *ColumnError) Error() string { return c.What }

// What people and other tools call a source and a target.
var (
	usualSources = []string{
		"prompt", "input", "inputs", "input_text", "instruction", "question", "article", "document", "review", "content",
		"review_text", "reviewtext", "review_body", "sentences", "texts", "reviews", "tweet", "comment", "message", "body", "utterance", "phrase", "headline", "description",
	}
	usualTargets = []string{
		"completion", "output", "outputs", "target_text", "targets", "response", "answer", "highlights", "summary", "labels", "class", "category",
		"sentiment", "stars", "star_rating", "rating", "score", "polarity", "emotion", "intent", "topic", "genre", "tag", "spam", "toxic",
	}
)

// missing is the error for a record, of these columns, in which none of the names is text.
func (o *Options) missing(role string, names []string, r record, columns []string) error {
	e := &ColumnError{Role: role}
	for _, name := range names {
		inner := func(column string) bool { return strings.HasPrefix(column, name+".") }
		if i := slices.IndexFunc(columns, inner); r.other[name] == anObject && i >= 0 {
			e.What = noText(names, r).Error()
			e.suggest(role, columns[i])
			return e
		}
	}
	if err := noText(names, r); err != nil {
		return err
	}
	e.What = fmt.Sprintf("no column %s for the %s (columns: %s)", alternatives(names), role, columnList(columns))
	if others := slices.Sorted(maps.Keys(r.other)); len(columns) == 0 && len(others) > 0 {
		e.What = fmt.Sprintf("no column %s for the %s (%.40s is %s, not text)", alternatives(names), role, others[0], r.other[others[0]])
	}
	usual := map[string][]string{"source": usualSources, "target": usualTargets}
	e.suggest(role, usualOf(columns, usual[role]))
	if _, ok := firstOf(r.cells, o.targets()); role == "source" && !ok && o.NeedTarget && e.Source != "" {
		e.Target = usualOf(columns, usualTargets)
	}
	return e
}

func (c *ColumnError) suggest(role, column string) {
	if role == "source" {
		c.Source = column
	} else {
		c.Target = column
	}
}

// usualOf is the first of the usual names that is a column, as the column spells it.
func usualOf(columns, usual []string) string {
	for _, name := range usual {
		for _, column := range columns {
			if strings.EqualFold(column, name) {
				return column
			}
		}
	}
	return ""
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
		fmt.Fprintf(&list, "%.*s", longest, strings.Join(strings.Fields(name), " "))
	}
	if len(names) > most {
		fmt.Fprintf(&list, " and %d more", len(names)-most)
	}
	return list.String()
}

// columnsOf are the names of a record's columns.
func columnsOf(cells map[string]string) string { return columnList(slices.Sorted(maps.Keys(cells))) }

// uses are the columns that the options take of those that a record of no rows yet has, or the error
// that each row would be.
func (o *Options) uses(r record) ([]string, error) {
	columns := slices.Sorted(maps.Keys(r.cells))
	if o.Task != nil {
		cells := respell(r.cells, o.taskColumns())
		layout := o.Task.Layout(func(column string) bool {
			_, ok := cells[column]
			return ok || r.lists[column] != nil
		})
		if layout == nil {
			_, err := o.taskRow(r)
			return nil, err
		}
		return columnsIn(append(columns, slices.Sorted(maps.Keys(r.lists))...), append(layout.Columns(), layout.Target, layout.Part)), nil
	}
	sources, targets := columnsIn(columns, o.sources()), columnsIn(columns, o.targets())
	if sources == nil {
		return nil, o.missing("source", o.sources(), r, columns)
	}
	if targets == nil && o.NeedTarget {
		return nil, o.missing("target", o.targets(), r, columns)
	}
	return append(sources, targets...), nil
}

// columnsIn are the columns that are named, in these letters or in others.
func columnsIn(columns, names []string) (named []string) {
	for _, column := range columns {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(strings.TrimSpace(column), name) }) {
			named = append(named, column)
		}
	}
	return named
}
