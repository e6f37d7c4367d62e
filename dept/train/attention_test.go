package train

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

// numbered is a tokenizer of so many words, w0 and on.
func numbered(t *testing.T, n int) *text.Tokenizer {
	pieces := []text.Piece{{Text: "▁", Score: -2}}
	for i := range n {
		pieces = append(pieces, text.Piece{Text: fmt.Sprintf("▁w%d", i), Score: -1})
	}
	tok, err := text.NewUnigram(pieces)
	require.NoError(t, err)
	return tok
}

// The encoder's attention is that of a float64 model, under methods that reach into it in different ways;
// the text is shorter than what it is padded to. What answering has compiled is all that it takes.
func TestAttention(t *testing.T) {
	e := sharedEngine(t)
	tok := numbered(t, 40)
	const source, longest = "w7 w3 w3 w30 w12", 20
	ids, _ := data.Encode(tok, source, longest)
	require.Len(t, ids, 6)
	for _, model := range oddModels {
		ck := oddModel(t, model.config, safetensors.F32)
		m, err := t5.Load(context.Background(), e, ck, false)
		require.NoError(t, err)
		t.Cleanup(m.Release)
		hold := func(t *testing.T, method *dept.Method, o *oracle) {
			p := NewPredictor(e, m, tok, method, PredictOptions{Batch: 1, MaxSourceLength: longest, MaxNewTokens: 1, Beams: 1})
			defer p.Release()
			_, err := p.Predict(context.Background(), []string{source})
			require.NoError(t, err)
			before := e.Pipelines()
			got, err := p.Attention(context.Background(), source)
			require.NoError(t, err)
			assert.Equal(t, before, e.Pipelines())
			positions := method.PromptLength() + len(ids)
			keys := method.Hooks.Ahead.Encoder + positions
			assert.Equal(t, []int{ck.Config.NumLayers, ck.Config.NumHeads, positions, keys}, []int{got.Blocks, got.Heads, got.Positions, got.Keys})
			o.encode(0, data.Example{Source: ids})
			var want []float32
			for i := range ck.Config.NumLayers {
				want = append(want, narrow(matrix{o.attends[fmt.Sprintf("encoder.block.%d.layer.0.SelfAttention", i)]})...)
			}
			assert.LessOrEqual(t, nmse(got.Values, want), 1e-12*slackOf(e))
			for row := 0; row < len(got.Values); row += keys {
				var sum float64
				for _, x := range got.Values[row : row+keys] {
					sum += float64(x)
				}
				assert.InDelta(t, 1, sum, 1e-5)
			}
		}
		for _, c := range methodCases {
			t.Run(model.name+"/"+c.name, func(t *testing.T) {
				a := shake(c.start(t, ck, longest, nil))
				method, err := dept.New(m, a, false)
				require.NoError(t, err)
				defer method.Release()
				hold(t, method, newOracle(t, ck, a))
			})
		}
		t.Run(model.name+"/as it is", func(t *testing.T) { hold(t, dept.AsIs(), newOracle(t, ck, nil)) })
		t.Run(model.name+"/keys in front", func(t *testing.T) {
			o := newOracle(t, ck, nil)
			k := newKeyed(t, e, m, o, nn.Ahead{Encoder: 3})
			hold(t, k.Method, o)
		})
	}
}
