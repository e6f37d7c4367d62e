package text_test

import (
	"fmt"
	"log"

	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

func Example() {
	tokenizer, err := text.OpenFS(backbone.Files()) // or text.Open("t5-small")
	if err != nil {
		log.Fatal(err)
	}
	ids := tokenizer.Encode("a fine film")
	for _, id := range ids {
		fmt.Printf("%q ", tokenizer.Piece(id))
	}
	fmt.Println(tokenizer.Decode(ids))
	// Output: "▁a" "▁fine" "▁film" a fine film
}
