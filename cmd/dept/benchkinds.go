package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-dept/dept/tensor"
)

// benchKind is a kind of work in a training step.
type benchKind struct {
	Kind       string  `json:"kind"`
	MS         float64 `json:"ms"` // the sum of each kernel's least time, to which what else a machine does can only add
	FMA        int64   `json:"fma"`
	Dispatches int     `json:"dispatches"`
}

// The kinds of work, in the order in which they are shown.
const (
	kindProducts      = "products"
	kindProductsGrad  = "products.grad"
	kindAttention     = "attention"
	kindAttentionGrad = "attention.grad"
	kindLoss          = "head and loss"
	kindPrompt        = "prompt and shift" // put before and added to the words, and their gradients
	kindRest          = "norms and others"
	kindUpdate        = "update"
)

var benchKinds = []string{kindProducts, kindProductsGrad, kindAttention, kindAttentionGrad, kindLoss, kindPrompt, kindRest, kindUpdate}

// kindOf is the kind of a kernel in a part of a step (train.Trainer.StepKernels).
func kindOf(part string, k tensor.Kernel) string {
	part, back := strings.CutSuffix(part, ".grad")
	file := k.Call.Spec.File
	switch {
	case part == "update":
		return kindUpdate
	case part == "loss":
		return kindLoss
	case part == "encoder" && (file == "embed" || k.Label == "shift" || strings.HasSuffix(k.Label, ".grad")):
		return kindPrompt
	case strings.HasPrefix(file, "matmul") && back:
		return kindProductsGrad
	case strings.HasPrefix(file, "matmul"):
		return kindProducts
	case strings.HasPrefix(file, "attention") && back:
		return kindAttentionGrad
	case strings.HasPrefix(file, "attention"):
		return kindAttention
	}
	return kindRest
}

// stepKinds times each kernel of a step.
func (b *benchMethod) stepKinds(ctx context.Context) error {
	i := 0
	return b.trainer.StepKernels(ctx, func(part string, k tensor.Kernel, took time.Duration) {
		if i == len(b.kernels) {
			b.kernels = append(b.kernels, benchKernel{kindOf(part, k), k.Call.FMA, took})
		}
		b.kernels[i].least = min(b.kernels[i].least, took)
		i++
	})
}

// benchKernel is a kernel of a step, and the least time that it took.
type benchKernel struct {
	kind  string
	fma   int64
	least time.Duration
}

// sumKinds sums kernels by kind.
func sumKinds(kernels []benchKernel) []benchKind {
	list := make([]benchKind, len(benchKinds))
	for i, name := range benchKinds {
		list[i].Kind = name
		var sum time.Duration
		for _, k := range kernels {
			if k.kind == name {
				sum += k.least
				list[i].FMA += k.fma
				list[i].Dispatches++
			}
		}
		list[i].MS = float64(sum.Microseconds()) / 1000
	}
	return list
}

// printKinds prints the two prompts' work side by side.
func (r *benchReport) printKinds(w io.Writer) {
	fmt.Fprint(w, "\na kernel at a time\tDePT\tPT\tratio\t\n")
	for i, a := range r.DePT.Work {
		b := r.PT.Work[i]
		fmt.Fprintf(w, "%s, ms\t%.1f\t%.1f\t%.3f\t\n", a.Kind, a.MS, b.MS, a.MS/b.MS)
	}
}
