package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/go-dept/dept/wgpu"
)

// benchShapes are products [m,k]·[n,k]ᵀ: a square one, and those of the blocks
// of T5-small and T5-base on 1,024 positions.
var benchShapes = []struct {
	model   string
	m, n, k int
}{
	{"", 512, 512, 512},
	{"T5-small", 1024, 2048, 512}, {"T5-small", 1024, 512, 2048}, {"T5-small", 1024, 512, 512},
	{"T5-base", 1024, 3072, 768}, {"T5-base", 1024, 768, 3072}, {"T5-base", 1024, 768, 768},
}

type benchProduct struct {
	Model       string  `json:"model,omitempty"`
	M           int     `json:"m"`
	N           int     `json:"n"`
	K           int     `json:"k"`
	GFLOPS      float64 `json:"gflops"`
	NaiveGFLOPS float64 `json:"naive_gflops"`
	Ratio       float64 `json:"ratio"`
}

// products times matrix products.
func (r *benchReport) products(ctx context.Context, dev *wgpu.Device) error {
	engine, err := newBenchEngine(dev, r.kernels)
	if err != nil {
		return err
	}
	defer engine.Release()
	for _, s := range benchShapes {
		p := benchProduct{Model: s.model, M: s.m, N: s.n, K: s.k}
		for _, kernel := range []struct {
			naive bool
			to    *float64
		}{{false, &p.GFLOPS}, {true, &p.NaiveGFLOPS}} {
			took, err := engine.TimeMatMul(ctx, s.m, s.n, s.k, kernel.naive, 500*time.Millisecond)
			if err != nil {
				return err
			}
			*kernel.to = 2 * float64(s.m) * float64(s.n) * float64(s.k) / float64(took.Nanoseconds())
		}
		p.Ratio = p.GFLOPS / p.NaiveGFLOPS
		r.MatMul = append(r.MatMul, p)
	}
	return nil
}

func (r *benchReport) printProducts(w io.Writer) {
	fmt.Fprint(w, "\nproduct\tm\tn\tk\tGFLOP/s\tnaive\tratio\t\n")
	for _, p := range r.MatMul {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f\t%.2f\t%.1f\t\n", p.Model, p.M, p.N, p.K, p.GFLOPS, p.NaiveGFLOPS, p.Ratio)
	}
}
