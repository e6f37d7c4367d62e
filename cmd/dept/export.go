package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/internal/atomicfile"
)

// cardFile is a model card: what the hub shows of a repository.
const cardFile = "README.md"

//go:embed card.md.tmpl
var cardText string

var cardTemplate = template.Must(template.New(cardFile).Parse(cardText))

func exportCommand() *cobra.Command {
	var adapter string
	var card, overwrite bool
	cmd := &cobra.Command{
		Use:   "export --hub-card --adapter DIR",
		Short: "Write a model card beside an adapter, for the Hugging Face Hub",
		Long: `Write README.md beside an adapter that dept trained: the front matter that the Hugging
Face Hub reads, the settings of the run and the best metrics of its log, and how to
load the adapter with dept and, where it can, with PEFT. Add what only you know: what
the rows are and what the adapter is for. Then the folder can be uploaded, with
  hf upload ORG/NAME DIR --include README.md 'adapter*'`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if !card {
				return usagef("say what to write: --hub-card")
			}
			path := filepath.Join(adapter, cardFile)
			if _, err := os.Stat(path); err == nil && !overwrite {
				return usagef("%s is there: replace it with --overwrite", path)
			}
			c, err := newCard(adapter)
			if err != nil {
				return err
			}
			if c.Base == "" {
				warn(cmd, "the adapter's model is no name on the hub (%s): put it into base_model in %s before others use it", c.Model, path)
			}
			text, err := c.write()
			if err != nil {
				return err
			}
			err = atomicfile.WriteFile(path, func(w io.Writer) error {
				_, err := w.Write(text)
				return err
			})
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&card, "hub-card", false, "write a model card, README.md")
	f.StringVar(&adapter, "adapter", "", "the adapter's folder")
	f.BoolVar(&overwrite, "overwrite", false, "replace a README.md that is there")
	obligatory(cmd, "adapter")
	return cmd
}

// modelCard is what a card says.
type modelCard struct {
	Title, About string // of the method
	Describe     string // the adapter's sizes
	Parameters   string
	Base, Model  string // the model on the hub, if that is known, and as the adapter names it
	Commit       string // of Base
	Task         string // its name
	Source       tasks.Template
	Answer       string      // what is answered to Source
	Settings     [][2]string // a name and a value each
	Metrics      []cardMetric
	Step         int    // that the metrics are of
	Peft, Hub    bool   // PEFT reads the adapter, or AdapterHub's adapters
	Code         string // of the authors, where that does
	method       string
}

type cardMetric struct {
	Type  string  `yaml:"type"`
	Value float64 `yaml:"value"`
}

// authors have code for their methods whose files are those of dept.
var authors = map[*dept.Kind]string{&dept.DePT: "https://github.com/ZhengxiangShi/DePT", &dept.ADePT: "https://github.com/HungerPWAY/ADePT"}

// newCard collects what an adapter's folder says.
func newCard(dir string) (*modelCard, error) {
	a, err := dept.ReadAdapter(dir)
	if err != nil {
		return nil, err
	}
	k := a.Config.Kind()
	c := &modelCard{
		Title: k.Title, About: k.About, Describe: a.Config.Describe(), Parameters: count(a.Parameters()), Model: a.Base.Model,
		Peft: slices.Contains([]*dept.Kind{&dept.PromptTuning, &dept.LoRA, &dept.IA3, &dept.Norms}, k), Hub: k.Hub, Code: authors[k], method: k.Name,
	}
	for _, s := range k.Settings {
		if s.Of != nil {
			c.set("--"+s.Name, s.Of(a.Config))
		}
	}
	if s := a.Config.MaxSource(); s > 0 {
		c.set("--max-source-length", s)
	}
	if base := train.RunBase(dir); base != nil {
		c.Commit = base.Commit
	}
	if _, err := hub.ParseRef(hub.Model, c.Model); err == nil {
		if _, err := os.Stat(c.Model); err != nil || c.Commit != "" { // a folder here is no repository there
			c.Base = c.Model
		}
	}
	if err := c.readRun(dir); err != nil {
		return nil, err
	}
	if task, err := tasks.Lookup(c.Task); err == nil {
		c.Source, c.Answer = task.Layouts[0].Source, answerOf(inWordsOf(task, a.Answers))
	}
	return c, c.readLog(dir)
}

// answerOf says what answers of a task are.
func answerOf(task *tasks.Task) string {
	switch task.Answer {
	case tasks.Number:
		return "a number from `0.0` to `5.0`"
	case tasks.Text:
		return "free text"
	}
	answers := slices.Clone(task.Targets())
	for i, label := range task.Labels {
		answers[i] = fmt.Sprintf("`%s` (%s)", answers[i], label)
	}
	return strings.Join(answers, ", ")
}

func (c *modelCard) set(name string, value any) {
	c.Settings = append(c.Settings, [2]string{name, strings.Trim(fmt.Sprint(value), "[]")})
}

// readRun takes the settings of the run that made the adapter, if its folder is there.
func (c *modelCard) readRun(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, train.RunFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var run struct {
		Task  string
		Train train.Options
	}
	if err == nil {
		err = json.Unmarshal(data, &run)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, train.RunFile), err)
	}
	c.Task = run.Task
	o := run.Train
	for _, group := range slices.Sorted(maps.Keys(o.Rates)) {
		name := "--lr"
		if group != "" {
			name += "-" + group
		}
		c.set(name, o.Rates[group])
	}
	c.set("--steps", o.Steps)
	c.set("--batch-size", o.Batch)
	c.set("--accumulate", o.Accumulate)
	c.set("--warmup-steps", o.Warmup)
	c.set("--clip", o.Clip)
	c.set("--dropout", o.Dropout)
	c.set("--max-target-length", o.MaxTargetLength)
	c.set("--seed", o.Seed)
	if o.Precision != train.Float32 {
		c.set("--precision", o.Precision)
	}
	return nil
}

// readLog takes the metrics of the evaluation whose adapter the folder holds: the last one that was
// the best.
func (c *modelCard) readLog(dir string) error {
	f, err := os.Open(filepath.Join(dir, train.LogFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Step    int
			Metrics map[string]float64
			Best    bool
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || !line.Best {
			continue // a line that was cut off is none
		}
		c.Metrics, c.Step = nil, line.Step
		for _, name := range slices.Sorted(maps.Keys(line.Metrics)) {
			c.Metrics = append(c.Metrics, cardMetric{name, line.Metrics[name]})
		}
	}
	return lines.Err()
}

// The keys of a card's front matter that the hub reads.
type frontMatter struct {
	Base    string       `yaml:"base_model,omitempty"`
	Library string       `yaml:"library_name,omitempty"`
	Tags    []string     `yaml:"tags"`
	Metrics []string     `yaml:"metrics,omitempty"`
	Index   []modelIndex `yaml:"model-index,omitempty"`
}

type modelIndex struct {
	Name    string        `yaml:"name"`
	Results []modelResult `yaml:"results"`
}

type modelResult struct {
	Task    map[string]string `yaml:"task"`
	Dataset map[string]string `yaml:"dataset"`
	Metrics []cardMetric      `yaml:"metrics"`
}

// front is the card's front matter.
func (c *modelCard) front() frontMatter {
	f := frontMatter{Base: c.Base, Tags: []string{"dept", c.method, "t5"}}
	f.Tags = slices.Compact(f.Tags)
	if c.Base != "" {
		f.Tags = append(f.Tags, "base_model:adapter:"+c.Base)
	}
	switch {
	case c.Peft:
		f.Library = "peft"
	case c.Hub:
		f.Library = "adapter-transformers"
	}
	if len(c.Metrics) == 0 {
		return f
	}
	for _, m := range c.Metrics {
		f.Metrics = append(f.Metrics, m.Type)
	}
	name := "text to text"
	if c.Task != "" {
		name = c.Task
	}
	f.Index = []modelIndex{{c.Title, []modelResult{{
		Task:    map[string]string{"type": "text2text-generation"},
		Dataset: map[string]string{"type": name, "name": name},
		Metrics: c.Metrics,
	}}}}
	return f
}

// write makes the file.
func (c *modelCard) write() ([]byte, error) {
	var text bytes.Buffer
	text.WriteString("---\n")
	yaml := yaml.NewEncoder(&text)
	yaml.SetIndent(2)
	if err := yaml.Encode(c.front()); err != nil {
		return nil, err
	}
	text.WriteString("---\n\n")
	err := cardTemplate.Execute(&text, c)
	return text.Bytes(), err
}
