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
}

func probeNamed(name string) *probe {
	i := slices.IndexFunc(probes, func(p *probe) bool { return p.name == name })
	if i < 0 {
		panic(fmt.Sprintf("there is no probe %q", name)) // figures and books name those that there are
	}
	return probes[i]
}
