package permutation

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What torch.randperm and numpy's default_rng draw; scripts/fixtures/permutations.py asked them.
func TestPeers(t *testing.T) {
	text, err := os.ReadFile("testdata/peers.json")
	require.NoError(t, err)
	var cases []struct {
		Kind  string
		Seed  uint64
		N     int
		First []int
		Sum   int
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	require.NotEmpty(t, cases)
	for _, tc := range cases {
		draw := NumPy
		if tc.Kind == "torch" {
			draw = func(seed uint64, n int) []int { return Torch(uint32(seed), n) }
		}
		r := draw(tc.Seed, tc.N)
		require.Len(t, r, tc.N)
		require.Equal(t, tc.First, r[:len(tc.First)], "%s, seed %d, n %d", tc.Kind, tc.Seed, tc.N)
		sum := 0
		for i, x := range r {
			sum += i * x
		}
		require.Equal(t, tc.Sum, sum, "%s, seed %d, n %d", tc.Kind, tc.Seed, tc.N)
	}
}

// The vectors that the splits of the DePT authors begin with.
func TestVectors(t *testing.T) {
	for n, want := range map[int][]int{
		10: {2, 6, 1, 8, 4, 5, 0, 9, 3, 7}, 56: {22, 8, 36, 39, 34, 28, 26, 6}, 277: {207, 84, 253, 243, 190, 28, 165, 111},
		1043: {911, 408, 813, 657, 710, 526, 977, 467}, 9427: {4835, 6498, 9303, 17, 310, 8366, 1622, 6171},
		67349: {6677, 49712, 38268, 32909, 23395, 66940, 62886, 11359},
	} {
		require.Equal(t, want, Torch(42, n)[:len(want)])
	}
	for n, want := range map[int][]int{
		10: {5, 6, 0, 7, 3, 2, 4, 9, 1, 8}, 2490: {1913, 795, 1455, 1390, 1359, 242, 1872, 1357},
		8551: {1792, 7950, 5436, 2959, 3581, 6838, 3097, 5764}, 66349: {33614, 38948, 58316, 13938, 42082, 11286, 39569, 45571},
	} {
		require.Equal(t, want, NumPy(42, n)[:len(want)])
	}
	require.Empty(t, Torch(1, 0))
	require.Empty(t, NumPy(1, 0))
}
