//go:build !js

package main

import (
	"regexp"
	"strconv"
	"strings"
)

// loop is an innermost loop of AMD assembly that does arithmetic, and how many
// instructions of each kind it has.
type loop struct {
	First, Last int // blocks of the listing
	FMA         int // multiply-adds of a lane; packed and dual ones are two
	Vector      int // instructions
	MulAdd      int // multiplications and additions apart
	Exp         int
	Moves       int
	WMMA        int // products of matrices
	LDS         int // of workgroup memory
	Memory      int
	Scalar      int // that work: waits and the like are left out
	Branches    int
}

// smallLoop is how many multiply-adds a loop must have to be listed.
const smallLoop = 8

// share is that of the multiply-adds among the vector instructions.
func (l loop) share() float64 { return float64(l.FMA) / float64(max(1, l.Vector)) }

// perLDS is the multiply-adds for each instruction of workgroup memory.
func (l loop) perLDS() float64 { return float64(l.FMA) / float64(max(1, l.LDS)) }

// control is the share of scalar instructions and branches in the loop.
func (l loop) control() float64 {
	return float64(l.Scalar+l.Branches) / float64(max(1, l.Vector+l.LDS+l.Memory+l.Scalar+l.Branches))
}

type block struct {
	number int
	ops    []string
}

var (
	blockLine  = regexp.MustCompile(`^\s*BB(\d+):`)
	branchLine = regexp.MustCompile(`^s_c?branch\w*\s+BB(\d+)`)
)

// blocksOf reads a listing: straight runs of instructions with their numbers.
func blocksOf(listing string) []block {
	var blocks []block
	for line := range strings.Lines(listing) {
		if m := blockLine.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			blocks = append(blocks, block{number: n})
			continue
		}
		op, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		if len(blocks) > 0 && op != "" && !strings.HasPrefix(op, "==") {
			last := &blocks[len(blocks)-1]
			last.ops = append(last.ops, op)
		}
	}
	return blocks
}

// loopsOf finds the loops: from a block that is branched back to, to the block of the
// branch, where there is no loop inside.
func loopsOf(listing string) []loop {
	blocks := blocksOf(listing)
	place := map[int]int{}
	for i, b := range blocks {
		place[b.number] = i
	}
	type span struct{ first, last int }
	var spans []span
	for i, b := range blocks {
		for _, op := range b.ops {
			if m := branchLine.FindStringSubmatch(op); m != nil {
				n, _ := strconv.Atoi(m[1])
				if to, ok := place[n]; ok && to <= i {
					spans = append(spans, span{to, i})
				}
			}
		}
	}
	var loops []loop
	for _, s := range spans {
		inner, again := true, 0
		for _, o := range spans {
			if o == s {
				again++
			} else if s.first <= o.first && o.last <= s.last {
				inner = false
			}
		}
		if !inner {
			continue
		}
		l := loop{First: blocks[s.first].number, Last: blocks[s.last].number}
		for _, b := range blocks[s.first : s.last+1] {
			for _, op := range b.ops {
				l.count(op)
			}
		}
		if (l.FMA >= smallLoop || l.WMMA > 0) && (again == 1 || len(loops) == 0 || loops[len(loops)-1] != l) {
			loops = append(loops, l)
		}
	}
	return loops
}

// count adds an instruction.
func (l *loop) count(op string) {
	begins := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(op, p) {
				return true
			}
		}
		return false
	}
	switch {
	case begins("v_pk_fma_f", "v_dot2"):
		l.FMA += 2
	case begins("v_fma", "v_mad_f32", "v_mac_f32", "v_dual_fma"):
		l.FMA++
	}
	l.FMA += strings.Count(op, ":: v_dual_fma")
	switch {
	case begins("v_mul_f32", "v_add_f32", "v_sub_f32"):
		l.MulAdd++
	case begins("v_exp"):
		l.Exp++
	case begins("v_mov", "v_cndmask"):
		l.Moves++
	case begins("v_wmma"):
		l.WMMA++
	case begins("ds_"):
		l.LDS++
	case begins("global_", "buffer_"):
		l.Memory++
	case begins("s_branch", "s_cbranch"):
		l.Branches++
	case begins("s_wait", "s_delay", "s_clause", "s_nop", "s_barrier"):
	case begins("s_"):
		l.Scalar++
	}
	if begins("v_") {
		l.Vector++
	}
}
