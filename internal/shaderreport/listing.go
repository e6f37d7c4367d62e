//go:build !js

package main

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// loop is an innermost loop of a compiled shader that does arithmetic, and how many
// instructions of each kind it has. Those of Intel count for as many lanes as a thread
// has: two instructions of 16 lanes are one of 32.
type loop struct {
	First, Last int     // blocks of the listing
	FMA         float64 // multiply-adds of a lane; packed and dual ones are two
	Vector      float64 // instructions; a dual one is two
	MulAdd      float64 // multiplications and additions apart
	Exp         float64
	Moves       float64
	WMMA        float64 // products of matrices
	LDS         float64 // of workgroup memory
	Memory      float64
	Scalar      float64 // that work: waits and the like are left out
	Branches    float64

	// Cycles is how long the driver's compiler expects one pass to take, alone on its
	// unit, with the waits for memory that it sees.
	Cycles float64
	issue  issue
}

// smallLoop is how many multiply-adds a loop must have to be listed.
const smallLoop = 8

// share is that of the multiply-adds among the vector instructions.
func (l loop) share() float64 { return l.FMA / max(1, l.Vector) }

// perLDS is the multiply-adds for each instruction of workgroup memory.
func (l loop) perLDS() float64 { return l.FMA / max(1, l.LDS) }

// control is the share of scalar instructions and branches in the loop.
func (l loop) control() float64 {
	return (l.Scalar + l.Branches) / max(1, l.Vector+l.LDS+l.Memory+l.Scalar+l.Branches)
}

// issue is how many clocks each port of a unit is busy with a stretch of code.
type issue struct{ vector, lds, memory, scalar float64 }

// clocks is how long the stretch takes where many waves share the unit, so that none
// waits: as long as the busiest port.
func (i issue) clocks() float64 { return max(i.vector, i.lds, i.memory, i.scalar) }

// block is a straight run of instructions.
type block struct {
	number int
	ops    []string
	next   []int // blocks it may go on to, other than the one below
	cycles float64
}

// listing is a compiled shader as its driver prints it.
type listing struct {
	blocks []block
	lanes  int // of a wave, or a thread of Intel's
	count  func(l *loop, op string)
}

// span is a loop: from the block that is gone back to, to the block that goes back.
type span struct{ first, last int }

func (s span) contains(o span) bool { return s != o && s.first <= o.first && o.last <= s.last }

// depth is how many loops a block lies in.
func depth(spans []span, block int) int {
	n := 0
	for _, s := range spans {
		if s.first <= block && block <= s.last {
			n++
		}
	}
	return n
}

func (p *listing) spans() []span {
	place := map[int]int{}
	for i, b := range p.blocks {
		place[b.number] = i
	}
	var spans []span
	for i, b := range p.blocks {
		for _, n := range b.next {
			if to, ok := place[n]; ok && to <= i && !slices.Contains(spans, span{to, i}) {
				spans = append(spans, span{to, i})
			}
		}
	}
	return spans
}

// loops finds the innermost loops.
func (p *listing) loops() []loop {
	var loops []loop
	spans := p.spans()
	for _, s := range spans {
		if slices.ContainsFunc(spans, s.contains) {
			continue
		}
		l := p.sum(p.blocks[s.first : s.last+1])
		if l.FMA >= smallLoop || l.WMMA > 0 {
			loops = append(loops, l)
		}
	}
	return loops
}

func (p *listing) sum(blocks []block) loop {
	l := loop{First: blocks[0].number, Last: blocks[len(blocks)-1].number}
	for _, b := range blocks {
		l.Cycles += b.cycles
		for _, op := range b.ops {
			p.count(&l, op)
		}
	}
	return l
}

// Compilers guess how often loops run, by how deep they lie in each other: Intel's ten
// times each, AMD's eight, then four, then two times.
func ten(depth int) float64 { return math.Pow(10, float64(depth)) }

func eight(depth int) float64 {
	if depth > 2 {
		return 32 * math.Pow(2, float64(depth-2))
	}
	return []float64{1, 8, 32}[depth]
}

// whole is the shader from end to end, its loops run as often as times says, and all
// branches gone both ways.
func (p *listing) whole(times func(depth int) float64) loop {
	var t loop
	spans := p.spans()
	for i := range p.blocks {
		weight := times(depth(spans, i))
		l := p.sum(p.blocks[i : i+1])
		t.FMA += weight * l.FMA
		t.WMMA += weight * l.WMMA
		t.Cycles += weight * l.Cycles
		t.issue.vector += weight * l.issue.vector
		t.issue.lds += weight * l.issue.lds
		t.issue.memory += weight * l.issue.memory
		t.issue.scalar += weight * l.issue.scalar
	}
	return t
}

// per32 is the clocks for 32 multiply-adds of a loop, one a lane of 32; a product of
// matrices of 16×16×16 has 4096.
func (p *listing) per32(clocks float64, l loop) float64 {
	return clocks / (l.FMA*float64(p.lanes)/32 + l.WMMA*4096/32)
}

var (
	amdBlock  = regexp.MustCompile(`^\s*BB(\d+):?\s*$`)
	amdBranch = regexp.MustCompile(`^s_c?branch\w*\s+BB(\d+)`)
	amdClocks = regexp.MustCompile(`^\s*\(\s*(\d+) clk\)`)
)

// amdListing reads AMD's assembly, and what ACO_DEBUG=perfinfo printed of the shader:
// the same blocks with the clocks of each instruction. Double is RDNA3's arithmetic.
func amdListing(assembly, perfinfo string, lanes int, double bool) *listing {
	p := &listing{lanes: lanes, count: func(l *loop, op string) { l.countAMD(op, lanes, double) }}
	for line := range strings.Lines(assembly) {
		if m := amdBlock.FindStringSubmatch(line); m != nil {
			p.blocks = append(p.blocks, block{number: atoi(m[1])})
			continue
		}
		op, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		if len(p.blocks) == 0 || op == "" || strings.HasPrefix(op, "==") {
			continue
		}
		last := &p.blocks[len(p.blocks)-1]
		last.ops = append(last.ops, op)
		if m := amdBranch.FindStringSubmatch(op); m != nil {
			last.next = append(last.next, atoi(m[1]))
		}
	}
	// The driver compiles shaders of its own before.
	if i := strings.LastIndex(perfinfo, "ACO shader stage"); i >= 0 {
		cycles, at := map[int]float64{}, -1
		for line := range strings.Lines(perfinfo[i:]) {
			if m := amdBlock.FindStringSubmatch(line); m != nil {
				at = atoi(m[1])
			} else if m := amdClocks.FindStringSubmatch(line); m != nil {
				cycles[at] += float64(atoi(m[1]))
			}
		}
		// A block without code has no label in the assembly.
		for i := range p.blocks {
			p.blocks[i].cycles = cycles[p.blocks[i].number]
		}
	}
	return p
}

var bits = regexp.MustCompile(`_(?:b|dword|dwordx|format_[a-z]+)(\d*)$`)

// width is the bytes a lane that an AMD instruction reads or writes.
func width(name string) float64 {
	bytes := 4.0
	if m := bits.FindStringSubmatch(name); m != nil && m[1] != "" {
		bytes = float64(atoi(m[1]))
		if strings.Contains(name, "dwordx") {
			bytes *= 4
		} else {
			bytes /= 8
		}
	}
	if strings.Contains(name, "2addr") || strings.HasPrefix(name, "ds_read2") || strings.HasPrefix(name, "ds_load_2") || strings.HasPrefix(name, "ds_write2") || strings.HasPrefix(name, "ds_store_2") {
		bytes *= 2
	}
	return bytes
}

// countAMD adds an instruction, and what it costs the ports of a SIMD unit of RDNA: 32
// lanes a clock of vector instructions (8 of exp, log and the like, and of 32-bit
// products of integers), 64 bytes a clock of workgroup memory and 32 of other memory
// (128 and 64 a compute unit of two), a scalar instruction a clock. With double, which is
// RDNA3's, a wave of 64 does arithmetic in float32 and moves 64 lanes a clock. A product
// of 16×16×16 in half precision is 4096 multiply-adds at 128 a clock.
func (l *loop) countAMD(op string, lanes int, double bool) {
	begins := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(op, p) })
	}
	switch {
	case begins("v_pk_fma_f", "v_dot2"):
		l.FMA += 2
	case begins("v_fma", "v_mad_f32", "v_mac_f32", "v_dual_fma"):
		l.FMA++
	}
	l.FMA += float64(strings.Count(op, ":: v_dual_fma"))
	name, _, _ := strings.Cut(op, " ")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_e32"), "_e64")
	rounds := float64(lanes) / 32
	if begins("v_") {
		l.Vector += 1 + float64(strings.Count(op, ":: v_dual_"))
		switch {
		case begins("v_wmma"):
			l.issue.vector += 32
		case begins("v_exp", "v_log", "v_rcp", "v_rsq", "v_sqrt", "v_sin", "v_cos", "v_mul_lo_u32", "v_mul_hi_u32", "v_mad_u64_u32"):
			l.issue.vector += 4 * rounds
		case double && begins("v_fma", "v_mul_f32", "v_add_f32", "v_sub_f32", "v_max_f32", "v_min_f32", "v_mov_b32", "v_cndmask_b32"):
			l.issue.vector += max(1, rounds/2)
		default:
			l.issue.vector += rounds
		}
	}
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
		l.issue.lds += width(name) * float64(lanes) / 64
	case begins("global_", "buffer_"):
		l.Memory++
		l.issue.memory += width(name) * float64(lanes) / 32
	case begins("s_branch", "s_cbranch"):
		l.Branches++
		l.issue.scalar++
	case begins("s_wait", "s_delay", "s_clause", "s_nop", "s_barrier"):
	case begins("s_"):
		l.Scalar++
		l.issue.scalar++
	}
}

var (
	intelStart = regexp.MustCompile(`^\s*START B(\d+).*\((\d+) cycles\)`)
	intelEnd   = regexp.MustCompile(`->B(\d+)`)
	intelOp    = regexp.MustCompile(`^(?:\(\S+\) )?([a-z][a-z0-9_.]*)(?: \w+)?\((\d+)\)`)
)

// intelListing reads what INTEL_DEBUG=cs printed of a shader. A block's cycles there
// are weighed: a loop is taken to be run ten times.
func intelListing(debug string, lanes int) *listing {
	p := &listing{lanes: lanes, count: func(l *loop, op string) { l.countIntel(op, lanes) }}
	i := strings.LastIndex(debug, "Native code for")
	if i < 0 {
		return p
	}
	var goesBack bool
	for line := range strings.Lines(debug[i:]) {
		if m := intelStart.FindStringSubmatch(line); m != nil {
			p.blocks = append(p.blocks, block{number: atoi(m[1]), cycles: float64(atoi(m[2]))})
			goesBack = false
			continue
		}
		if len(p.blocks) == 0 {
			continue
		}
		last := &p.blocks[len(p.blocks)-1]
		if op := strings.TrimSpace(line); strings.HasPrefix(op, "END B") {
			for _, m := range intelEnd.FindAllStringSubmatch(op, -1) {
				if goesBack { // a block that leaves a loop has an edge to its start too
					last.next = append(last.next, atoi(m[1]))
				}
			}
		} else if strings.HasPrefix(op, "slm MsgDesc") || strings.HasPrefix(op, "ugm MsgDesc") {
			last.ops[len(last.ops)-1] += " " + op
		} else if intelOp.MatchString(op) {
			last.ops = append(last.ops, op)
			goesBack = goesBack || strings.Contains(op, "while(")
		}
	}
	spans := p.spans()
	for i := range p.blocks {
		p.blocks[i].cycles /= ten(depth(spans, i))
	}
	return p
}

// countIntel adds an instruction: one of a single lane is scalar.
func (l *loop) countIntel(op string, lanes int) {
	m := intelOp.FindStringSubmatch(op)
	name, wide := m[1], float64(atoi(m[2]))/float64(lanes)
	base, _, _ := strings.Cut(name, ".")
	switch base {
	case "sync", "nop":
		return
	case "send", "sendc", "sends":
		switch {
		case strings.Contains(op, "slm MsgDesc: ( fence"):
		case strings.Contains(op, "slm MsgDesc"):
			l.LDS += wide
		case strings.Contains(op, "ugm MsgDesc"):
			l.Memory += max(wide, 1/float64(lanes))
		}
		return
	case "if", "else", "endif", "while", "break", "cont", "halt", "jmpi":
		l.Branches++
		return
	}
	if m[2] == "1" {
		l.Scalar++
		return
	}
	l.Vector += wide
	switch base {
	case "mad":
		if strings.Contains(op, ">F ") || strings.Contains(op, ">HF ") {
			l.FMA += wide
		}
	case "dpas":
		l.WMMA += wide
	case "mov", "sel":
		l.Moves += wide
	case "mul", "add":
		if strings.Contains(op, ">F ") {
			l.MulAdd += wide
		}
	case "math":
		l.Exp += wide
	}
}

var (
	nakBlock = regexp.MustCompile(`^block\S* (\d+) `)
	nakEnd   = regexp.MustCompile(`^} -> \[(.*)\]`)
	nakDelay = regexp.MustCompile(`// delay=(\d+)`)
)

// nakListing reads NVK's assembly. Its cycles are the delays that the compiler puts
// between instructions, without the waits for memory.
func nakListing(assembly string) *listing {
	p := &listing{lanes: 32, count: (*loop).countNAK}
	for line := range strings.Lines(assembly) {
		if m := nakBlock.FindStringSubmatch(line); m != nil {
			p.blocks = append(p.blocks, block{number: atoi(m[1])})
			continue
		}
		if len(p.blocks) == 0 {
			continue
		}
		last := &p.blocks[len(p.blocks)-1]
		if m := nakEnd.FindStringSubmatch(line); m != nil {
			for n := range strings.SplitSeq(m[1], ", ") {
				if n != "" {
					last.next = append(last.next, atoi(n))
				}
			}
		} else if m := nakDelay.FindStringSubmatch(line); m != nil {
			op, _, _ := strings.Cut(line, "//")
			if _, right, ok := strings.Cut(op, " = "); ok {
				op = right
			}
			if strings.HasPrefix(op, "@") { // where a predicate holds
				_, op, _ = strings.Cut(op, " ")
			}
			last.ops = append(last.ops, strings.TrimSpace(op))
			last.cycles += float64(atoi(m[1]))
		}
	}
	return p
}

// countNAK adds an instruction; NVK's listing does not tell those of the uniform path
// from others but by their registers, and they count as vector instructions.
func (l *loop) countNAK(op string) {
	name, _, _ := strings.Cut(op, " ")
	base, _, _ := strings.Cut(name, ".")
	switch base {
	case "nop", "bar", "bsync", "bssy", "bclear", "membar", "ccctl":
		return
	case "bra", "exit":
		l.Branches++
		return
	case "ld", "st", "ldc", "atom":
		if strings.Contains(name, ".shared") {
			l.LDS++
		} else if base != "ldc" {
			l.Memory++
		}
		return
	case "ffma", "hfma2":
		l.FMA++
	case "hmma":
		l.WMMA++
	case "fmul", "fadd":
		l.MulAdd++
	case "mufu":
		l.Exp++
	case "mov", "sel":
		l.Moves++
	}
	l.Vector++
}

// atoi reads digits that a pattern has found.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
