//go:build !js

package tensor_test

import (
	"context"
	"fmt"
	"log"

	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// x·Wᵀ is recorded once and may be run for any numbers in x and W.
func Example() {
	ctx := context.Background()
	device, err := wgpu.Open(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	defer device.Release()
	e, err := tensor.NewEngine(device)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Release()
	array := func(name string, numbers []float32, shape ...int) *tensor.Array {
		a, err := e.NewArray(name, tensor.F32, shape...)
		if err == nil {
			err = a.WriteFloats(numbers)
		}
		if err != nil {
			log.Fatal(err)
		}
		return a
	}
	x := array("x", []float32{1, 2, 3, 4}, 2, 2)
	defer x.Release()
	w := array("w", []float32{1, 1, 1, -1, 0, 5}, 3, 2)
	defer w.Release()

	g := e.NewGraph()
	y := g.Keep(g.Linear("y", g.Use(x), g.Use(w), tensor.LinearOptions{}))
	program, err := g.Compile(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer program.Release()
	if err := e.Run(program); err != nil {
		log.Fatal(err)
	}
	numbers, err := y.Read(ctx)
	fmt.Println(y.Shape, numbers, err)
	// Output: [2 3] [3 -1 10 7 -1 20] <nil>
}
