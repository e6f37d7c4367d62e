package torchbin_test

import (
	"fmt"
	"log"
	"os"

	"github.com/go-dept/dept/torchbin"
)

func ExampleParse() {
	content, err := os.ReadFile("../dept/train/testdata/transformers/v4-flan-old-bin/pytorch_model.bin")
	if err != nil {
		log.Fatal(err)
	}
	file, err := torchbin.Parse(content)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range file.Tensors()[:2] {
		values, err := file.Float32(t.Name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Name, t.DType, t.Shape, len(values))
	}
	// Output:
	// decoder.block.0.layer.0.SelfAttention.k.weight F32 [15 18] 270
	// decoder.block.0.layer.0.SelfAttention.o.weight F32 [18 15] 270
}
