package compare

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-dept/dept/internal/atomicfile"
)

// grid is the table's cells, its head first.
func (r *Report) grid(plusMinus string) [][]string {
	head := []string{"method", "parameters"}
	for _, task := range r.Tasks {
		metric := string(r.Score(task, r.Methods[0]).Metric)
		head = append(head, task+" "+strings.ReplaceAll(metric, "_", " "))
	}
	if len(r.Tasks) > 1 {
		head = append(head, "mean")
	}
	grid := [][]string{head}
	for _, method := range r.Methods {
		line := []string{method, r.parameters(method)}
		for _, task := range r.Tasks {
			line = append(line, spread(r.Score(task, method).Values, plusMinus))
		}
		if len(r.Tasks) > 1 {
			line = append(line, spread(r.mean(method), plusMinus))
		}
		grid = append(grid, line)
	}
	return grid
}

// parameters is how many a method trains, on every task.
func (r *Report) parameters(method string) string {
	var least, most int
	for i, task := range r.Tasks {
		n := r.Score(task, method).Parameters
		if least, most = min(least, n), max(most, n); i == 0 {
			least = n
		}
	}
	if least == most {
		return thousands(least)
	}
	return thousands(least) + " to " + thousands(most)
}

// thousands writes a number with a comma at every three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Text is the report for a terminal.
func (r *Report) Text() string {
	grid := r.grid(" ± ")
	widths := make([]int, len(grid[0]))
	for _, line := range grid {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range grid {
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteByte('\n')
	}
	for _, part := range [][]string{r.Notes(), r.Tests()} {
		if len(part) > 0 {
			b.WriteString("\n" + strings.Join(part, "\n") + "\n")
		}
	}
	return b.String()
}

// Markdown is the report as a table with its notes below.
func (r *Report) Markdown() string {
	var b strings.Builder
	for i, line := range r.grid(" ± ") {
		for _, cell := range line {
			b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString("|---|" + strings.Repeat("---:|", len(line)-1) + "\n")
		}
	}
	for _, part := range [][]string{r.Notes(), r.Tests()} {
		if len(part) > 0 {
			b.WriteString("\n- " + strings.Join(part, "\n- ") + "\n")
		}
	}
	return b.String()
}

// inLaTeX writes a text as LaTeX reads it.
var inLaTeX = strings.NewReplacer(`\`, `\textbackslash{}`, "_", `\_`, "%", `\%`, "&", `\&`, "#", `\#`, "$", `\$`, "{", `\{`, "}", `\}`, "~", `\textasciitilde{}`, "^", `\textasciicircum{}`, "±", `$\pm$`)

// LaTeX is the report as a tabular, which needs no package; notes are comments.
func (r *Report) LaTeX() string {
	var b strings.Builder
	for _, part := range [][]string{r.Notes(), r.Tests()} {
		for _, note := range part {
			b.WriteString("% " + note + "\n")
		}
	}
	grid := r.grid(" ± ")
	fmt.Fprintf(&b, "\\begin{tabular}{l%s}\n\\hline\n", strings.Repeat("r", len(grid[0])-1))
	for i, line := range grid {
		for j, cell := range line {
			if j > 0 {
				b.WriteString(" & ")
			}
			b.WriteString(inLaTeX.Replace(cell))
		}
		b.WriteString(" \\\\\n")
		if i == 0 {
			b.WriteString("\\hline\n")
		}
	}
	b.WriteString("\\hline\n\\end{tabular}\n")
	return b.String()
}

// CSV is a line for each task, method and metric, in full precision.
func (r *Report) CSV() string {
	lines := [][]string{{"task", "method", "metric", "rows", "mean", "sample_sd", "n", "dev_mean", "parameters", "rates", "rates_tried", "trials"}}
	for _, x := range r.Scores {
		for _, metric := range x.named() {
			values, rows := x.Others[metric], "test"
			if values == nil {
				values, rows = x.Values, "dev"
			}
			dev := ""
			if metric == x.Metric {
				dev = full(Mean(x.Dev))
			}
			lines = append(lines, []string{
				x.Task, x.Method, string(metric), rows, full(Mean(values)), full(SD(values)), strconv.Itoa(len(values)), dev,
				strconv.Itoa(x.Parameters), x.Rates.String(), strconv.Itoa(x.Grid), strconv.Itoa(x.Trials),
			})
		}
	}
	return inCSV(lines)
}

// TrialsCSV is a line for each trial, those that only chose rates included.
func (r *Report) TrialsCSV() string {
	known, _, _ := r.suite.Trials(r.results) // it was looked at when the report was made
	lines := [][]string{{"folder", "task", "method", "rates", "seed", "steps", "purpose", "metric", "dev", "dev_step", "dev_rows", "test", "test_rows", "parameters", "ended"}}
	for _, t := range known {
		x := r.results[t.Dir]
		purpose, test := "reported", ""
		if !r.reports(t) {
			purpose = "rates"
		}
		if x.Test != nil {
			test = full(100 * x.Test[x.Metric])
		}
		lines = append(lines, []string{
			t.Dir, t.Task, t.Method, t.Rates.String(), strconv.FormatUint(t.Seed, 10), strconv.Itoa(x.Steps), purpose, string(x.Metric), full(100 * x.Dev),
			strconv.Itoa(x.DevStep), strconv.Itoa(x.DevRows), test, strconv.Itoa(x.TestRows), strconv.Itoa(x.Parameters), x.Ended,
		})
	}
	return inCSV(lines)
}

func (r *Report) reports(t Trial) bool {
	for _, x := range r.Score(t.Task, t.Method).reported {
		if x.Dir == t.Dir {
			return true
		}
	}
	return false
}

func full(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func inCSV(lines [][]string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.WriteAll(lines) // into memory
	return b.String()
}

// Write writes all tables and plots into the suite's folder, and gives the files' names.
func (r *Report) Write() ([]string, error) {
	var names []string
	for _, file := range []struct{ name, content string }{
		{"table.txt", r.Text()}, {"table.md", r.Markdown()}, {"table.tex", r.LaTeX()}, {"table.csv", r.CSV()}, {"trials.csv", r.TrialsCSV()},
	} {
		err := atomicfile.WriteFile(filepath.Join(r.suite.Out, file.name), func(w io.Writer) error {
			_, err := io.WriteString(w, file.content)
			return err
		})
		if err != nil {
			return nil, err
		}
		names = append(names, file.name)
	}
	for _, task := range r.Tasks {
		name := task + ".svg"
		if err := r.plot(task, filepath.Join(r.suite.Out, name)); err != nil {
			return nil, fmt.Errorf("plotting %s: %w", name, err)
		}
		names = append(names, name)
	}
	return names, nil
}
