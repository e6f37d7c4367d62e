package metrics_test

import (
	"fmt"
	"log"

	"github.com/go-dept/dept/dept/metrics"
)

// Answers are scored, and counted by what they should be.
func Example() {
	answers := metrics.Answers{
		Outputs: []string{"good", "bad", "good", "nice"},
		Targets: []string{"good", "bad", "bad", "good"},
		Labels:  []string{"bad", "good"},
	}
	f1, err := metrics.Score(metrics.MacroF1, answers)
	if err != nil {
		log.Fatal(err)
	}
	confusion, err := metrics.Confuse(answers.Outputs, answers.Targets, answers.Labels)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.2f\n", f1)
	for i, counts := range confusion.Counts {
		fmt.Println(confusion.Labels[i], counts)
	}
	// Output:
	// 0.58
	// bad [1 1 0]
	// good [0 1 1]
}
