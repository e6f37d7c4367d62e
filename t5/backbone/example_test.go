package backbone_test

import (
	"fmt"
	"io/fs"
	"log"

	"github.com/go-dept/dept/t5/backbone"
)

func ExampleFiles() {
	names, err := fs.Glob(backbone.Files(), "*")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(names)
	// Output: [README.md config.json model.safetensors tokenizer.json]
}
