// Package permutation draws the permutations that PyTorch and NumPy draw, number for number, so that rows
// that others chose by a seed can be named.
package permutation

import "math/bits"

// Torch is torch.randperm(n) of a CPU generator with manual_seed(seed): Fisher and Yates' shuffle from the
// front, over the Mersenne Twister MT19937. PyTorch draws otherwise from n of about 2^32/20 on, which is
// out of reach here. https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/TensorFactories.cpp
func Torch(seed uint32, n int) []int {
	r := identity(n)
	twister := newTwister(seed)
	for i := range n - 1 {
		j := i + int(twister.next()%uint32(n-i))
		r[i], r[j] = r[j], r[i]
	}
	return r
}

// NumPy is numpy.random.default_rng(seed).permutation(n): Fisher and Yates' shuffle from the end, over
// PCG64. https://numpy.org/doc/stable/reference/random/bit_generators/pcg64.html
func NumPy(seed uint64, n int) []int {
	r := identity(n)
	random := newPCG64(seed)
	for i := n - 1; i > 0; i-- {
		j := random.upTo(uint32(i))
		r[i], r[j] = r[j], r[i]
	}
	return r
}

func identity(n int) []int {
	r := make([]int, n)
	for i := range r {
		r[i] = i
	}
	return r
}

// twister is MT19937, seeded by Matsumoto and Nishimura's init_genrand.
type twister struct {
	state [624]uint32
	at    int // the word of the state that is given next
}

func newTwister(seed uint32) *twister {
	t := &twister{at: 624}
	t.state[0] = seed
	for i := 1; i < len(t.state); i++ {
		before := t.state[i-1]
		t.state[i] = 1812433253*(before^before>>30) + uint32(i)
	}
	return t
}

func (t *twister) next() uint32 {
	if t.at == len(t.state) {
		t.at = 0
		for i := range t.state {
			y := t.state[i]&(1<<31) | t.state[(i+1)%624]&(1<<31-1)
			t.state[i] = t.state[(i+397)%624] ^ y>>1
			if y&1 == 1 {
				t.state[i] ^= 0x9908b0df
			}
		}
	}
	y := t.state[t.at]
	t.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// pcg64 is PCG XSL RR 128/64, seeded by NumPy's SeedSequence.
type pcg64 struct {
	high, low       uint64 // the state
	incHigh, incLow uint64
	half            uint32 // the high half of the last draw
	halfLeft        bool
}

func newPCG64(seed uint64) *pcg64 {
	words := seedSequence(seed)
	initHigh, initLow, sequenceHigh, sequenceLow := words[0], words[1], words[2], words[3]
	p := &pcg64{incHigh: sequenceHigh<<1 | sequenceLow>>63, incLow: sequenceLow<<1 | 1}
	p.step()
	var carry uint64
	p.low, carry = bits.Add64(p.low, initLow, 0)
	p.high, _ = bits.Add64(p.high, initHigh, carry)
	p.step()
	return p
}

func (p *pcg64) step() {
	const multHigh, multLow = 0x2360ed051fc65da4, 0x4385df649fccf645
	high, low := bits.Mul64(p.low, multLow)
	high += p.high*multLow + p.low*multHigh
	var carry uint64
	p.low, carry = bits.Add64(low, p.incLow, 0)
	p.high, _ = bits.Add64(high, p.incHigh, carry)
}

// next gives 32 bits: the low half of a draw of 64, then the high one.
func (p *pcg64) next() uint32 {
	if p.halfLeft {
		p.halfLeft = false
		return p.half
	}
	p.step()
	draw := bits.RotateLeft64(p.high^p.low, -int(p.high>>58))
	p.half, p.halfLeft = uint32(draw>>32), true
	return uint32(draw)
}

// upTo draws from 0 … most: as many bits as most has, until they are not above it.
func (p *pcg64) upTo(most uint32) uint32 {
	mask := uint32(1)<<bits.Len32(most) - 1
	for {
		if x := p.next() & mask; x <= most {
			return x
		}
	}
}

// seedSequence is SeedSequence(seed).generate_state(4, uint64).
func seedSequence(seed uint64) (words [4]uint64) {
	const multA, multB = 0x931e8875, 0x58f38ded
	hash := uint32(0x43b0d7e5)
	hashed := func(x uint32) uint32 {
		x ^= hash
		hash *= multA
		x *= hash
		return x ^ x>>16
	}
	pool := [4]uint32{uint32(seed), uint32(seed >> 32)}
	for i := range pool {
		pool[i] = hashed(pool[i])
	}
	for from := range pool {
		for to := range pool {
			if from != to {
				x := 0xca01f9dd*pool[to] - 0x4973f715*hashed(pool[from])
				pool[to] = x ^ x>>16
			}
		}
	}
	hash = 0x8b51f9dd
	for i := range 8 {
		x := pool[i%4] ^ hash
		hash *= multB
		x *= hash
		words[i/2] |= uint64(x^x>>16) << (i % 2 * 32)
	}
	return words
}
