package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/text"
)

// current is the adapter as it stands, nil where there is none.
func (w *worker) current(ctx context.Context) (*dept.Adapter, error) {
	if w.run == nil || w.run.twin {
		return w.adapter, nil
	}
	if err := w.run.read(ctx); err != nil {
		return nil, err
	}
	return w.run.last, nil
}

// readerOf is a reader with the numbers of an adapter, some of its parts left out.
func (w *worker) readerOf(a *dept.Adapter, leftOut []string) (r *reader, err error) {
	most := maxSource(a)
	if a == nil || slices.Contains(leftOut, partAdapter) {
		if w.plain != nil && w.plain.maxSource != most {
			w.plain.release()
			w.plain = nil
		}
		if w.plain == nil {
			w.plain, err = w.model.newReader(nil, most)
		}
		return w.plain, err
	}
	if w.reader != nil && w.reader.config != a.Config {
		w.reader.release()
		w.reader = nil
	}
	if w.reader == nil {
		if w.reader, err = w.model.newReader(a, most); err != nil {
			return nil, err
		}
	}
	return w.reader, w.reader.method.Take(without(a, leftOut))
}

func (w *worker) predict(ctx context.Context, m Predict) error {
	if err := w.loaded(); err != nil {
		return err
	}
	began := time.Now()
	a, err := w.current(ctx)
	if err != nil {
		return err
	}
	d, err := w.asked(a, m.Task)
	if err != nil {
		return err
	}
	r, err := w.readerOf(a, m.Without)
	if err != nil {
		return err
	}
	answer := Answer{ID: m.ID, Text: m.Text, Scores: []Score{}, Tokens: []Token{}}
	source := d.source(cutText(m.Text, textBytes(r.maxSource)))
	pieces, cut := w.model.tokens(source, r.maxSource)
	if cut || len(m.Text) > textBytes(r.maxSource) {
		answer.Cut = true
		answer.Notice = fmt.Sprintf("The text is longer than the %d tokens that the model reads here: what follows them was cut off.", r.maxSource)
	}
	answer.Tokens = w.shifted(pieces, a, m.Without)
	text, shares, err := r.answer(ctx, source, d.targets(), d.rank)
	if err != nil {
		return err
	}
	answer.Answer = d.name(text)
	for i, p := range shares {
		answer.Scores = append(answer.Scores, Score{d.labels[i].name, p})
	}
	answer.MS = 1000 * time.Since(began).Seconds()
	w.post(answer)
	return nil
}

// asked says how texts are read: as those that the adapter was trained on, or without one as a task's.
func (w *worker) asked(a *dept.Adapter, task string) (*dataset, error) {
	switch {
	case w.data != nil:
		return w.data, nil
	case a == nil && task != "":
		return taskData(task)
	}
	return &dataset{}, nil
}

// shifted are a text's pieces with the sizes of their shifts under an adapter.
func (w *worker) shifted(pieces []string, a *dept.Adapter, leftOut []string) []Token {
	var sizes []float32
	if a != nil && !slices.Contains(leftOut, partShift) {
		sizes = pictures(a, w.model.Model.Description).ShiftSizes
	}
	tokens := make([]Token, len(pieces))
	for i, piece := range pieces {
		tokens[i].Text = piece
		if i < len(sizes) {
			tokens[i].Shift = sizes[i]
		}
	}
	return tokens
}

func (w *worker) export(ctx context.Context) error {
	a, err := w.current(ctx)
	if err != nil {
		return err
	}
	if a == nil {
		return failf(codeOrder, "Train first, then download.", "there is no adapter yet")
	}
	said := *a
	said.Answers = w.data.answers()
	file, err := zipAdapter(&said)
	if err != nil {
		return err
	}
	w.post(AdapterZip{file})
	return nil
}

func (w *worker) importAdapter(m Import) error {
	if err := w.loaded(); err != nil {
		return err
	}
	if w.run != nil {
		return failf(codeOrder, "Stop it first.", "a run is under way")
	}
	a, task, err := readAdapter(m.Files)
	if err != nil {
		return &failure{codeAdapter, "Drop the zip that the page made, or adapter_config.json and adapter_model.safetensors of an adapter's folder.", err}
	}
	notice, err := w.model.check(a)
	if err != nil {
		return err
	}
	d, about := datasetOf(a, task)
	w.setAdapter(a)
	w.last, w.data = nil, d
	w.post(Imported{Size: sizeOf(a), MaxSourceLength: a.Config.MaxSource(), Labels: d.names(), Notice: strings.TrimSpace(about + " " + notice)})
	w.post(w.model.sample(a, 0))
	return nil
}

// datasetOf is what an adapter says that it was trained on, or else the task of the command line that
// did it, and a sentence about that.
func datasetOf(a *dept.Adapter, task *tasks.Task) (*dataset, string) {
	d := &dataset{}
	switch says := a.Answers; {
	case says != nil:
		d.rank, d.template = says.Rank, says.Template
		for _, l := range says.Labels {
			d.labels = append(d.labels, label{l, says.Name(l)})
		}
		if task != nil && says.Template == "" {
			return d, typeAs(task)
		}
	case task != nil:
		for i, target := range task.Targets() {
			d.labels = append(d.labels, label{target, task.Labels[i]})
		}
		layout := &task.Layouts[0]
		if columns := layout.Columns(); len(columns) == 1 {
			d.template = layout.Source.Fill(map[string]string{columns[0]: dept.TemplateText})
		} else {
			return d, typeAs(task)
		}
	default:
		return d, "It does not say which labels it was trained on: answers are what it writes to the text as it is."
	}
	if len(d.labels) == 0 {
		return d, ""
	}
	return d, "Its labels are " + data.List(d.names()) + "."
}

// typeAs says how a text is typed for an adapter of a task of several columns.
func typeAs(task *tasks.Task) string {
	return fmt.Sprintf("It was trained on %s, whose texts look like %q: type them so.", task.Name, task.Layouts[0].Source)
}

func (w *worker) rows(m AskRows) error {
	text, err := taskRows(m.Task)
	if err != nil {
		return err
	}
	w.post(Rows{m.Task, text})
	return nil
}

// survey looks at rows of one's own, with or without a model.
func (w *worker) survey(m Survey) error {
	w.warmFor(m.Settings)
	s := m.Settings
	reply := Surveyed{Columns: []string{}, Labels: []LabelCount{}}
	own, err := readRows(s)
	if own != nil && own.columns != nil {
		c := own.columns
		reply.Columns, reply.Header, reply.Text, reply.Label = append(reply.Columns, c.Columns...), c.Header, c.Source, c.Target
	}
	if err == nil {
		err = w.surveyRows(own, s, &reply)
	}
	if err != nil {
		e := explain(err, m.kind(), 0)
		reply.Problem = e.Message + " " + e.Remedy
	}
	w.post(reply)
	return nil
}

func (w *worker) surveyRows(own *ownRows, s Settings, reply *Surveyed) error {
	held, err := own.holdBack(s.HeldBack, s.Seed)
	if err != nil {
		return err
	}
	reply.Rows = len(own.rows)
	for _, h := range held {
		if h {
			reply.HeldBack++
		}
	}
	var tok *text.Tokenizer
	if w.model != nil {
		tok = w.model.Tokenizer
		if w.lengths == nil || !w.lengths.of(w.model, s.Rows, own.columns) {
			w.lengths = &measured{w.model, s.Rows, own.columns.Source, own.lengths(tok)}
		}
		lengths := w.lengths.lengths
		reply.Longest, reply.Suggested, reply.Cut = slices.Max(lengths), covering(lengths, leastSuggested, w.model.mostSuggested()), longer(lengths, s.MaxSourceLength, len(own.rows))
	}
	labels, notice, err := own.spell(s.Labels, tok)
	if err != nil {
		return err
	}
	reply.Notice = notice
	for _, l := range labels {
		n := 0
		for _, row := range own.rows {
			if row.Target == l.name {
				n++
			}
		}
		reply.Labels = append(reply.Labels, LabelCount{l.name, l.target, n})
	}
	return nil
}

// measured are the lengths of the texts of rows.
type measured struct {
	model   *model
	rows    string
	column  string
	lengths []int
}

func (x *measured) of(m *model, rows string, c *data.Survey) bool {
	return x.model == m && x.column == c.Source && x.rows == rows
}
