package metrics

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPeers compares with what scikit-learn, scipy and torchmetrics score; scripts/fixtures/metrics.py asks
// them.
func TestPeers(t *testing.T) {
	text, err := os.ReadFile("testdata/peers.json")
	require.NoError(t, err)
	var cases []struct {
		Name    string
		Answers Answers
		Scores  map[Name]float64
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	seen := map[Name]bool{}
	for _, tc := range cases {
		t.Run(tc.Name, func(t *testing.T) {
			require.NotEmpty(t, tc.Scores)
			for metric, want := range tc.Scores {
				seen[metric] = true
				got, err := Score(metric, tc.Answers)
				require.NoError(t, err)
				tolerance := 1e-14
				if metric == SquadF1 || metric == TargetF1 || metric == SquadExactMatch || metric == TargetExactMatch {
					tolerance = 1e-7 // torchmetrics counts in float32
				}
				require.InDelta(t, want, got, tolerance, "%s", metric)
			}
		})
	}
	for _, metric := range Names {
		require.True(t, seen[metric] || metric == ExactMatch, "%s is compared", metric)
	}
}
