package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/internal/permutation"
)

// What the DePT authors split by, whatever the seed of a run.
const (
	authorsSeed = 42
	authorsDev  = 1000 // rows of a large training set that are dev
)

// AuthorsTrain makes train and dev of a task's published rows as the DePT authors do; the second of those
// is the validation set, which is nil for a task of which they make dev from the training set. Which it is
// the task's Split says.
func AuthorsTrain(t *tasks.Task, published, validation *Dataset) (train, dev *Dataset, err error) {
	switch t.Split {
	case tasks.NoSplit:
		return nil, nil, fmt.Errorf("task %s is none of the DePT authors': they have no split of it", t.Name)
	case tasks.Official:
		return published, validation, nil
	case tasks.Halves:
		order := permutation.Torch(authorsSeed, validation.Len())
		return published, validation.Select(order[:len(order)/2]), nil
	}
	if published.Len() <= authorsDev {
		return nil, nil, fmt.Errorf("the DePT authors take %d rows of task %s for dev and train on the rest, and there are %d", authorsDev, t.Name, published.Len())
	}
	order := permutation.Torch(authorsSeed, published.Len())
	dev, order = published.Select(order[:authorsDev]), order[authorsDev:]
	if t.Most > 0 {
		order = order[:min(len(order), t.Most)]
	}
	return published.Select(order), dev, nil
}

// AuthorsTest makes test of a task's published validation rows as the DePT authors do.
func AuthorsTest(t *tasks.Task, validation *Dataset) (*Dataset, error) {
	switch t.Split {
	case tasks.NoSplit:
		return nil, fmt.Errorf("task %s is none of the DePT authors': they have no split of it", t.Name)
	case tasks.Halves:
		order := permutation.Torch(authorsSeed, validation.Len())
		return validation.Select(order[len(order)/2:]), nil
	}
	return validation, nil
}

// Select is the rows of these numbers, in this order.
func (d *Dataset) Select(rows []int) *Dataset {
	s := &Dataset{rows: make([]Row, len(rows))}
	for i, k := range rows {
		s.rows[i] = d.rows[k]
	}
	return s
}

// How Shots draws.
const (
	ShotsBalanced = "balanced" // as many rows of each class; of a remainder the first classes have one more
	ShotsAuthors  = "dept"     // as the DePT authors: the last row may be of any class, and where k is no multiple of the classes there may be fewer
)

// Shots draws k rows to learn a task from by a seed, in the order of numpy's permutation. Numbers count as two
// classes, up to 2.5 and above. A data set of free text has none, so that its shots are the first of the order.
func Shots(t *tasks.Task, d *Dataset, k int, how string, seed uint64) (*Dataset, error) {
	if k < 1 || k > d.Len() {
		return nil, fmt.Errorf("%d rows of %d cannot be drawn", k, d.Len())
	}
	order := permutation.NumPy(seed, d.Len())
	classes := t.Targets()
	class := func(row int) int { return slices.Index(classes, d.Row(row).Target) }
	switch t.Answer {
	case tasks.Text:
		if how == ShotsAuthors {
			return nil, fmt.Errorf("task %s has no classes, and the DePT authors draw by class", t.Name)
		}
		return d.Select(order[:k]), nil
	case tasks.Number:
		classes = []string{"up to 2.5", "above 2.5"}
		class = func(row int) int {
			if x, err := strconv.ParseFloat(d.Row(row).Target, 64); err == nil && x <= 2.5 {
				return 0
			}
			return 1
		}
	}
	var drawn []int
	left := make([]int, len(classes)) // of each class
	for i := range left {
		left[i] = k / len(classes)
		if how == ShotsBalanced && i < k%len(classes) {
			left[i]++
		}
	}
	for _, row := range order {
		if len(drawn) == k {
			break
		}
		c := class(row)
		if c >= 0 && left[c] > 0 || how == ShotsAuthors && len(drawn) == k-1 {
			left[max(c, 0)]--
			drawn = append(drawn, row)
		}
	}
	if how == ShotsBalanced && len(drawn) < k {
		var short []string
		for i, n := range left {
			if n > 0 {
				short = append(short, fmt.Sprintf("%d of %s", n, classes[i]))
			}
		}
		return nil, fmt.Errorf("there are too few rows of a class to draw %d: %s are missing", k, strings.Join(short, " and "))
	}
	return d.Select(drawn), nil
}
