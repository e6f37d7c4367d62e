package shaders

import "math"

// RelativeBias is T5's relative position bias: each distance d = key - query
// position falls into one of Buckets buckets, and a table [Buckets, Heads] holds
// what each head adds to its scores there. Span is L: distances go from 1-L to
// L-1.
type RelativeBias struct {
	Heads, Buckets, MaxDistance, Span int
	Offset                            int  // distances are so much more than the differences of indexes
	Bidirectional                     bool // the encoder's rule: keys after the query have buckets of their own
}

// Expand lays the bias out by distance, as Attention reads it.
//
// Bindings: 1 table [Buckets, Heads] float32, 2 BucketIndex [2·Span-1] u32,
// 3 out [Heads, 2·Span-1].
func (r RelativeBias) Expand(t Target) Call {
	return r.call("expand", t.grid1D(r.Heads*(2*r.Span-1), 64))
}

// Gather adds the gradient of the table to dtable.
//
// Bindings: 1 dbias [Heads, 2·Span-1], 2 BucketIndex [2·Span-1] u32,
// 3 dtable [Buckets, Heads].
func (r RelativeBias) Gather(t Target) Call {
	return r.call("gather", t.grid1D(r.Buckets*r.Heads, 64))
}

func (r RelativeBias) call(entry string, grid [3]uint32) Call {
	return Call{
		Spec:   Spec{File: "relbias", Entry: entry},
		Params: params("relbias", fields{"heads": r.Heads, "buckets": r.Buckets, "width": 2*r.Span - 1}),
		Grid:   grid,
	}
}

// BucketIndex is the bucket of each difference of indexes, key - query, from 1-Span
// to Span-1, whose distance is Offset more. The host computes it, since adapters'
// logarithms differ in their last bits.
func (r RelativeBias) BucketIndex() []uint32 {
	index := make([]uint32, 2*r.Span-1)
	for i := range index {
		index[i] = uint32(RelativeBucket(i-(r.Span-1)+r.Offset, r.Buckets, r.MaxDistance, r.Bidirectional))
	}
	return index
}

// RelativeBucket is the bucket of a distance (key - query position), by the rule
// of Hugging Face's T5: half of a direction's buckets are for one distance each,
// the others widen with the distance's logarithm, and the last takes all from
// maxDistance on. With bidirectional the keys after the query have the upper half
// of the buckets; without it they all share bucket 0. The logarithm is taken in
// float32, as there.
func RelativeBucket(distance, buckets, maxDistance int, bidirectional bool) int {
	first := 0
	past := max(0, -distance)
	if bidirectional {
		buckets /= 2
		if distance > 0 {
			first = buckets
		}
		past = max(distance, -distance)
	}
	exact := buckets / 2
	if past < exact {
		return first + past
	}
	steps := float32(math.Log(float64(float32(past)/float32(exact)))) / float32(math.Log(float64(maxDistance)/float64(exact))) * float32(buckets-exact)
	return first + min(exact+int(steps), buckets-1)
}
