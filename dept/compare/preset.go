package compare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/tasks"
)

// DePTPaper is the setting of the DePT authors for each of their tasks, on T5-base: 32 rows an
// update, 500 updates of warm-up, an evaluation every 1,000, their rows for dev and test, and of DePT
// the sizes and rates that they report. A prompt of 100 tokens has as many numbers as these.
const DePTPaper = "dept-paper"

// Presets lists the presets' names.
var Presets = []string{DePTPaper}

// paperTask is how the authors train DePT on a task. Rates and sizes are those in the logs beside
// their checkpoints.
type paperTask struct {
	names           string // of tasks
	maxSource       int
	length, rank    int
	prompt, lowRank string // rates; with commas between, to try
	steps           int
}

// The rates that the authors try where they say no more.
const (
	paperPrompt  = "0.3,0.4"
	paperLowRank = "1e-4,5e-4,1e-3,5e-3"
)

var paperTasks = []paperTask{
	{"sst2", 256, 60, 30, "0.3", "5e-4", 30000},
	{"cola", 256, 80, 15, "0.3", "5e-4", 40000},
	{"mrpc", 256, 60, 30, "0.3", "5e-3", 10000},
	{"rte", 256, 60, 30, "0.4", "1e-4", 30000},
	{"stsb", 256, 60, 30, "0.3", "1e-4", 30000},
	{"qnli", 256, 60, 30, "0.4", "5e-3", 100000},
	{"qqp", 256, 60, 30, "0.4", "5e-3", 100000},
	{"mnli", 256, 60, 30, "0.3", "1e-4", 250000},
	{"boolq", 256, 40, 45, "0.3", "5e-3", 30000},
	{"cb", 256, 60, 30, "0.4", "1e-4", 30000},
	{"wic", 256, 60, 30, "0.3", "1e-3", 20000},
	{"multirc", 348, 60, 30, paperPrompt, paperLowRank, 30000},
	{"wsc", 256, 60, 30, paperPrompt, paperLowRank, 30000},
	{"nq hotpotqa searchqa newsqa", 512, 60, 24, paperPrompt, "1e-4", 200000},
	{"winogrande yelp scitail paws", 256, 60, 30, paperPrompt, paperLowRank, 30000},
}

// presetFor is what a preset says of a task with a method.
func presetFor(name, task string, kind *dept.Kind) (Settings, error) {
	if name != DePTPaper {
		return nil, fmt.Errorf("there is no preset %q: there are %s", name, strings.Join(Presets, ", "))
	}
	if t, err := tasks.Lookup(task); err == nil {
		task = t.Name
	}
	i := slices.IndexFunc(paperTasks, func(p paperTask) bool { return slices.Contains(strings.Fields(p.names), task) })
	if i < 0 {
		var names []string
		for _, p := range paperTasks {
			names = append(names, strings.Fields(p.names)...)
		}
		return nil, fmt.Errorf("preset %s: the paper has no task %s: it has %s", name, task, strings.Join(names, ", "))
	}
	p := paperTasks[i]
	s := Settings{}
	add := func(name string, values ...string) { s = append(s, Setting{name, values, "preset " + DePTPaper}) }
	add("split", "dept")
	add("steps", strconv.Itoa(p.steps))
	add("batch-size", "32")
	add("warmup-steps", "500")
	add("eval-every", "1000")
	add("save-every", "1000")
	add("max-source-length", strconv.Itoa(p.maxSource))
	switch kind {
	case &dept.DePT:
		add("prompt-length", strconv.Itoa(p.length))
		add("rank", strconv.Itoa(p.rank))
		add("lr-prompt", strings.Split(p.prompt, ",")...)
		add("lr-lowrank", strings.Split(p.lowRank, ",")...)
	case &dept.PromptTuning:
		add("prompt-length", "100")
		add("lr-prompt", strings.Split(paperPrompt, ",")...)
	}
	return s, nil
}
