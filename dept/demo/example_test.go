package demo_test

import (
	"fmt"
	"log"

	"github.com/go-dept/dept/dept/demo"
)

func ExampleFind() {
	task, err := demo.Find("first-thing")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Labels)
	for _, row := range task.Rows(demo.Train, 3, demo.Seed, nil) {
		fmt.Println(row.Source, "→", row.Target)
	}
	// Output:
	// [food sport weather music travel]
	// pudding and match → food
	// match and salad → sport
	// heatwave and coach → weather
}
