package data

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/internal/reference"
)

// turns are rows whose sources are their numbers, from 0, and whose classes take turns.
func turns(n, classes int) *Dataset {
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{Source: fmt.Sprint(i), Target: fmt.Sprint(i % classes)}
	}
	return NewDataset(rows)
}

func sourcesOf(d *Dataset) (all []string) {
	for i := range d.Len() {
		all = append(all, d.Row(i).Source)
	}
	return all
}

func named(t *testing.T, name string) *tasks.Task {
	task, err := tasks.Lookup(name)
	require.NoError(t, err)
	return task
}

func TestAuthorsSplit(t *testing.T) {
	// A small set: the validation rows in the order of torch.randperm(10), halved.
	train, dev, err := AuthorsTrain(named(t, "cb"), turns(7, 3), turns(10, 3))
	require.NoError(t, err)
	require.Equal(t, sourcesOf(turns(7, 3)), sourcesOf(train))
	require.Equal(t, []string{"2", "6", "1", "8", "4"}, sourcesOf(dev))
	test, err := AuthorsTest(named(t, "cb"), turns(10, 3))
	require.NoError(t, err)
	require.Equal(t, []string{"5", "0", "9", "3", "7"}, sourcesOf(test))

	// A large one.
	train, dev, err = AuthorsTrain(named(t, "sst2"), turns(67349, 2), nil)
	require.NoError(t, err)
	require.Equal(t, []int{66349, 1000}, []int{train.Len(), dev.Len()})
	require.Equal(t, []string{"6677", "49712", "38268", "32909"}, sourcesOf(dev)[:4])
	test, err = AuthorsTest(named(t, "sst2"), turns(10, 2))
	require.NoError(t, err)
	require.Equal(t, sourcesOf(turns(10, 2)), sourcesOf(test))
	seen := map[string]bool{}
	for _, source := range append(sourcesOf(train), sourcesOf(dev)...) {
		require.False(t, seen[source], "%s is there twice", source)
		seen[source] = true
	}

	train, dev, err = AuthorsTrain(named(t, "yelp"), turns(120_000, 2), nil)
	require.NoError(t, err)
	require.Equal(t, []int{100_000, 1000}, []int{train.Len(), dev.Len()})
	train, dev, err = AuthorsTrain(named(t, "mnli"), turns(5, 3), turns(4, 3))
	require.NoError(t, err)
	require.Equal(t, []int{5, 4}, []int{train.Len(), dev.Len()})

	_, _, err = AuthorsTrain(named(t, "qqp"), turns(1000, 2), nil)
	require.ErrorContains(t, err, "take 1000 rows of task qqp for dev and train on the rest, and there are 1000")
	_, _, err = AuthorsTrain(named(t, "agnews"), turns(5, 4), turns(4, 4))
	require.ErrorContains(t, err, "task agnews is none of the DePT authors'")
	_, err = AuthorsTest(named(t, "trec"), turns(5, 4))
	require.ErrorContains(t, err, "task trec is none of the DePT authors'")
}

// The authors' splits of the published files, to the row: a row here is its number in the file, from 0.
func TestReferenceSplits(t *testing.T) {
	data, ok := reference.Path(t, "data")
	if !ok {
		return
	}
	load := func(task *tasks.Task, path string) *Dataset {
		d, err := Load(Options{Task: task, NeedTarget: true}, data+"/"+path)
		require.NoError(t, err)
		return d
	}
	for _, tc := range []struct {
		task, train, validation string
		dev, test               int
		rows                    []int // of dev, the first; numbers in the validation set, or the training set
		shots                   []int // of numpy's permutation of the training rows, the first
	}{
		{"cola", "glue/CoLA/train.tsv", "glue/CoLA/dev.tsv", 521, 522, []int{911, 408, 813, 657, 710, 526, 977, 467}, []int{1792, 7950, 5436, 2959}},
		{"rte", "glue/RTE/train.tsv", "glue/RTE/dev.tsv", 138, 139, []int{207, 84, 253, 243, 190, 28, 165, 111}, []int{1913, 795, 1455, 1390}},
		{"cb", "superglue/CB/train.jsonl", "superglue/CB/val.jsonl", 28, 28, []int{22, 8, 36, 39, 34, 28, 26, 6}, nil},
		{"sst2", "glue/SST-2/train.tsv", "glue/SST-2/dev.tsv", 1000, 872, []int{6677, 49712, 38268, 32909, 23395, 66940, 62886, 11359}, nil},
	} {
		t.Run(tc.task, func(t *testing.T) {
			task := named(t, tc.task)
			published, validation := load(task, tc.train), load(task, tc.validation)
			given, from := validation, validation
			if task.Split == tasks.Thousand {
				given, from = nil, published
			}
			train, dev, err := AuthorsTrain(task, published, given)
			require.NoError(t, err)
			test, err := AuthorsTest(task, validation)
			require.NoError(t, err)
			require.Equal(t, []int{tc.dev, tc.test}, []int{dev.Len(), test.Len()})
			for i, row := range tc.rows {
				require.Equal(t, from.Row(row), dev.Row(i))
			}
			if task.Split == tasks.Thousand {
				require.Equal(t, published.Len()-1000, train.Len())
			} else {
				require.Equal(t, published, train)
			}
			if tc.shots == nil {
				return
			}
			// The first row that the authors' sampling takes is the first of the permutation.
			shots, err := Shots(task, train, 16, ShotsAuthors, 42)
			require.NoError(t, err)
			require.Equal(t, 16, shots.Len())
			require.Equal(t, train.Row(tc.shots[0]), shots.Row(0))
		})
	}
}

func TestShots(t *testing.T) {
	sst2, cb := named(t, "sst2"), named(t, "cb")
	// The permutation of 10 by seed 42 is 5 6 0 7 3 2 4 9 1 8.
	draw := func(task *tasks.Task, d *Dataset, k int, how string) []string {
		shots, err := Shots(task, d, k, how, 42)
		require.NoError(t, err)
		return sourcesOf(shots)
	}
	require.Equal(t, []string{"5", "6", "0", "7"}, draw(sst2, turns(10, 2), 4, ShotsBalanced))
	// Classes are 2 0 0 1 0 2 1 0 1 2 in that order: one of each, then the authors take whatever is next.
	require.Equal(t, []string{"5", "6", "0", "7"}, draw(cb, turns(10, 3), 4, ShotsBalanced), "class 0 has one more")
	require.Equal(t, []string{"5", "6", "7", "3"}, draw(cb, turns(10, 3), 4, ShotsAuthors))
	// Of five, one of each and a remainder of two, which the authors' never reaches.
	require.Equal(t, []string{"5", "6", "0", "7", "4"}, draw(cb, turns(10, 3), 5, ShotsBalanced))
	require.Equal(t, []string{"5", "6", "7"}, draw(cb, turns(10, 3), 5, ShotsAuthors))
	// Of two of two classes the second is any: 5 and 7 are both of class 1, 6 and 0 of class 0.
	require.Equal(t, []string{"5", "6"}, draw(sst2, turns(10, 2), 2, ShotsAuthors))
	odd := NewDataset([]Row{{Source: "5", Target: "1"}, {Source: "6", Target: "1"}})
	require.Len(t, draw(sst2, odd, 2, ShotsAuthors), 2, "and may be of a class that is full")

	numbers := NewDataset([]Row{{Source: "low", Target: "2.5"}, {Source: "high", Target: "2.6"}, {Source: "higher", Target: "5.0"}})
	require.Contains(t, draw(named(t, "stsb"), numbers, 2, ShotsBalanced), "low")
	require.Len(t, draw(named(t, "nq"), numbers, 2, ShotsBalanced), 2)

	_, err := Shots(sst2, odd, 2, ShotsBalanced, 42)
	require.ErrorContains(t, err, "too few rows of a class to draw 2: 1 of 0 are missing")
	_, err = Shots(sst2, odd, 3, ShotsBalanced, 42)
	require.ErrorContains(t, err, "3 rows of 2 cannot be drawn")
	_, err = Shots(named(t, "nq"), numbers, 2, ShotsAuthors, 42)
	require.ErrorContains(t, err, "no classes")
}
