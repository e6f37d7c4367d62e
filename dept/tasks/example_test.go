package tasks_test

import (
	"fmt"
	"log"

	"github.com/go-dept/dept/dept/tasks"
)

func ExampleLookup() {
	task, err := tasks.Lookup("sst2")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Name, task.Targets(), task.Metrics)
	// Output: sst2 [0 1] [accuracy]
}
