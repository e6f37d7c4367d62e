package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const docs = "../../../docs"

// What is committed is what the command makes of the documents, and no more than a page can carry.
func TestNumbersAreThoseOfTheDocuments(t *testing.T) {
	all, err := collect(docs)
	require.NoError(t, err)
	want, err := json.Marshal(all)
	require.NoError(t, err)
	got, err := os.ReadFile("../numbers.json")
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got), "run go run ./web/article/numbers")
	assert.Less(t, len(got), 60<<10)
}

// Every group says which command made it and when, and on what where that matters.
func TestNumbersSayWhereTheyAreFrom(t *testing.T) {
	all, err := collect(docs)
	require.NoError(t, err)
	made := all["made"].(map[string]origin)
	for name := range all {
		if name == "made" || name == "model" {
			continue // what the model is, it says itself
		}
		from := made[name]
		assert.NotEmpty(t, from.Command, name)
		assert.NotEmpty(t, from.Date, name)
		assert.Equal(t, name == "sizes", from.Adapter == "", "%s: what is counted needs no adapter, what was timed or trained does", name)
	}
}

// The explorer has a cell for each m and r, whose parameters and positions follow from them.
func TestGrid(t *testing.T) {
	all, err := collect(docs)
	require.NoError(t, err)
	model, grid := all["model"].(object), all["grid"].(object)
	width, length := model["width"].(int), model["length"].(int)
	cells := grid["cells"].([]object)
	require.Len(t, cells, len(grid["m"].([]int))*len(grid["r"].([]int)))
	for _, c := range cells {
		m, r := c["m"].(int), c["r"].(int)
		assert.Equal(t, m*width+r*(length+width), c["parameters"], "m %d r %d", m, r)
		assert.Equal(t, m+length, c["positions"], "m %d r %d", m, r)
		assert.LessOrEqual(t, c["accuracy"], 1., "a fraction")
	}
}

func TestMissingFilesAreNamed(t *testing.T) {
	_, err := collect(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "place.json")
	damaged := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(damaged, "shift"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(damaged, "shift", "place.json"), []byte("{"), 0o666))
	_, err = collect(damaged)
	require.ErrorContains(t, err, "place.json")
}
