package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/text"
)

// ownRows are rows of somebody's own.
type ownRows struct {
	columns *data.Survey // whose source and target are those that were taken
	rows    []data.Row
	labels  []string // in the order in which they come up; nil where answers are free text
	skipped int      // lines before the first
}

// mostSource is the most tokens of a text of one's own.
const mostSource = 512

// rowsRemedy says what rows look like.
const rowsRemedy = "Write one row a line, the text and then its label with a tab or a comma between them; put a text that has commas in double quotes."

// pasted stands for a file's name in the errors of rows.
const pasted = "rows"

// readRows reads JSON, or a table whose first line may name the columns, which come with an error, too, where
// they are known.
func readRows(s Settings) (*ownRows, error) {
	text := strings.TrimRight(s.Rows, " \t\r\n")
	if text == "" {
		return nil, failf(codeRows, rowsRemedy, "there are no rows to train on")
	}
	text = strings.TrimLeft(text, "\ufeff \r\n")
	format := data.CSV
	if looksJSON.MatchString(text) {
		format = data.JSON
	}
	own := &ownRows{}
	var err error
	if own.columns, err = data.TakeSurvey(strings.NewReader(text), format); err != nil {
		return nil, &failure{codeRows, rowsRemedy, own.nameLine(err)}
	}
	own.skipped = strings.Count(s.Rows[:strings.Index(s.Rows, text)], "\n")
	if err := own.chooseColumns(s); err != nil {
		return own, err
	}
	opts := data.Options{Format: format, SourceColumn: own.columns.Source, TargetColumn: own.columns.Target, NeedTarget: true}
	if format != data.JSON && !own.columns.Header {
		opts.Header = own.columns.Columns
	}
	return own, own.read(text, opts)
}

// looksJSON knows the beginnings of objects and of lists of them, and of what takes itself for one.
var looksJSON = regexp.MustCompile(`^(\[\s*[{\[]|\{\s*["'}])`)

// chooseColumns takes the columns that were asked for.
func (own *ownRows) chooseColumns(s Settings) error {
	c := own.columns
	for _, of := range []struct {
		asked string
		taken *string
	}{{s.TextColumn, &c.Source}, {s.LabelColumn, &c.Target}} {
		if of.asked == "" {
			continue
		}
		if !slices.Contains(c.Columns, of.asked) {
			return failf(codeRows, "Choose another column.", "the rows have no column %q: they have %s", of.asked, data.List(c.Columns))
		}
		if *of.taken = of.asked; c.Source == c.Target {
			if of.taken == &c.Source {
				c.Target = ""
			} else if s.TextColumn == "" {
				c.Source = ""
			}
		}
	}
	const remedy = "Choose the columns of text and label under the rows, or call them text and label in the first line."
	missing := ""
	switch {
	case len(c.Columns) == 0: // the reader says why
		return nil
	case len(c.Columns) == 1:
		return failf(codeRows, rowsRemedy, "line 1 of your rows: there is one column alone, %.40q: the label is missing", c.Columns[0])
	case c.Source == c.Target && c.Source != "":
		return failf(codeRows, "Choose another column.", "the column %q is to be text and label at once", c.Source)
	case c.Source == "" && c.Target == "":
		missing = "which of them are text and label"
	case c.Source == "":
		missing = "which of them is the text"
	case c.Target == "":
		missing = "which of them is the label"
	default:
		return nil
	}
	return failf(codeRows, remedy, "your rows have the columns %s, and it is not certain %s", data.List(c.Columns), missing)
}

func (own *ownRows) read(text string, opts data.Options) error {
	r, err := data.NewReader(pasted, strings.NewReader(text), opts)
	if err != nil {
		return &failure{codeRows, rowsRemedy, own.nameLine(err)}
	}
	free := false
	for {
		row, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return &failure{codeRows, rowsRemedy, own.nameLine(err)}
		}
		row.Source, row.Target = cutText(row.Source, textBytes(mostSource)), strings.TrimSpace(row.Target)
		own.rows = append(own.rows, row)
		if free = free || len(own.labels) > data.MaxLabels; !free && !slices.Contains(own.labels, row.Target) {
			own.labels = append(own.labels, row.Target)
		}
	}
	switch {
	case len(own.rows) < 2:
		return failf(codeRows, "Give at least two rows, better a hundred: some are held back to measure accuracy on.", "there is only one row")
	case len(own.labels) < 2:
		return failf(codeRows, "Add rows with another label, or choose another column for it.", "all rows have the label %q, so there is nothing to tell apart", own.labels[0])
	case len(own.labels) > data.MaxLabels:
		own.labels = nil
	}
	return nil
}

// nameLine turns "rows:3: …" into words.
func (own *ownRows) nameLine(err error) error {
	rest, ok := strings.CutPrefix(err.Error(), pasted+":")
	place, what, found := strings.Cut(rest, ": ")
	at, column, _ := strings.Cut(place, ":")
	line, bad := strconv.Atoi(at)
	if !ok || !found || bad != nil {
		return err
	}
	if column != "" {
		column = ", column " + column
	}
	return fmt.Errorf("line %d%s of your rows: %s", line+own.skipped, column, what)
}

// spell decides what the model is to write for each label, and says so where that is not the label. A tokenizer
// of nil writes everything.
func (own *ownRows) spell(how string, tok *text.Tokenizer) (labels []label, notice string, err error) {
	targets, reason, err := data.Spell(own.labels, how, tok)
	switch {
	case err != nil && how == data.WriteWords:
		return nil, "", &failure{codeRows, "Choose to write the labels as digits, or rename them in your rows.", err}
	case err != nil:
		return nil, "", &failure{codeRows, "Rename the labels in your rows to words that the model knows.", err}
	}
	var said []string
	if a, b := data.AlikeLabels(own.labels); a != b {
		said = append(said, fmt.Sprintf("The labels %s and %s differ in capitals alone and are learnt as two: write them alike where they are one.", a, b))
	}
	labels = make([]label, len(targets))
	for i, target := range targets {
		labels[i] = label{target, own.labels[i]}
	}
	if slices.Equal(targets, own.labels) {
		return labels, strings.Join(said, " "), nil
	}
	if reason != "" {
		said = append(said, sentence(reason))
	}
	shown := mapped(labels, func(l label) string { return l.target + " for " + l.name })
	return labels, strings.Join(append(said, "The labels are learnt as digits: "+data.List(shown)+"."), " "), nil
}

// ownData makes rows of somebody's own what a run learns from and is measured on.
func ownData(s Settings, tok *text.Tokenizer) (*dataset, error) {
	own, err := readRows(s)
	if err != nil {
		return nil, err
	}
	d := &dataset{rank: s.Answer != answerWrite}
	if d.labels, d.notice, err = own.spell(s.Labels, tok); err != nil {
		return nil, err
	}
	targets := map[string]string{}
	for _, l := range d.labels {
		targets[l.name] = l.target
	}
	held, err := own.holdBack(s.HeldBack, s.Seed)
	if err != nil {
		return nil, err
	}
	var train, dev []data.Row
	for i, row := range own.rows {
		row.Source = cutText(row.Source, textBytes(s.MaxSourceLength))
		if target, ok := targets[row.Target]; ok {
			row.Target = target
		}
		if !held[i] {
			train = append(train, row)
			continue
		}
		dev = append(dev, row)
	}
	if len(d.labels) > 0 {
		mix(dev)
	}
	d.texts = mapped(dev, func(row data.Row) string { return row.Source })
	d.train, d.held = data.NewDataset(train), data.NewDataset(dev)
	if tok != nil {
		d.cut = longer(own.lengths(tok), s.MaxSourceLength, len(own.rows))
	}
	return d, nil
}

// holdBack says which rows are not trained on: every fifth, or a share of each label's that the seed
// draws. A label of two rows or more has some of both kinds.
func (own *ownRows) holdBack(share float64, seed uint64) ([]bool, error) {
	if !(share >= 0 && share <= 0.9) {
		return nil, failf(codeSettings, "Choose another share.", "the share of the rows that is held back is %g", share)
	}
	held := make([]bool, len(own.rows))
	byLabel := map[string][]int{}
	var labels []string
	for i, row := range own.rows {
		l := row.Target
		if own.labels == nil {
			l = "" // free text is held back whatever it says
		}
		if byLabel[l] == nil {
			labels = append(labels, l)
		}
		byLabel[l] = append(byLabel[l], i)
		held[i] = share == 0 && i%5 == 4
	}
	rng := rand.New(rand.NewPCG(seed, splitStream))
	for _, l := range labels {
		rows := byLabel[l]
		if share > 0 {
			rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			for _, i := range rows[:int(math.Round(share*float64(len(rows))))] {
				held[i] = true
			}
		}
		if len(rows) < 2 {
			held[rows[0]] = false
			continue
		}
		last := rows[len(rows)-1]
		switch first := held[rows[0]]; {
		case slices.ContainsFunc(rows, func(i int) bool { return held[i] != first }):
		case first:
			held[rows[0]] = false
		default:
			held[last] = true
		}
	}
	if !slices.Contains(held, true) { // every label has one row
		held[len(held)-1] = true
	}
	return held, nil
}

// mix orders rows so that the first ones have labels in about the shares of all: evaluations during a run
// are of those, and some are shown.
func mix(rows []data.Row) {
	all, seen := map[string]float64{}, map[string]float64{}
	for _, row := range rows {
		all[row.Target]++
	}
	type placed struct {
		row   data.Row
		place float64 // in the order of its label's, 0 to 1
	}
	list := mapped(rows, func(row data.Row) placed {
		seen[row.Target]++
		return placed{row, (seen[row.Target] - 0.5) / all[row.Target]}
	})
	slices.SortStableFunc(list, func(a, b placed) int { return cmp.Compare(a.place, b.place) })
	for i := range rows {
		rows[i] = list[i].row
	}
}

// splitStream tells the random numbers of the split from others of the same seed.
const splitStream = 0x73706c6974

// lengths are how many tokens some of the rows' texts have, the end token included: all, or evenly
// spread ones where there are many.
func (own *ownRows) lengths(tok *text.Tokenizer) []int {
	n := min(len(own.rows), mostMeasured)
	lengths := make([]int, n)
	for i := range lengths {
		lengths[i] = len(tok.Encode(own.rows[i*len(own.rows)/n].Source)) + 1
	}
	return lengths
}

// mostMeasured is how many rows are tokenized while somebody waits.
const mostMeasured = 500

// longer is how many lengths of a sample are above most, counted up to all n rows.
func longer(lengths []int, most, n int) int {
	cut := 0
	for _, l := range lengths {
		if l > most {
			cut++
		}
	}
	if cut == 0 {
		return 0
	}
	return max(1, cut*n/len(lengths))
}

// covering is a length that about 95 % of texts fit, a multiple of eight.
func covering(lengths []int, least, most int) int {
	sorted := slices.Sorted(slices.Values(lengths))
	l := sorted[min(len(sorted)-1, len(sorted)*95/100)]
	return max(least, min(most, (l+7)/8*8))
}
