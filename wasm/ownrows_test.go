//go:build !js

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
)

func TestOwnRows(t *testing.T) {
	for _, tc := range []struct{ name, text string }{
		{"comma", "one,a\ntwo, b \nthree,a"},
		{"comma with header", "text,label\none,a\ntwo,b\nthree,a\n\n"},
		{"tab", "one\ta\ntwo\tb\nthree\ta"},
		{"other header", "source\ttarget\none\ta\ntwo\tb\nthree\ta"},
		{"usual names", "sentence,sentiment\none,a\ntwo,b\nthree,a"},
		{"semicolons", "review;stars\none;a\n\"two\";b\nthree;a"},
		{"an id and other names", "id,Satz,Art\n7,one,a\n8,two,b\n9,three,a"},
		{"from Excel", "\ufeff\"review\";\"stars\"\r\n\"one\";\"a\"\r\n\"two\";\"b\"\r\n\"three\";\"a\"\r\n"},
		{"from Excel, with its first line", "sep=;\r\nreview;stars\r\none;a\r\ntwo;b\r\nthree;a\r\n"},
		{"json", `{"text": "one", "label": "a"}` + "\n" + `{"text": "two", "label": "b"}` + "\n" + `{"text": "three", "label": "a"}`},
		{"json with other keys", `{"review": "one", "stars": "a"}` + "\n" + `{"review": "two", "stars": "b"}` + "\n" + `{"review": "three", "stars": "a"}`},
		{"bars", "text|label\none|a\ntwo|b\nthree|a"},
		{"quoted cells between tabs", "\"text\"\t\"label\"\n\"one\"\t\"a\"\n\"two\"\t\"b\"\n\"three\"\t\"a\""},
		{"columns that are empty", "text,Art,,\none,a,,\ntwo,b,,\nthree,a,,\n"},
		{"pandas' columns", `{"text": {"0": "one", "1": "two", "2": "three"}, "label": {"0": "a", "1": "b", "2": "a"}}`},
		{"datasets-server", `{"rows": [{"row_idx": 0, "row": {"text": "one", "label": "a"}}, {"row_idx": 1, "row": {"text": "two", "label": "b"}}, {"row_idx": 2, "row": {"text": "three", "label": "a"}}]}`},
		{"splits", `{"test": [{"text": "other", "label": "c"}], "train": [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}, {"text": "three", "label": "a"}]}`},
		{"a json array", `[{"satz": "one", "art": "a"}, {"satz": "two", "art": "b"}, {"satz": "three", "art": "a"}]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := ownData(Settings{Rows: tc.text, MaxSourceLength: 10}, nil)
			require.NoError(t, err)
			assert.Equal(t, []string{"a", "b"}, d.names())
			assert.Equal(t, []int{2, 1}, []int{d.train.Len(), d.held.Len()})
			assert.Equal(t, []string{"three"}, d.texts)
			assert.Equal(t, "b", d.train.Row(1).Target)
			assert.Equal(t, 1.0, d.chance())
		})
	}
	d, err := ownData(Settings{Rows: "one,a\n" + strings.Repeat("long ", 1000) + ",b\n", MaxSourceLength: 10}, nil)
	require.NoError(t, err)
	assert.Len(t, d.held.Row(0).Source, textBytes(10))
}

// Labels that differ in capitals alone are told, and so is what begins as JSON does but is none.
func TestOwnLabels(t *testing.T) {
	own := &ownRows{labels: []string{"Good", "bad", "good"}}
	_, notice, err := own.spell("", nil)
	require.NoError(t, err)
	assert.Equal(t, "The labels Good and good differ in capitals alone and are learnt as two: write them alike where they are one.", notice)
	d, err := ownData(Settings{Rows: "[sic] one,a\n{two},b\nthree,a\n", MaxSourceLength: 10}, nil)
	require.NoError(t, err)
	assert.Equal(t, "[sic] one", d.train.Row(0).Source)
}

// What the page cannot guess it asks for, by the names that the rows have.
func TestOwnColumns(t *testing.T) {
	rows := "title,notes,mood,kind\na,b,x,1\nc,d,y,1\ne,f,x,2\n"
	_, err := readRows(Settings{Rows: rows})
	assert.EqualError(t, err, "your rows have the columns title, notes, mood and kind, and it is not certain which of them are text and label")
	_, err = readRows(Settings{Rows: rows, LabelColumn: "mood"})
	assert.ErrorContains(t, err, "which of them is the text")
	_, err = readRows(Settings{Rows: rows, TextColumn: "notes", LabelColumn: "notes"})
	assert.ErrorContains(t, err, "at once")
	own, err := readRows(Settings{Rows: rows, TextColumn: "nonesuch"})
	assert.ErrorContains(t, err, `no column "nonesuch": they have title, notes, mood and kind`)
	assert.Equal(t, []string{"title", "notes", "mood", "kind"}, own.columns.Columns, "to choose from")
	_, err = readRows(Settings{Rows: "a\nb\n"})
	assert.ErrorContains(t, err, "the label is missing")
	_, err = readRows(Settings{Rows: "\n\nsep=;\ntext;label\na;b\nc\n"})
	assert.ErrorContains(t, err, "line 6 of your rows: the row has 1 cells")
	own, err = readRows(Settings{Rows: rows, TextColumn: "notes", LabelColumn: "mood"})
	require.NoError(t, err)
	assert.Equal(t, []string{"x", "y"}, own.labels)
	assert.Equal(t, "d", own.rows[1].Source)
	// One that was asked for may be what the other was taken to be.
	own, err = readRows(Settings{Rows: "text,label,other\na,x,1\nb,y,2\n", TextColumn: "label", LabelColumn: "text"})
	require.NoError(t, err)
	assert.Equal(t, [2]string{"x", "a"}, [2]string{own.rows[0].Source, own.rows[0].Target})
}

// Every label of two rows or more is learnt and held back, in any order of the rows.
func TestHoldBack(t *testing.T) {
	sorted := strings.Repeat("one,a\n", 40) + strings.Repeat("two,b\n", 8) + strings.Repeat("three,c\n", 2) + "four,d\n"
	for share, want := range map[float64]int{0: 0, 0.1: 4 + 1 + 1, 0.3: 12 + 2 + 1, 0.5: 20 + 4 + 1} {
		d, err := ownData(Settings{Rows: sorted, MaxSourceLength: 10, HeldBack: share, Seed: 3}, nil)
		require.NoError(t, err)
		kinds := map[string]int{}
		for i := range d.train.Len() {
			kinds["learnt "+d.train.Row(i).Target]++
		}
		for i := range d.held.Len() {
			kinds["held "+d.held.Row(i).Target]++
		}
		for _, label := range []string{"a", "b", "c"} {
			assert.Positive(t, kinds["learnt "+label], "%g %v", share, kinds)
			assert.Positive(t, kinds["held "+label], "%g %v", share, kinds)
		}
		assert.Zero(t, kinds["held d"])
		first := map[string]bool{}
		for i := range d.held.Len() / 2 {
			first[d.held.Row(i).Target] = true
		}
		assert.Greater(t, len(first), 1, "the first rows are of one label")
		assert.Equal(t, 51, d.train.Len()+d.held.Len())
		if share > 0 {
			assert.Equal(t, want, d.held.Len())
		}
	}
	drawn := func(seed uint64) []string {
		rows := ""
		for i := range 40 {
			rows += fmt.Sprintf("%d,%d\n", i+100, i%2)
		}
		d, err := ownData(Settings{Rows: rows, MaxSourceLength: 10, HeldBack: 0.2, Seed: seed}, nil)
		require.NoError(t, err)
		return d.texts
	}
	assert.Equal(t, drawn(1), drawn(1))
	assert.NotEqual(t, drawn(1), drawn(2))
	_, err := ownData(Settings{Rows: sorted, HeldBack: 2}, nil)
	assert.ErrorContains(t, err, "held back")
}

// longReviews are rows with labels that the model writes in no few tokens, longer than the page's own texts.
func longReviews(yes, no string) string {
	var b strings.Builder
	b.WriteString("id;review;verdict\n")
	for i := range 20 {
		long := strings.Repeat("was very ", 20+i)
		fmt.Fprintf(&b, "%d;the film %s%s;%s\n%d;the film %s%s;%s\n", 2*i, long, words[i%4], yes, 2*i+1, long, words[4+i%4], no)
	}
	return b.String()
}

// Rows of long texts and labels of words that the model does not have are looked at, trained on and
// answered with their own words.
func TestOwnRowsFromEndToEnd(t *testing.T) {
	p := newPage(t)
	s := settings(3)
	s.Rows, s.MaxSourceLength, s.Batch, s.EvalEvery = longReviews("{great}", "boring stuff"), 64, 2, 0

	p.worker.Send(Survey{s}) // before there is a model
	v := await[Surveyed](p)
	assert.Equal(t, []string{"id", "review", "verdict"}, v.Columns)
	assert.Equal(t, []any{true, "review", "verdict", 40, 8, 0}, []any{v.Header, v.Text, v.Label, v.Rows, v.HeldBack, v.Longest})
	assert.Equal(t, []LabelCount{{"{great}", "{great}", 20}, {"boring stuff", "boring stuff", 20}}, v.Labels)

	p.worker.Send(Load{Model: writeModel(t, 1)})
	await[Ready](p)
	p.worker.Send(Survey{s})
	v = await[Surveyed](p)
	assert.Equal(t, []int{82, 64, 18}, []int{v.Longest, v.Suggested, v.Cut})
	assert.Equal(t, []LabelCount{{"{great}", "0", 20}, {"boring stuff", "1", 20}}, v.Labels)
	const why = "The model's tokenizer cannot write the labels {great} and boring stuff."
	assert.Equal(t, why+" The labels are learnt as digits: 0 for {great} and 1 for boring stuff.", v.Notice)
	words := s
	words.Labels = data.WriteWords
	p.worker.Send(Survey{words})
	assert.Equal(t, why+" Choose to write the labels as digits, or rename them in your rows.", await[Surveyed](p).Problem)
	assert.Equal(t, why, p.fails(codeRows, Train{Settings: words}).Message)
	broken := s
	broken.Rows = "text,label\na,b\nc\n"
	p.worker.Send(Survey{broken})
	assert.Contains(t, await[Surveyed](p).Problem, "Line 3 of your rows")

	p.worker.Send(Train{Settings: s})
	plan := await[Plan](p)
	assert.Equal(t, []int{32, 8, 18, 68}, []int{plan.Train, plan.HeldBack, plan.Cut, plan.Sequence})
	assert.Contains(t, plan.Notice, "18 of 40 rows are longer than 64 tokens")
	assert.Contains(t, plan.Notice, "0 for {great}")
	for range 3 {
		await[Step](p)
	}
	e := awaitThat(p, func(e Evaluation) bool { return e.Step == 3 })
	checkConfusion(t, e, v)
	assert.Positive(t, await[Done](p).Cut)
	ask := Predict{ID: 1, Text: "the film was awful", Task: taskInfos()[0].Name}
	p.worker.Send(ask)
	answer := await[Answer](p)
	require.Len(t, answer.Scores, 2)
	likeliest := answer.Scores[0]
	if answer.Scores[1].Probability > likeliest.Probability {
		likeliest = answer.Scores[1]
	}
	assert.Equal(t, likeliest.Label, answer.Answer, "ranked over its own labels, whichever task the form has")

	// The adapter takes its labels along.
	p.worker.Send(Export{})
	zipped := await[AdapterZip](p)
	a, _, err := readAdapter([]File{zipped.File})
	require.NoError(t, err)
	assert.Equal(t, &dept.Answers{Labels: []string{"0", "1"}, Names: []string{"{great}", "boring stuff"}, Rank: true}, a.Answers)
	p.worker.Send(Reset{})
	p.worker.Send(Import{Files: []File{zipped.File}})
	imported := await[Imported](p)
	assert.Equal(t, a.Answers.Names, imported.Labels)
	assert.Equal(t, "Its labels are {great} and boring stuff.", imported.Notice)
	p.worker.Send(ask)
	again := await[Answer](p)
	assert.Equal(t, answer.Answer, again.Answer)
	assert.Equal(t, answer.Scores, again.Scores)
}

// An adapter of the command line has the labels of the task that its run was of; one that says nothing has
// none, whichever task the form has.
func TestImportedLabels(t *testing.T) {
	p := newPage(t)
	p.worker.Send(Load{Model: writeModel(t, 1)})
	await[Ready](p)
	files, err := zeros(&dept.PromptConfig{PromptLength: 1, Width: 32, Submodules: 1}).Files()
	require.NoError(t, err)
	for run, want := range map[string][]string{
		``:                     {},
		`{"task": "sst2"}`:     {"negative", "positive"},
		`{"task": "nonesuch"}`: {},
		`{`:                    {},
		`{"task": "rte"}`:      {"entailment", "not_entailment"},
	} {
		given := []File{{Name: "some/folder/" + train.RunFile, Data: []byte(run)}}
		for name, content := range files {
			given = append(given, File{Name: "some/folder/" + name, Data: content})
		}
		p.worker.Send(Import{Files: given})
		imported := await[Imported](p)
		assert.Equal(t, want, imported.Labels, run)
		assert.NotEmpty(t, imported.Notice)
		p.worker.Send(Predict{ID: 1, Text: "a song", Task: taskInfos()[0].Name})
		answer := await[Answer](p)
		assert.Len(t, answer.Scores, len(want), run)
		if strings.Contains(run, "sst2") {
			assert.Greater(t, len(answer.Tokens), 3, "the task's template")
		}
	}
}

// checkConfusion compares what an evaluation says of the rows with itself.
func checkConfusion(t *testing.T, e Evaluation, v Surveyed) {
	require.NotNil(t, e.Confusion)
	right, all := 0, 0
	for i, row := range e.Confusion.Counts {
		require.Len(t, row, len(e.Confusion.Labels)+1)
		assert.Zero(t, row[len(row)-1], "ranked answers are labels")
		right += row[i]
		for _, n := range row {
			all += n
		}
	}
	assert.Equal(t, e.Rows, all)
	assert.InDelta(t, e.Accuracy, float64(right)/float64(all), 1e-12)
	assert.Len(t, e.Wrong, all-right)
	for _, x := range append(e.Wrong, e.Examples...) {
		assert.Contains(t, []string{v.Labels[0].Label, v.Labels[1].Label}, x.Answer)
	}
}
