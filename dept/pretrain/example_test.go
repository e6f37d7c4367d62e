package pretrain_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/pretrain"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

// Rows of a text, to pre-train on: its words with spans left out, and questions about it.
func ExampleNewMixture() {
	corpus, err := pretrain.NewCorpus([]byte(strings.Repeat("The train was late again. Nobody on the platform seemed to mind, since the sun was out.\n\n", 20))) // or ReadCorpus
	if err != nil {
		log.Fatal(err)
	}
	tokenizer, err := text.OpenFS(backbone.Files())
	if err != nil {
		log.Fatal(err)
	}
	rows, err := pretrain.NewMixture(corpus, tokenizer, demo.Train, pretrain.Options{MaxSourceLength: 64, MaxTargetLength: 32, Questions: 0, Rows: 1, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	row, err := rows.Example(0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(row.Source) <= 64, len(row.Target) <= 32)
	// Output: true true
}
