package tensor

import (
	"context"
	"time"

	"github.com/go-dept/dept/shaders"
)

// TimeMatMul is how long one product [m,k]·[n,k]ᵀ takes, the layout of a forward
// pass, with the kernel that Linear uses or with the naive one, repeated for about the
// given time. Where an eighth of the rows keeps the naive kernel busy for an eighth of
// that time, they stand for all.
func (e *Engine) TimeMatMul(ctx context.Context, m, n, k int, naive bool, about time.Duration) (time.Duration, error) {
	if rows := m / 8; naive && rows > 0 {
		took, err := e.timeMatMul(ctx, rows, n, k, naive, about)
		took = took * time.Duration(m) / time.Duration(rows)
		if err != nil || took > about {
			return took, err
		}
	}
	return e.timeMatMul(ctx, m, n, k, naive, about)
}

func (e *Engine) timeMatMul(ctx context.Context, m, n, k int, naive bool, about time.Duration) (time.Duration, error) {
	var arrays []*Array
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	for _, shape := range [][2]int{{m, k}, {n, k}, {m, n}} {
		a, err := e.NewArray("matmul", shaders.F32, shape[0], shape[1])
		if err != nil {
			return 0, err
		}
		arrays = append(arrays, a)
	}
	product := shaders.MatMul{Layout: shaders.NT, M: m, N: n, K: k}
	call := product.Call(e.target)
	if naive {
		call = product.Naive(e.target)
	}
	g := e.NewGraph()
	operands := []any{g.Use(arrays[0]), g.Use(arrays[1]), g.Use(arrays[2])}
	if !naive {
		operands = append(operands, nil, nil)
	}
	g.run("matmul", call, operands...)
	p, err := g.Compile(ctx)
	if err != nil {
		return 0, err
	}
	defer p.Release()
	return e.repeat(ctx, p.dispatches, about)
}
