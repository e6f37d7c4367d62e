//go:build !js

package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
)

// speed is the clocks for 32 multiply-adds, one a lane of 32.
type speed struct {
	loops float64 // of the driver's clocks in the main loops
	whole float64 // of the driver's clocks in all of the shader
	issue float64 // of the model of throughput in all of it (countAMD)

	latency, inverse float64 // of AMD's statistics of these names
}

// speed is how fast a shader multiplies. A shader's innermost loops take part alike,
// since each does one of its products: attention's forward pass two, its gradients
// three and four. Those of a quarter of the work or less are no main loops.
func (c *compiled) speed() speed {
	var s speed
	most := 0.0
	for _, l := range c.loops {
		most = max(most, l.FMA)
	}
	main := 0.0
	for _, l := range c.loops {
		if l.FMA > most/4 {
			s.loops += c.listing.per32(l.Cycles, l)
			main++
		}
	}
	s.loops /= main
	p := c.listing
	w := p.whole(ten)
	s.whole = p.per32(w.Cycles, w)
	s.issue = p.per32(w.issue.clocks(), w)
	w = p.whole(eight)
	s.latency = p.per32(c.numbers["Latency"], w)
	s.inverse = p.per32(c.numbers["Inverse Throughput"]*float64(p.lanes)/64, w)
	return s
}

var layout = regexp.MustCompile(`LAYOUT[-=](\d).*`)

// role is what a shader is for, whatever the variant: an attention's pass, or a
// product's layout, whether its rows are whole fours, and its end.
func (s shader) role() string {
	if s.Operation != "matmul" {
		return s.Operation
	}
	role := s.Operation
	if m := layout.FindStringSubmatch(s.File); m != nil {
		role += " " + [...]string{"NT", "NN", "TN"}[atoi(m[1])%3]
	}
	if _, end, _ := strings.Cut(s.Entry, "_"); end != "plain" {
		role += ", " + end
	}
	if strings.Contains(s.File, "ALIGNED-false") {
		role += ", no whole fours"
	}
	return role
}

// compare prints the clocks of each shader beside those of the older ones in its role.
func (r *report) compare(ctx context.Context, out io.Writer, k *kit, h hardware, shaders []shader, spirv []string) error {
	old := map[string]speed{}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	titled := false
	// The older ones come last.
	for i := len(shaders) - 1; i >= 0; i-- {
		s := shaders[i]
		c, err := k.compile(ctx, r.drivers, h, spirv[i], s.Entry, false)
		if err != nil {
			return err
		}
		if !titled {
			titled = true
			fmt.Fprintf(out, "\n%s: %s; clocks for 32 multiply-adds, older and now\n", h.name, c.device)
			fmt.Fprint(w, "shader\tin the main loops\t\t\tin all\t\t")
			if h.vendor == amd {
				fmt.Fprint(w, "\tmodel of throughput\t\t\tLatency\t\t\tInverse Throughput\t\t")
			}
			fmt.Fprintln(w)
		}
		n := c.speed()
		if i >= r.count {
			old[s.role()] = n
			continue
		}
		o, ok := old[s.role()]
		if !ok {
			continue
		}
		fmt.Fprint(w, s.name())
		pairs := [][2]float64{{o.loops, n.loops}, {o.whole, n.whole}}
		if h.vendor == amd {
			pairs = append(pairs, [][2]float64{{o.issue, n.issue}, {o.latency, n.latency}, {o.inverse, n.inverse}}...)
		}
		for _, p := range pairs {
			fmt.Fprintf(w, "\t%.2f\t%.2f\t%.2f×", p[0], p[1], p[0]/p[1])
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
