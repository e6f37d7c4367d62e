package data_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

// Rows of a table, as token ids.
func Example() {
	reader, err := data.NewReader("films.csv", strings.NewReader("text,label\na fine film,good\na dull film,bad\n"), data.Options{Format: data.CSV, NeedTarget: true})
	if err != nil {
		log.Fatal(err)
	}
	rows, err := data.ReadAll(reader) // or data.Load(options, "films.csv")
	if err != nil {
		log.Fatal(err)
	}
	tokenizer, err := text.OpenFS(backbone.Files())
	if err != nil {
		log.Fatal(err)
	}
	example, err := data.Tokenize(rows, tokenizer, 16, 4).Example(0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rows.Len(), data.Labels(rows))
	fmt.Println(tokenizer.Decode(example.Source), "→", tokenizer.Decode(example.Target))
	// Output:
	// 2 [good bad]
	// a fine film → good
}

// What a table's columns are taken for, before it is read.
func ExampleTakeSurvey() {
	survey, err := data.TakeSurvey(strings.NewReader("id,review,stars\n1,a fine film,5\n2,a dull film,1\n"), data.CSV)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(survey.Columns, survey.Source, survey.Target)
	// Output: [id review stars] review stars
}
