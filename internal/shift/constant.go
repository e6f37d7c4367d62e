//go:build !js

package main

import (
	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/nn"
)

// constantConfig is DePT whose shift is the same at every place: r is 1 and A stays at ones, so that
// one vector, scale·B, is added to each word.
type constantConfig struct{ *dept.PromptConfig }

// groupFixed is A's: its rate is 0. The gradient's norm, by which it is clipped, has A's in it.
const groupFixed = "fixed"

var constantShift = dept.Kind{
	Name: "constant",
	Start: func(c dept.Config, v dept.Values, o dept.Origin) ([]dept.Tensor, error) {
		made, err := dept.DePT.Start(c.(constantConfig).PromptConfig, v, o)
		for _, t := range made {
			if t.Name == dept.TensorA {
				for i := range t.Values {
					t.Values[i] = 1
				}
			}
		}
		return made, err
	},
	Hooks: func(c dept.Config, array dept.Arrays) nn.Hooks {
		return dept.DePT.Hooks(c.(constantConfig).PromptConfig, array)
	},
}

// Kind is the one above.
func (c constantConfig) Kind() *dept.Kind { return &constantShift }

// Tensors are those of DePT, A in a group of its own.
func (c constantConfig) Tensors(d nn.Description) ([]dept.Tensor, error) {
	list, err := c.PromptConfig.Tensors(d)
	for i := range list {
		if list[i].Name == dept.TensorA {
			list[i].Group = groupFixed
		}
	}
	return list, err
}
