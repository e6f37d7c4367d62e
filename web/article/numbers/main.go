// Command numbers writes web/article/numbers.json: every number that the article says. It
// measures nothing. Figures of the experiment come from docs/shift, costs from docs/costs, and
// what the model is from the model itself; "made" says of each which command made it, on what
// adapter, and when. It is run in the repository's root.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/backbone"
)

const written = "web/article/numbers.json"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "the article's numbers:", err)
		os.Exit(1)
	}
}

func run() error {
	all, err := collect("docs")
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(written, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(all)
	})
}

// object is one of JSON.
type object = map[string]any

// origin says where a group of numbers comes from.
type origin struct {
	Command string `json:"command"`
	Adapter string `json:"adapter,omitempty"`
	Date    string `json:"date,omitempty"`
	Seeds   int    `json:"seeds,omitempty"` // how many it is the mean over
}

// collect reads what the commands have left in the folder of documents.
func collect(docs string) (object, error) {
	made := map[string]origin{}
	all := object{"made": made}
	for _, group := range []struct {
		name string
		read func(docs string, made map[string]origin) (any, error)
	}{
		{"model", readModel},
		{"place", byVariant("place")}, {"starts", byVariant("starts")}, {"things", byVariant("things")}, {"start", byVariant("start")},
		{"constant", byVariant("constant")}, {"budget", byVariant("budget")}, {"rows", byVariant("rows")},
		{"grid", readGrid}, {"lessons", readLessons},
		{"step", readStep}, {"sizes", readSizes}, {"recorded", readRecording}, {"real", readReal},
	} {
		numbers, err := group.read(docs, made)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", group.name, err)
		}
		all[group.name] = numbers
	}
	return all, nil
}

// readModel describes the model and the demonstration on it.
func readModel(string, map[string]origin) (any, error) {
	ck, err := t5.OpenCheckpointFS(backbone.Files())
	if err != nil {
		return nil, err
	}
	defer ck.Close()
	both := demo.Variants(demo.MaxSource)[0]
	o := demo.Tuning(both, demo.Seed)
	nearest, err := nearestToRandom(ck)
	if err != nil {
		return nil, err
	}
	return object{
		"question": demo.TopicQuestion, "nearest_to_random": nearest,
		"parameters": ck.Config.Describe().Parameters(), "width": demo.Width, "length": demo.MaxSource, "shift": demo.MaxSource * demo.Width,
		"vocabulary": ck.Config.Describe().Vocabulary, "budget": demo.Budget, "budget_numbers": demo.Budget * demo.Width, "m": both.Config.PromptLength, "r": both.Config.Rank, "trained": both.Config.Parameters(),
		"steps": o.Steps, "batch": o.Batch, "rows": demo.TrainRows, "held": demo.HeldRows, "page_held": demo.PageRows, "seed": demo.Seed,
		"rate_prompt": o.Rates["prompt"], "rate_lowrank": o.Rates["lowrank"],
	}, nil
}

// nearestToRandom is the cosine of the angle between a random direction and the piece that is
// nearest to it, the mean over some directions: what a row of P comes to that says nothing.
func nearestToRandom(ck *t5.Checkpoint) (float64, error) {
	table, err := ck.Float32(ck.Config.Describe().Embedding)
	if err != nil {
		return 0, err
	}
	const directions = 100
	random := rand.New(rand.NewPCG(1, 1))
	sum := 0.
	for range directions {
		var v [demo.Width]float64
		for i := range v {
			v[i] = random.NormFloat64()
		}
		most := -1.
		for at := 0; at < len(table); at += demo.Width {
			var dot, piece, own float64
			for i, x := range table[at:][:demo.Width] {
				dot, piece, own = dot+v[i]*float64(x), piece+float64(x)*float64(x), own+v[i]*v[i]
			}
			most = max(most, dot/math.Sqrt(piece*own))
		}
		sum += most / directions
	}
	return math.Round(1e3*sum) / 1e3, nil
}

// figure is one of the experiment, as go run ./internal/shift writes it.
type figure struct {
	Figure string    `json:"figure"`
	Device string    `json:"device"`
	Date   string    `json:"date"`
	Seeds  [2]uint64 `json:"seeds"`
	Axis   string    `json:"axis"`
	Cells  []cell    `json:"cells"`
}

type cell struct {
	Task     string    `json:"task"`
	At       float64   `json:"at"`
	Lesson   string    `json:"lesson"`
	Change   string    `json:"change"`
	From     *variant  `json:"from"`
	Variants []variant `json:"variants"`
}

type variant struct {
	Variant    string  `json:"variant"`
	Length     int     `json:"prompt_length"`
	Rank       int     `json:"rank"`
	Reads      int     `json:"reads"`
	Parameters int     `json:"parameters"`
	RateP      float64 `json:"lr_prompt"`
	RateAB     float64 `json:"lr_lowrank"`
	Rows       int     `json:"rows"`
	Steps      int     `json:"steps"`
	Seeds      int     `json:"seeds"`
	Dev        float64 `json:"dev"`
	Test       float64 `json:"test"`
	SD         float64 `json:"sd"`
}

func readFigure(docs, name string, made map[string]origin) (f figure, err error) {
	if err := read(filepath.Join(docs, "shift", name+".json"), &f); err != nil {
		return f, err
	}
	made[name] = origin{
		Command: fmt.Sprintf("go run ./internal/shift -figure %s -seeds %d-%d", name, f.Seeds[0], f.Seeds[1]),
		Adapter: f.Device, Date: f.Date, Seeds: int(f.Seeds[1] - f.Seeds[0] + 1),
	}
	return f, nil
}

// byVariant reads a figure as percents by task, place on its axis, if it has one, and variant;
// "sd" has the standard deviations.
func byVariant(name string) func(string, map[string]origin) (any, error) {
	return func(docs string, made map[string]origin) (any, error) {
		f, err := readFigure(docs, name, made)
		if err != nil {
			return nil, err
		}
		tasks := object{}
		for _, c := range f.Cells {
			numbers, deviations := object{}, object{}
			for _, v := range c.Variants {
				numbers[v.Variant], deviations[v.Variant] = v.Test, v.SD
			}
			numbers["sd"] = deviations
			if f.Axis == "" {
				tasks[c.Task] = numbers
				continue
			}
			if tasks[c.Task] == nil {
				tasks[c.Task] = object{}
			}
			tasks[c.Task].(object)[fmt.Sprint(c.At)] = numbers
		}
		return tasks, nil
	}
}

// readGrid is the budget explorer's: accuracies are fractions.
func readGrid(docs string, made map[string]origin) (any, error) {
	f, err := readFigure(docs, "grid", made)
	if err != nil {
		return nil, err
	}
	var lengths, ranks []int
	var cells []object
	for _, c := range f.Cells {
		v := c.Variants[0]
		lengths, ranks = append(lengths, v.Length), append(ranks, v.Rank)
		cells = append(cells, object{
			"m": v.Length, "r": v.Rank, "parameters": v.Parameters, "positions": v.Reads, "seeds": v.Seeds,
			"accuracy": fraction(v.Test), "sd": fraction(v.SD), "dev": fraction(v.Dev),
		})
	}
	return object{"m": distinct(lengths), "r": distinct(ranks), "budget": demo.Budget * demo.Width, "cells": cells}, nil
}

func distinct(list []int) []int {
	slices.Sort(list)
	return slices.Compact(list)
}

// fraction is of percents.
func fraction(percent float64) float64 { return math.Round(100*percent) / 1e4 }

// readLessons are percents before and after a change: the mean over seeds on test rows, and, as
// "page", the page's own run on its own rows.
func readLessons(docs string, made map[string]origin) (any, error) {
	f, err := readFigure(docs, "lessons", made)
	if err != nil {
		return nil, err
	}
	page, err := readFigure(docs, "page", made)
	if err != nil {
		return nil, err
	}
	lessons := object{}
	for _, c := range f.Cells {
		v := c.Variants[0]
		l := object{
			"change": c.Change, "m": v.Length, "r": v.Rank, "rate_prompt": v.RateP, "rate_lowrank": v.RateAB, "steps": v.Steps, "rows": v.Rows,
			"parameters": v.Parameters, "before": c.From.Test, "before_sd": c.From.SD, "after": v.Test, "after_sd": v.SD, "seeds": v.Seeds,
		}
		for _, p := range page.Cells {
			if p.Lesson == c.Lesson {
				l["page"] = object{"before": p.From.Test, "after": p.Variants[0].Test}
			}
		}
		lessons[c.Lesson] = l
	}
	return lessons, nil
}

// kind is a kind of work in a step.
type kind struct {
	Kind       string  `json:"kind"`
	MS         float64 `json:"ms"`
	FMA        int64   `json:"fma"`
	Dispatches int     `json:"dispatches"`
}

type device struct {
	Name string `json:"name"`
}

// readStep is where a training step's time goes, DePT beside prompt tuning at T5-small's sizes. Times
// are those of the kernels one by one: a whole step's has in it what else the machine did.
func readStep(docs string, made map[string]origin) (any, error) {
	type prompt struct {
		Length     int    `json:"prompt_length"`
		Rank       int    `json:"rank"`
		Parameters int    `json:"parameters"`
		Work       []kind `json:"work"`
		OwnBytes   int64  `json:"peak_bytes_without_weights"`
		PeakBytes  int64  `json:"peak_bytes"`
	}
	var r struct {
		Date   string  `json:"date"`
		Device device  `json:"device"`
		Batch  int     `json:"batch_size"`
		Source int     `json:"source_length"`
		Target int     `json:"target_length"`
		DePT   prompt  `json:"dept"`
		PT     prompt  `json:"pt"`
		Bytes  float64 `json:"bytes_ratio"`
	}
	if err := read(filepath.Join(docs, "costs", "step.json"), &r); err != nil {
		return nil, err
	}
	made["step"] = origin{Command: "dept bench --steps 3 --json", Adapter: r.Device.Name, Date: r.Date}
	sum := func(p prompt) (ms float64) {
		for _, k := range p.Work {
			ms += k.MS
		}
		return ms
	}
	of := func(p prompt) object {
		return object{
			"m": p.Length, "r": p.Rank, "trained": p.Parameters, "reads": p.Length + r.Source, "ms": math.Round(10*sum(p)) / 10, "work": p.Work,
			"bytes": p.PeakBytes, "bytes_without_weights": p.OwnBytes,
		}
	}
	return object{
		"batch": r.Batch, "source": r.Source, "target": r.Target, "dept": of(r.DePT), "pt": of(r.PT),
		"reads_ratio": rounded(float64(r.DePT.Length+r.Source) / float64(r.PT.Length+r.Source)),
		"ratio":       rounded(sum(r.DePT) / sum(r.PT)), "bytes_without_weights_ratio": rounded(r.Bytes),
	}, nil
}

// costs is what dept bench --config says of a model.
type costs struct {
	Date       string `json:"date"`
	Batch      int    `json:"batch_size"`
	Parameters int    `json:"model_parameters"`
	Lengths    []struct {
		Source          int                `json:"source_length"`
		DePT            costPrompt         `json:"dept"`
		PT              costPrompt         `json:"pt"`
		StepRatios      map[string]float64 `json:"step_ratios"`
		InferenceRatios map[string]float64 `json:"inference_ratios"`
	} `json:"lengths"`
}

type costPrompt struct {
	Length     int      `json:"prompt_length"`
	Rank       int      `json:"rank"`
	Parameters int      `json:"parameters"`
	Step       costWork `json:"step"`
	Inference  costWork `json:"inference"`
}

type costWork struct {
	FMA       int64 `json:"fma"`
	PeakBytes int64 `json:"peak_bytes"`
	OwnBytes  int64 `json:"peak_bytes_without_weights"`
}

// readSizes are the first T5s: what is trained beside what there is, and what a step and an answer
// take by length, counted.
func readSizes(docs string, made map[string]origin) (any, error) {
	sizes := object{}
	for _, model := range []string{"t5-small", "t5-base", "t5-large", "t5-3b"} {
		var c costs
		if err := read(filepath.Join(docs, "costs", "plan-"+model+".json"), &c); err != nil {
			return nil, err
		}
		made["sizes"] = origin{Command: "dept bench --config MODEL --batch-size 32 --plan --json", Date: c.Date}
		lengths := object{}
		for _, l := range c.Lengths {
			of := func(p costPrompt) object {
				return object{
					"m": p.Length, "r": p.Rank, "trained": p.Parameters, "percent": share(p.Parameters, c.Parameters), "reads": p.Length + l.Source,
					"fma": p.Step.FMA, "bytes": p.Step.PeakBytes, "bytes_without_weights": p.Step.OwnBytes, "answer_fma": p.Inference.FMA,
				}
			}
			lengths[fmt.Sprint(l.Source)] = object{"dept": of(l.DePT), "pt": of(l.PT), "fma_ratio": rounded(l.StepRatios["fma"]), "bytes_ratio": rounded(l.StepRatios["peak_bytes"]),
				"bytes_without_weights_ratio": rounded(l.StepRatios["peak_bytes_without_weights"]), "answer_fma_ratio": rounded(l.InferenceRatios["fma"])}
		}
		sizes[model] = object{"parameters": c.Parameters, "batch": c.Batch, "lengths": lengths}
	}
	return sizes, nil
}

// readRecording is the run that the article begins with: percent of the rows that the page holds
// back, of both parts and of each with the rest counted as zero; and the cosine of the piece that is
// nearest to each row of P, the mean over the rows.
func readRecording(docs string, made map[string]origin) (any, error) {
	var r struct {
		Made  string `json:"made"`
		Ready struct {
			Device device `json:"device"`
		} `json:"ready"`
		Accuracy float64 `json:"accuracy"`
		Parts    []struct {
			Without  []string `json:"without"`
			Accuracy float64  `json:"accuracy"`
		} `json:"parts"`
		Look struct {
			Near [][]struct {
				Cosine float64 `json:"cosine"`
			} `json:"near"`
		} `json:"look"`
	}
	if err := read(filepath.Join(docs, "..", "web", "article", "recording.json"), &r); err != nil {
		return nil, err
	}
	made["recorded"] = origin{Command: "DEPT_RECORDING=new go test ./internal/pagetest -run TestArticle", Adapter: r.Ready.Device.Name, Date: r.Made, Seeds: 1}
	percents := object{"both": 100 * r.Accuracy}
	for _, p := range r.Parts {
		name := "neither"
		switch {
		case slices.Equal(p.Without, []string{"P"}):
			name = "AB"
		case slices.Equal(p.Without, []string{"A·B"}):
			name = "P"
		}
		percents[name] = 100 * p.Accuracy
	}
	var near float64
	for _, row := range r.Look.Near {
		near += row[0].Cosine / float64(len(r.Look.Near))
	}
	percents["near"] = math.Round(1e3*near) / 1e3
	return percents, nil
}

// realDate is when the runs of the backbone on real tasks were made.
const realDate = "2026-11-24"

// readReal is the backbone on real tasks: percent of SST-2's dev rows by method, from the table in
// results.md.
func readReal(docs string, made map[string]origin) (any, error) {
	content, err := os.ReadFile(filepath.Join(docs, "results.md"))
	if err != nil {
		return nil, err
	}
	_, section, _ := strings.Cut(string(content), "\n## The backbone on real tasks\n")
	_, table, _ := strings.Cut(section, "| METHOD | SST-2 |")
	table, _, _ = strings.Cut(table, "\n\n")
	percents := object{}
	for _, line := range strings.Split(table, "\n") {
		var method string
		var percent float64
		cells := strings.Split(line, " | ")
		if len(cells) != 3 {
			continue
		}
		if n, _ := fmt.Sscanf(cells[0], "| `--method %s", &method); n == 1 {
			if _, err := fmt.Sscanf(cells[1], "%f %%", &percent); err != nil {
				return nil, fmt.Errorf("results.md: %q: %w", line, err)
			}
			percents[method] = percent
		}
	}
	if len(percents) == 0 {
		return nil, errors.New("results.md has no table of the backbone on real tasks")
	}
	made["real"] = origin{Command: "dept train --model t5/backbone --task sst2 --steps 300, the rest in docs/results.md", Adapter: "llvmpipe (LLVM 15.0.6, 256 bits)", Date: realDate, Seeds: 1}
	return percents, nil
}

// share is a part in percent, to three digits.
func share(part, whole int) float64 {
	x := 100 * float64(part) / float64(whole)
	digits := math.Pow(10, 2-math.Floor(math.Log10(x)))
	return math.Round(x*digits) / digits
}

func rounded(ratio float64) float64 { return math.Round(1e4*ratio) / 1e4 }

func read(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
