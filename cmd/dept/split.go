package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
)

// The values of --split.
const (
	splitOfficial = "official"
	splitAuthors  = "dept"
)

// splitFlags say which of a task's published rows are trained on, chosen by and scored.
type splitFlags struct {
	split string
	shots int
	draw  string
}

const splitUsage = "which rows: as the files have them (official), or as the DePT authors make dev and test of a task's published training and validation sets (dept)"

// addTest registers the flag of a command that scores rows.
func (s *splitFlags) addTest(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.split, "split", splitOfficial, splitUsage+": --data is then the validation set")
}

// addTrain registers those of a command that trains.
func (s *splitFlags) addTrain(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.split, "split", splitOfficial, splitUsage+": --dev is then the validation set, or left out where dev is 1,000 rows of --train")
	f.IntVar(&s.shots, "shots", 0, "train on so many of the rows, drawn by --seed (default all)")
	f.StringVar(&s.draw, "shots-draw", data.ShotsBalanced, "how --shots are drawn: as many of each class (balanced), or as the DePT authors do (dept)")
}

// check refuses what makes no sense, before any file is opened. The dev file is that of a training, or "" for none.
func (s *splitFlags) check(task *tasks.Task, training bool, dev string) error {
	switch {
	case s.split != splitOfficial && s.split != splitAuthors:
		return usagef("--split %s: give %s or %s", s.split, splitOfficial, splitAuthors)
	case s.split == splitAuthors && task == nil:
		return usagef("--split %s is of a task: give --task", s.split)
	case s.split == splitAuthors && task.Split == tasks.NoSplit:
		return usagef("--split %s: task %s is none of the DePT authors', who have no split of it: leave it out", s.split, task.Name)
	case training && s.split == splitAuthors && task.Split == tasks.Thousand && dev != "":
		return usagef("--split %s makes dev of 1,000 rows of --train for task %s: leave out --dev", s.split, task.Name)
	case training && s.split == splitAuthors && task.Split != tasks.Thousand && dev == "":
		return usagef("--split %s makes dev of the validation set for task %s: give its file as --dev", s.split, task.Name)
	case s.draw != "" && s.draw != data.ShotsBalanced && s.draw != data.ShotsAuthors:
		return usagef("--shots-draw %s: give %s or %s", s.draw, data.ShotsBalanced, data.ShotsAuthors)
	case s.shots < 0:
		return usagef("--shots %d: give a number of rows", s.shots)
	case s.shots > 0 && task == nil:
		return usagef("--shots draws by a task's classes: give --task")
	}
	return nil
}

// makesDev says whether dev rows come without a file of their own.
func (s *splitFlags) makesDev(task *tasks.Task) bool {
	return s.split == splitAuthors && task != nil && task.Split == tasks.Thousand
}

// train makes the rows to train on and to choose by of those of the files; dev is nil without any.
func (s *splitFlags) train(task *tasks.Task, rows, dev *data.Dataset, seed uint64) (*data.Dataset, *data.Dataset, error) {
	var err error
	if s.split == splitAuthors {
		if rows, dev, err = data.AuthorsTrain(task, rows, dev); err != nil {
			return nil, nil, fmt.Errorf("--split %s: %w", s.split, err)
		}
	}
	if s.shots > 0 {
		if rows, err = data.Shots(task, rows, s.shots, s.draw, seed); err != nil {
			return nil, nil, fmt.Errorf("--shots %d: %w", s.shots, err)
		}
	}
	return rows, dev, nil
}

// test makes the rows to score of a file's.
func (s *splitFlags) test(task *tasks.Task, rows *data.Dataset) (*data.Dataset, error) {
	if s.split != splitAuthors {
		return rows, nil
	}
	rows, err := data.AuthorsTest(task, rows)
	if err != nil {
		return nil, fmt.Errorf("--split %s: %w", s.split, err)
	}
	return rows, nil
}
