//go:build !js

package nn_test

import (
	"context"
	"fmt"
	"log"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// A checkpoint's weights are put on a device, where passes can be recorded and generators made.
func ExampleLoad() {
	ctx := context.Background()
	checkpoint, err := t5.OpenCheckpointFS(backbone.Files())
	if err != nil {
		log.Fatal(err)
	}
	defer checkpoint.Close()
	device, err := wgpu.Open(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	defer device.Release()
	engine, err := tensor.NewEngine(device)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Release()
	model, err := nn.Load(ctx, engine, checkpoint.Config.Describe(), checkpoint, false)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Release()
	fmt.Println(model.Parameters(), "parameters")
	// Output: 1476608 parameters
}
