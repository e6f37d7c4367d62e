//go:build linux && !android

package wgpu

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLoopsUnbounded(t *testing.T) { assert.True(t, loopsUnbounded()) }
