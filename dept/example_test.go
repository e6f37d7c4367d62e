package dept_test

import (
	"fmt"
	"log"

	"github.com/go-dept/dept/dept"
)

// An adapter's folder is read without a device, PEFT's and AdapterHub's as well.
func ExampleReadAdapter() {
	adapter, err := dept.ReadAdapter("train/testdata/film")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(adapter.Config.Kind().Title+":", adapter.Config.Describe())
	for _, t := range adapter.Tensors {
		fmt.Println(t.Name, t.Shape)
	}
	fmt.Println(adapter.Answers)
	// Output:
	// Decomposed prompt tuning: P [4, 128], A [16, 8], B [8, 128], scale 2.828 (lora_alpha 8 / √8)
	// prompt_embeddings [4 128]
	// prompt_encoder.lora_embedding_A [16 8]
	// prompt_encoder.lora_embedding_B [8 128]
	// as it is, answered by writing good, bad
}

// The settings of a method, as the command line and the page list them.
func ExampleLookup() {
	kind, err := dept.Lookup("ia3")
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range kind.Settings {
		fmt.Printf("%s: %v\n", s.Name, s.Default)
	}
	// Output:
	// target-modules: [k v wo]
	// feedforward-modules: [wo]
	// lr: 0.003
}
