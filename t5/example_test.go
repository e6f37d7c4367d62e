package t5_test

import (
	"fmt"
	"log"

	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/backbone"
)

// A checkpoint can be looked at without a device.
func ExampleOpenCheckpointFS() {
	checkpoint, err := t5.OpenCheckpointFS(backbone.Files()) // or t5.OpenCheckpoint("t5-small")
	if err != nil {
		log.Fatal(err)
	}
	defer checkpoint.Close()
	d := checkpoint.Config.Describe()
	fmt.Println(d.Width, d.Vocabulary, len(checkpoint.Names()))
	info, _ := checkpoint.Info("shared.weight")
	fmt.Println(info.DType, info.Shape)
	// Output:
	// 128 4096 60
	// F16 [4096 128]
}
