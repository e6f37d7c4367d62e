//go:build !js

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
)

// probe is a question to a prompt that was trained as usual: how it does on test rows of some
// kinds.
type probe struct {
	name, axis string
	at         []int // the kinds
	// rows makes test rows of a kind.
	rows func(task demo.Task, seed uint64, count demo.Count, at int) []data.Row
}

// filler is a word of one token that says nothing: it stands before texts that begin later.
const filler = "well"

var probes = []*probe{
	{"late", "tokens later", []int{0, 1, 2, 3, 4, 6, 8}, func(task demo.Task, seed uint64, count demo.Count, at int) []data.Row {
		rows := task.Rows(demo.Test, heldRows, seed, count)
		for i := range rows {
			rows[i].Source = strings.Repeat(filler+" ", at) + rows[i].Source
		}
		return rows
	}},
	{"things", "things in the text", []int{1, 2, 3, 4}, func(task demo.Task, seed uint64, count demo.Count, at int) []data.Row {
		const enough = 8 // times as many rows have as many of that kind
		rows := slices.DeleteFunc(task.Rows(demo.Test, enough*heldRows, seed, count), func(r data.Row) bool {
			return 1+strings.Count(r.Source, " and ") != at
		})
		return rows[:heldRows]
	}},
	{"swapped", "times swapped", []int{0, 1}, func(task demo.Task, seed uint64, count demo.Count, at int) []data.Row {
		// Those of two things or more of which the first two have other topics, as they are, and
		// with these two swapped: then the answer is the other's topic.
		const enough = 8
		var rows []data.Row
		for _, r := range task.Rows(demo.Test, enough*heldRows, seed, count) {
			things := strings.Split(r.Source, " and ")
			if len(things) < 2 || demo.Topic(things[1]) == r.Target || len(rows) == heldRows {
				continue
			}
			if at == 1 {
				things[0], things[1] = things[1], things[0]
				r.Source, r.Target = strings.Join(things, " and "), demo.Topic(things[0])
			}
			rows = append(rows, r)
		}
		return rows
	}},
	// As they are, and behind the question of the mixture that comes nearest to the task's.
	{"written", "questions before the text", []int{0, 1}, func(task demo.Task, seed uint64, count demo.Count, at int) []data.Row {
		rows := task.Rows(demo.Test, heldRows, seed, count)
		for i := range rows {
			rows[i].Source = strings.Repeat(demo.TopicQuestion+" ", at) + rows[i].Source
		}
		return rows
	}},
	// The page measures on fewer rows, which are those of the demonstration's seed.
	{"page", "", []int{0}, func(task demo.Task, _ uint64, count demo.Count, _ int) []data.Row {
		return task.Rows(demo.Test, demo.PageRows, demo.Seed, count)
	}},
}

func probeNamed(name string) *probe {
	i := slices.IndexFunc(probes, func(p *probe) bool { return p.name == name })
	if i < 0 {
		panic(fmt.Sprintf("there is no probe %q", name)) // figures and books name those that there are
	}
	return probes[i]
}
