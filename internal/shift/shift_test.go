//go:build !js

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/demo"
)

func openTemp(t *testing.T, content string) *book {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	b, err := openBook(path)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// Given trials have a rate for each part that they have, and are those of the demonstration but for
// what they change.
func TestGiven(t *testing.T) {
	usual := demo.Variants(demo.MaxSource)[0]
	require.Equal(t, given(usual.Config.PromptLength, usual.Config.Rank), *lessons().cells[0].from.given)
	cells := 0
	for _, f := range figures() {
		seen := map[string]bool{}
		for _, c := range f.all() {
			if c.given == nil {
				continue
			}
			cells++
			g := *c.given
			assert.Equal(t, g.Length > 0, g.RateP > 0, "%+v", g)
			assert.Equal(t, g.Rank > 0, g.RateAB > 0, "%+v", g)
			assert.Equal(t, g.Variant, c.only)
			g.Seed = 7
			if c.probe != nil {
				g.Probe = c.probe.name
			}
			assert.Equal(t, []trial{g}, c.chosen(c.only, 7, nil))
			if c.lesson != "" {
				assert.False(t, seen[c.lesson], c.lesson)
				seen[c.lesson] = true
				assert.NotEqual(t, c.accuracyOf(), c.from.accuracyOf(), c.lesson)
			}
		}
	}
	assert.Equal(t, 42+2*2*len(lessons().cells), cells)
}

// accuracyOf is what decides a given cell's accuracy.
func (c cell) accuracyOf() any { return [2]any{*c.given, c.at} }

// Rows that are swapped name the other thing first, and their answer is its topic.
func TestSwapped(t *testing.T) {
	task, err := demo.Find(givenTask)
	require.NoError(t, err)
	p := probeNamed("swapped")
	as, swapped := p.rows(task, 1, nil, 0), p.rows(task, 1, nil, 1)
	require.Len(t, as, heldRows)
	require.Len(t, swapped, heldRows)
	for i, r := range as {
		things, others := strings.Split(r.Source, " and "), strings.Split(swapped[i].Source, " and ")
		require.Equal(t, r.Target, demo.Topic(things[0]))
		require.NotEqual(t, r.Target, swapped[i].Target)
		require.Equal(t, swapped[i].Target, demo.Topic(others[0]))
		things[0], things[1] = things[1], things[0]
		require.Equal(t, things, others)
	}
}

// tries are a variant's trials under a seed, at all its rates.
func tries(c cell, v variant, seed uint64) (list []trial) {
	for _, rates := range v.rates() {
		list = append(list, c.trial(v, rates, seed))
	}
	return list
}

// No variant trains more numbers than the budget's vectors have, and P alone spends all of it.
func TestBudgets(t *testing.T) {
	for _, f := range figures() {
		for _, c := range f.cells {
			if c.given != nil {
				continue // what it trains is what it says
			}
			for _, v := range c.trained(f) {
				for _, x := range tries(c, v, 1) {
					positions := c.maxSource()
					if v == constant {
						positions = 0 // A is fixed
					}
					parameters := x.Length*demo.Width + x.Rank*(positions+demo.Width)
					assert.LessOrEqual(t, parameters, c.budget*demo.Width, "%+v", x)
					assert.Equal(t, v != neither && v != onlyAB, x.Length > 0, "%+v", x)
					assert.Equal(t, v != neither && v != onlyP, x.Rank > 0, "%+v", x)
				}
			}
			assert.Equal(t, c.budget, tries(c, onlyP, 1)[0].Length)
		}
	}
}

// A book that was cut anywhere is one whose whole lines count, and goes on behind them.
func TestBookIsCut(t *testing.T) {
	b := openTemp(t, "")
	c := usual("tone")
	for i, x := range tries(c, both, 1) {
		require.NoError(t, b.add(outcome{trial: x, Test: float64(i) / 10}))
	}
	want := b.outcomes
	whole, err := os.ReadFile(b.file.Name())
	require.NoError(t, err)
	for range 50 {
		cut := openTemp(t, string(whole[:rand.IntN(len(whole)+1)]))
		for x, o := range cut.outcomes {
			require.Equal(t, want[x], o)
		}
		for _, x := range tries(c, both, 1) {
			if _, ok := cut.outcomes[x]; !ok {
				require.NoError(t, cut.add(want[x]))
			}
		}
		all, err := os.ReadFile(cut.file.Name())
		require.NoError(t, err)
		require.Equal(t, string(whole), string(all))
	}
	_, err = openBook(filepath.Join(t.TempDir(), "none", "results.jsonl"))
	require.ErrorIs(t, err, os.ErrNotExist)
	damaged := filepath.Join(t.TempDir(), "damaged.jsonl")
	require.NoError(t, os.WriteFile(damaged, []byte("{}\n{\"task\": 3}\n"), 0o666))
	_, err = openBook(damaged)
	require.ErrorContains(t, err, "line 2")
	_, err = openBook(b.file.Name())
	require.ErrorContains(t, err, "another process writes")
}

// Rates are those of the best mean on dev over the seeds of tuning, whatever test says. The second
// seed tries the two that did best under the first; and a part alone has three starts.
func TestChosen(t *testing.T) {
	b := openTemp(t, "")
	c := usual("tone")
	first, second := c.tuning(onlyP, b)
	require.Equal(t, tries(c, onlyP, firstTuning), first)
	require.Empty(t, second)
	require.Empty(t, c.chosen(onlyP, 5, b))
	for i, dev := range []float64{0.6, 0.7, 0.5, 0.65} {
		require.NoError(t, b.add(outcome{trial: first[i], Dev: dev, Test: 1 - dev}))
	}
	_, second = c.tuning(onlyP, b)
	all := tries(c, onlyP, secondTuning)
	require.Equal(t, []trial{all[1], all[3]}, second)
	for i, dev := range []float64{0.5, 0.6} {
		require.Empty(t, c.chosen(onlyP, 5, b))
		require.NoError(t, b.add(outcome{trial: second[i], Dev: dev, Test: 1 - dev}))
	}
	require.Equal(t, tries(c, onlyP, 5)[3:], c.chosen(onlyP, 5, b))
	_, ok := bestOf(c.chosen(onlyP, 5, b), b)
	require.False(t, ok)

	c.retry = true
	list := c.chosen(onlyP, 5, b)
	require.Len(t, list, 3)
	for i, x := range list {
		require.Equal(t, i, x.Start)
		_, ok = bestOf(list, b)
		require.False(t, ok)
		require.NoError(t, b.add(outcome{trial: x, Dev: []float64{0.1, 0.3, 0.2}[i], Test: float64(i)}))
	}
	best, ok := bestOf(list, b)
	require.True(t, ok)
	assert.Equal(t, 1., best.Test)
}

// The table and the picture of made-up outcomes.
func TestFigures(t *testing.T) {
	for _, f := range figures() {
		b := openTemp(t, "")
		dir := t.TempDir()
		require.ErrorContains(t, f.write(dir, b, 1, 2), "no task is measured")
		for _, c := range f.all() {
			for _, v := range c.trained(f) {
				for _, seed := range []uint64{firstTuning, secondTuning} {
					if c.given != nil {
						o := outcome{trial: c.chosen(v, seed, b)[0], Dev: 0.5, Test: 0.5 + float64(seed)/50}
						if c.probe != nil {
							o.Tests = slices.Repeat([]float64{o.Test}, len(c.probe.at))
						}
						require.NoError(t, b.add(o))
						continue
					}
					for _, x := range tries(c, v, seed) {
						for range c.starts(v) {
							test := 0.5 + float64(seed)/50
							require.NoError(t, b.add(outcome{trial: x, Dev: 0.5, Test: test}))
							if c.probe != nil {
								probing := x
								probing.Probe = c.probe.name
								require.NoError(t, b.add(outcome{trial: probing, Dev: 0.5, Test: test, Tests: slices.Repeat([]float64{test}, len(c.probe.at))}))
							}
							x.Start++
						}
					}
				}
			}
		}
		require.NoError(t, f.write(dir, b, 1, 2))
		table, err := os.ReadFile(filepath.Join(dir, f.name+".md"))
		require.NoError(t, err)
		key := "both"
		switch {
		case f.cells[0].lesson != "":
			key = "changed"
			assert.Equal(t, len(f.cells), strings.Count(string(table), " 53.0 ± 1.4 | 53.0 ± 1.4 | +0.0 |\n"))
		case f.cells[0].given != nil:
			key = "53.0" // in the fields
			assert.Equal(t, len(gridLengths), strings.Count(string(table), strings.Repeat(" 53.0 ± 1.4 |", len(gridRanks))+"\n"))
		default:
			assert.Equal(t, 2+len(f.cells), strings.Count(string(table), "\n"))
			assert.Contains(t, string(table), strings.Repeat(" 53.0 ± 1.4 |", len(f.variants))+" +0.0 |")
		}
		assert.NotContains(t, string(table), "NaN")
		picture, err := os.ReadFile(filepath.Join(dir, f.name+".svg"))
		require.NoError(t, err)
		for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err)
			}
		}
		assert.Contains(t, string(picture), key)
		var n numbers
		content, err := os.ReadFile(filepath.Join(dir, f.name+".json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(content, &n))
		require.Len(t, n.Cells, len(f.cells))
		for i, c := range n.Cells {
			require.Len(t, c.Variants, len(f.cells[i].trained(f)))
			for _, v := range append(c.Variants, c.Variants[0]) {
				assert.Equal(t, []float64{53, 1.41}, []float64{v.Test, v.SD})
				assert.Equal(t, 2, v.Seeds)
			}
		}
	}
}

// A trial gives the same numbers again, and a figure that was stopped goes on.
func TestTrialsRepeat(t *testing.T) {
	defer func(s int, held int, p, ab []float64) { steps, heldRows, ratesP, ratesAB = s, held, p, ab }(steps, heldRows, ratesP, ratesAB)
	steps, heldRows, ratesP, ratesAB = 3, 16, ratesP[:2], ratesAB[:1]
	short := figure{name: "short", variants: []variant{neither, constant, both}, cells: []cell{{task: "first", budget: 4, rows: 32, probe: probeNamed("late"), at: 4}}}
	short.cells = append(short.cells, lessons().cells[len(lessons().cells)-1])
	ctx, stop := context.WithCancel(context.Background())
	one, other := openTemp(t, ""), openTemp(t, "")
	require.NoError(t, measure(ctx, short, 2, 3, one, ""))
	lines, err := os.ReadFile(one.file.Name())
	require.NoError(t, err)
	stop()
	require.ErrorIs(t, measure(ctx, short, 2, 3, other, ""), context.Canceled)
	half := strings.SplitAfter(string(lines), "\n")
	other = openTemp(t, strings.Join(half[:len(half)/2], ""))
	require.NoError(t, measure(context.Background(), short, 2, 3, other, ""))
	require.Len(t, other.outcomes, len(half)-1)
	for x, o := range other.outcomes {
		want := one.outcomes[x]
		o.Seconds, want.Seconds = 0, 0
		assert.Equal(t, want, o)
		if x.Variant != neither {
			assert.Positive(t, o.Loss)
			assert.Positive(t, o.Parameters)
		}
	}
	// A seed holds to the record, and does not to one that says something else.
	require.NoError(t, check(context.Background(), short, 2, one.file.Name(), openTemp(t, ""), ""))
	wrong := openTemp(t, "")
	for _, o := range one.outcomes {
		o.Test += 0.5
		for i := range o.Tests {
			o.Tests[i] += 0.5
		}
		require.NoError(t, wrong.add(o))
	}
	require.ErrorContains(t, check(context.Background(), short, 2, wrong.file.Name(), openTemp(t, ""), ""), "4 came out otherwise")
	require.ErrorContains(t, check(context.Background(), short, 2, openTemp(t, "").file.Name(), openTemp(t, ""), ""), "of 0 variants")
}
