package train

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLargest(t *testing.T) {
	for limit := range 12 {
		assert.Equal(t, min(limit, 9), largest(10, func(n int) bool { return n <= limit }))
	}
}
