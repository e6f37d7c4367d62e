package shaders

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func relbiasCases(target Target) []kernelCase {
	var cases []kernelCase
	for _, r := range []RelativeBias{
		{Heads: 8, Buckets: 32, MaxDistance: 128, Span: 168, Bidirectional: true},
		{Heads: 8, Buckets: 32, MaxDistance: 128, Span: 168},
		{Heads: 3, Buckets: 7, MaxDistance: 20, Span: 33, Bidirectional: true},
		{Heads: 1, Buckets: 32, MaxDistance: 128, Span: 1},
	} {
		width := 2*r.Span - 1
		table, dbias := normals(1, r.Buckets*r.Heads, 1), normals(2, r.Heads*width, 1)
		before := normals(3, len(table), 1)
		bias, dtable := make([]float64, len(dbias)), wide(before)
		for h := range r.Heads {
			for d := range width {
				at := RelativeBucket(d-r.Span+1, r.Buckets, r.MaxDistance, r.Bidirectional)*r.Heads + h
				bias[h*width+d] = float64(table[at])
				dtable[at] += float64(dbias[h*width+d])
			}
		}
		name := fmt.Sprintf("relbias/h=%d,buckets=%d,span=%d,bidirectional=%v", r.Heads, r.Buckets, r.Span, r.Bidirectional)
		cases = append(cases,
			kernelCase{
				name: name + "/expand", call: r.Expand(target),
				operands: []operand{in(table), in(r.BucketIndex()), out(bias, 1)},
			},
			kernelCase{
				name: name + "/gather", call: r.Gather(target),
				operands: []operand{in(dbias), in(r.BucketIndex()), inout(before, dtable, width)},
			})
	}
	return cases
}

// TestRelativeBucket holds the rule against its known values. With 32 buckets to
// distance 128 the encoder has, each way, buckets 0 to 7 for the distances
// themselves and a doubling of the distance for every two buckets after: bucket
// 8+n begins at the first whole distance from 8·2^(n/2) on. The decoder has 16
// for the distances themselves, and bucket 16+n begins at 16·8^(n/16).
func TestRelativeBucket(t *testing.T) {
	encoder := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91}
	decoder := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113}
	bucket := func(starts []int, past int) int {
		n := 0
		for n+1 < len(starts) && starts[n+1] <= past {
			n++
		}
		return n
	}
	for past := range 1000 {
		require.Equal(t, bucket(encoder, past), RelativeBucket(-past, 32, 128, true), "%d keys back", past)
		require.Equal(t, bucket(decoder, past), RelativeBucket(-past, 32, 128, false), "%d keys back, decoder", past)
		if past > 0 {
			require.Equal(t, 16+bucket(encoder, past), RelativeBucket(past, 32, 128, true), "%d keys ahead", past)
			require.Zero(t, RelativeBucket(past, 32, 128, false), "%d keys ahead, decoder", past)
		}
	}
	assert.Equal(t, []uint32{2, 1, 0, 17, 18}, RelativeBias{Buckets: 32, MaxDistance: 128, Span: 3, Bidirectional: true}.BucketIndex())
}
