package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/internal/foreign"
)

// ownWords is the value of --verbalizer that stands for the names of a task's classes.
const ownWords = "names"

// lookup finds the task that is meant, with the words that are; nil without one.
func (d *dataFlags) lookup() (task *tasks.Task, err error) {
	switch ext := strings.ToLower(filepath.Ext(d.task)); {
	case d.task == "" && d.verbalizer != "":
		return nil, usagef("--verbalizer gives a task's classes words: give --task")
	case d.task == "":
		return nil, nil
	case ext == ".yaml" || ext == ".yml":
		task, err = tasks.ReadFile(d.task)
	default:
		task, err = tasks.Lookup(d.task)
	}
	if err != nil {
		return nil, usagef("--task: %v", err)
	}
	if d.verbalizer == "" {
		return task, nil
	}
	words := strings.Split(d.verbalizer, ",")
	if d.verbalizer == ownWords {
		words = task.Labels
	}
	if task, err = task.WithWords(words); err != nil {
		return nil, usagef("--verbalizer: %v", err)
	}
	return task, nil
}

// labels are a task's classes; nil without a task, and of one whose answers are numbers or free text.
func labels(task *tasks.Task) []string {
	if task == nil {
		return nil
	}
	return task.Targets()
}

// dataFlags say how rows are made of a file.
type dataFlags struct{ task, verbalizer, sourceColumn, targetColumn, format string }

func (d *dataFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.task, "task", "", "take columns, template, labels and metrics of a task: "+strings.Join(tasks.Names(), ", ")+", or of one's own from a .yaml file")
	f.StringVar(&d.verbalizer, "verbalizer", "", "words that the model writes for the task's classes, in their order with commas between, or names for the classes' own (default digits from 0)")
	f.StringVar(&d.sourceColumn, "source-column", "", "the column of the source (default source, text or sentence)")
	f.StringVar(&d.targetColumn, "target-column", "", "the column of the target (default target or label)")
	f.StringVar(&d.format, "format", "", "what the rows are, whatever the file's name says: "+formatNames())
}

func (d *dataFlags) options(needTarget bool) (data.Options, error) {
	task, err := d.lookup()
	if err != nil {
		return data.Options{}, err
	}
	if task != nil && (d.sourceColumn != "" || d.targetColumn != "") {
		return data.Options{}, usagef("--task %s has columns of its own: leave out --source-column and --target-column", d.task)
	}
	if d.format != "" && !slices.Contains(data.Formats, data.Format(d.format)) {
		return data.Options{}, usagef("--format %s: give one of %s", d.format, formatNames())
	}
	return data.Options{
		Format: data.Format(d.format), Task: task, SourceColumn: d.sourceColumn, TargetColumn: d.targetColumn, NeedTarget: needTarget,
	}, nil
}

func formatNames() string {
	var names []string
	for _, f := range data.Formats {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// rowsUsage is that of flags which name rows.
const rowsUsage = "a file, - for standard input, or hf:ORG/DATASET of the hub, :SPLIT behind it"

// The splits that rows are taken from where no other is named.
var (
	trainSplits = []string{"train"}
	devSplits   = []string{"validation", "valid", "val", "dev"}
	testSplits  = append(slices.Clone(devSplits), "test")
)

// stdin is the name that stands for standard input.
const stdin = "-"

// openRows opens the rows that a flag names: those of a file, of standard input, or of a data set of
// the hub's.
func openRows(cmd *cobra.Command, flag, name string, opts data.Options, splits []string) (r *data.Reader, err error) {
	paths := []string{name}
	switch {
	case name == stdin:
	case strings.HasPrefix(name, hub.Prefix):
		paths, err = fetchRows(cmd, flag, name, splits)
	default:
		err = checkFile(flag, name, opts.Task)
	}
	if err != nil {
		return nil, err
	}
	if stat, statErr := os.Stat(paths[0]); opts.Format == "" && data.FormatOf(paths[0]) == "" && (statErr != nil || !stat.IsDir()) {
		return nil, usagef("--%s %s: the name does not say what the rows are: give --format with one of %s", flag, name, formatNames())
	}
	opts.Splits = splits
	if name == stdin {
		r, err = data.NewReader("standard input", cmd.InOrStdin(), opts)
	} else {
		r, err = data.Open(opts, paths...)
	}
	return r, withColumnFlags(err)
}

// checkFile refuses what is no file of rows, by its name or its first bytes, and no folder of the task's texts.
func checkFile(flag, name string, task *tasks.Task) error {
	stat, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		advice := ""
		if _, err := hub.ParseRef(hub.Dataset, name); err == nil && data.FormatOf(name) == "" {
			advice = fmt.Sprintf("; a data set of the hub is named hf:%s", name)
		}
		return fmt.Errorf("--%s %s: there is no such file%s", flag, name, advice)
	case err != nil:
		return fmt.Errorf("--%s: %w", flag, err)
	case stat.IsDir() && task != nil && task.FolderLayout() != nil:
		return nil
	case stat.IsDir():
		return fmt.Errorf("--%s %s: it is a folder: give the file in it that holds the rows", flag, name)
	case data.FormatOf(name) != "":
		return nil // opening it looks closer
	}
	if err := foreign.CheckFile(name, foreign.Gzip, foreign.UTF16); err != nil {
		return fmt.Errorf("--%s %s: %w", flag, name, err)
	}
	return nil
}

// loadRows reads all the rows that openRows opens.
func loadRows(cmd *cobra.Command, flag, name string, opts data.Options, splits []string) (*data.Dataset, error) {
	r, err := openRows(cmd, flag, name, opts, splits)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	d, err := data.ReadAll(r)
	if err == nil && d.LeftOut > 0 {
		warn(cmd, "--%s %s: %s left out that a line's end has cut in two, as the hub does", flag, name, plural(d.LeftOut, "row"))
	}
	return d, withColumnFlags(err)
}

// checkRows reads all the rows of a file on disk before the first is answered, so that a bad row is
// told at once. Rows that can be read only once are answered as they come.
func checkRows(cmd *cobra.Command, flag, name string, opts data.Options, splits []string) error {
	if stat, err := os.Stat(name); err != nil || !stat.Mode().IsRegular() {
		return nil
	}
	_, err := loadRows(cmd, flag, name, opts, splits)
	return err
}

// fetchRows brings a data set of the hub's.
func fetchRows(cmd *cobra.Command, flag, name string, splits []string) ([]string, error) {
	ref, part, err := hub.ParseDataset(name)
	if err != nil {
		return nil, usagef("--%s: %v", flag, err)
	}
	client, show := newClient(cmd)
	paths, err := client.Dataset(cmd.Context(), ref, part, splits...)
	show.close()
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", flag, name, err)
	}
	return paths, nil
}

// withColumnFlags names the flags that say which column is meant where none was found.
func withColumnFlags(err error) error {
	var c *data.ColumnError
	switch {
	case !errors.As(err, &c):
		return err
	case c.Source != "" && c.Target != "":
		return fmt.Errorf("%w: --source-column %s --target-column %s says which", err, quote(c.Source), quote(c.Target))
	case c.Source != "" || c.Target != "":
		return fmt.Errorf("%w: --%s-column %s says which", err, c.Role, quote(c.Source+c.Target))
	}
	return fmt.Errorf("%w: --%s-column NAME says which", err, c.Role)
}
