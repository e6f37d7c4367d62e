//go:build !js

package main

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

// looking is what a test compares looks with: the model's files, read without the worker.
type looking struct {
	*page
	tok   *text.Tokenizer
	table []float32 // E, vocabulary×32
}

// newLooking is a page with a model.
func newLooking(t *testing.T) *looking {
	dir := writeModel(t, 1)
	ck, err := t5.OpenCheckpoint(dir)
	require.NoError(t, err)
	defer ck.Close()
	l := &looking{page: newPage(t)}
	l.table, err = ck.Float32("shared.weight")
	require.NoError(t, err)
	l.tok, err = text.Open(dir)
	require.NoError(t, err)
	l.worker.Send(Load{Model: dir})
	await[Ready](l.page)
	return l
}

// look asks for a text, and checks what holds under every adapter.
func (l *looking) look(text string, attention bool) Looked {
	l.worker.Send(Look{ID: 8, Text: text, Attention: attention})
	got := await[Looked](l.page)
	assert.Equal(l.t, []any{8, text, 32}, []any{got.ID, got.Text, got.Width})
	ids, _ := data.Encode(l.tok, text, 16)
	var tokens []TokenID
	var embeddings []float32
	for _, id := range ids {
		tokens = append(tokens, TokenID{l.tok.Piece(id), id})
		embeddings = append(embeddings, l.table[32*id:][:32]...)
	}
	assert.Equal(l.t, tokens, got.Tokens)
	assert.Equal(l.t, embeddings, got.Embeddings)
	return got
}

// stepped begins a run, and pauses it after so many steps.
func (l *looking) stepped(s Settings, steps int) {
	l.worker.Send(Train{Settings: s, Paused: true})
	for i := range steps {
		l.worker.Send(StepOnce{})
		awaitThat(l.page, func(s State) bool { return s.State == statePaused && s.Step == i+1 })
	}
}

// exported is the adapter as the page downloads it.
func (l *looking) exported() *dept.Adapter {
	l.worker.Send(Export{})
	a, _, err := readAdapter([]File{await[AdapterZip](l.page).File})
	require.NoError(l.t, err)
	return a
}

// A look shows the parts of what the encoder reads: of the model as it is, of a run between two of its
// steps, and of what has no part before the encoder.
func TestLook(t *testing.T) {
	l := newLooking(t)
	const text = "the film was good"
	bare := l.look(text, false)
	assert.Equal(t, "</s>", bare.Tokens[4].Text)
	assert.Empty(t, append(append(bare.Prompt, bare.A...), bare.B...))

	l.stepped(settings(1000), 3)
	run := l.look(text, false)
	a := l.exported()
	assert.Equal(t, a.Values(dept.TensorP), run.Prompt)
	assert.Equal(t, a.Values(dept.TensorA)[:5*2], run.A)
	assert.Equal(t, a.Values(dept.TensorB), run.B)
	assert.NotZero(t, run.B[0])
	assert.Equal(t, []any{2, a.Config.(*dept.PromptConfig).Scale()}, []any{run.Rank, run.Scale})
	l.worker.Send(StepOnce{})
	awaitThat(l.page, func(s State) bool { return s.Step == 4 })
	assert.NotEqual(t, run.B, l.look(text, false).B, "a step has been made")

	long := l.look("the film was good the play was bad a very very very dull song and no no no text", false)
	assert.Len(t, long.Tokens, 16)
	assert.Len(t, long.A, 16*2)
	assert.Len(t, l.look("", false).Tokens, 1)

	prompt := settings(1000)
	prompt.Method, prompt.Values = "pt", map[string]any{"prompt-length": 4}
	l.stepped(prompt, 1)
	pt := l.look(text, false)
	assert.Len(t, pt.Prompt, 4*32)
	assert.Empty(t, pt.A)
	assert.Zero(t, pt.Rank)
	lora := settings(1000)
	lora.Method, lora.Values = "lora", nil
	l.stepped(lora, 1)
	assert.Empty(t, l.look(text, false).Prompt)
}

// A constant shift moves every word by one vector, also once it is trained; A is not, and does not count.
func TestLookConstantShift(t *testing.T) {
	l := newLooking(t)
	s := settings(1000)
	s.Values["shift"] = dept.ShiftConstant
	assert.Contains(t, l.fails(codeSettings, Train{Settings: s}).Message, "rank 1")
	s.Values["rank"] = 1
	l.worker.Send(Train{Settings: s, Paused: true})
	assert.Equal(t, 4*32+32, await[Plan](l.page).Parameters)
	for range 3 {
		l.worker.Send(StepOnce{})
		await[Step](l.page)
	}
	got := l.look("the film was good", false)
	assert.Equal(t, []float32{1, 1, 1, 1, 1}, got.A)
	assert.NotZero(t, got.B[0])
	for _, x := range got.Moved {
		assert.Equal(t, got.Moved[0].Shift, x.Shift)
	}
	shift := dept.DePT.Setting("shift")
	assert.Equal(t, dept.ShiftConstant, shift.Of(l.exported().Config))
}

// What cannot be looked into says so.
func TestLookFails(t *testing.T) {
	p := newPage(t)
	assert.Equal(t, 5, p.fails(codeOrder, Look{ID: 5, Text: "x"}).ID)
	p.worker.Send(Load{Model: writeModel(t, 1)})
	await[Ready](p)
	assert.Equal(t, 6, p.fails(codeSettings, Look{ID: 6, Task: "nonesuch"}).ID)
}

// cosine of the angle between two vectors.
func cosine(x, y []float64) float64 {
	var xy, xx, yy float64
	for i := range x {
		xy, xx, yy = xy+x[i]*y[i], xx+x[i]*x[i], yy+y[i]*y[i]
	}
	return xy / math.Sqrt(xx*yy)
}

func wide(x []float32) []float64 { return mapped(x, func(v float32) float64 { return float64(v) }) }

// nearest are the pieces of the test's words, and maybe one more, by how near they are to a vector.
func (l *looking) nearest(vector []float64, also int32) (near []Near) {
	for id := range int32(len(l.table) / 32) {
		piece := l.tok.Piece(id)
		if slices.Contains(words, strings.TrimPrefix(piece, "▁")) || piece == "▁" || id == also {
			near = append(near, Near{piece, float32(cosine(vector, wide(l.table[32*id:][:32])))})
		}
	}
	slices.SortFunc(near, func(x, y Near) int { return cmp.Compare(y.Cosine, x.Cosine) })
	return near
}

// same compares what is near, cosines up to what float32 rounds.
func same(t *testing.T, want, got []Near) {
	t.Helper()
	piece := func(n Near) string { return n.Text }
	require.Equal(t, mapped(want, piece), mapped(got, piece))
	for i := range want {
		assert.InDelta(t, want[i].Cosine, got[i].Cosine, 1e-6)
	}
}

// The vocabulary's pieces nearest to the rows of a prompt, and to where the shift moves the words, are
// those of a search through all, whether the table is kept or gone through seven rows at a time.
func TestLookNear(t *testing.T) {
	t.Run("kept", lookNear)
	defer func(bytes int) { tableBytes = bytes }(tableBytes)
	tableBytes = 7*32*4 + 1
	t.Run("in pieces", lookNear)
}

func lookNear(t *testing.T) {
	l := newLooking(t)
	const text = "the film was good"
	bare := l.look(text, false)
	assert.Empty(t, bare.Near)
	assert.Empty(t, bare.Moved)

	fast := settings(1000)
	fast.Values["lr-lowrank"] = 0.5 // so that words become others
	l.stepped(fast, 5)
	got := l.look(text, false)
	a := l.exported()
	p, low, b := wide(a.Values(dept.TensorP)), wide(a.Values(dept.TensorA)), wide(a.Values(dept.TensorB))
	require.Len(t, got.Near, 4)
	for i, near := range got.Near {
		require.Len(t, near, 5)
		same(t, l.nearest(p[32*i:][:32], noID)[:5], near)
	}
	require.Len(t, got.Moved, 5)
	became := 0
	for i, token := range got.Tokens {
		e, moved := wide(l.table[32*token.ID:][:32]), make([]float64, 32)
		var shift, embedding float64
		for j := range moved {
			by := a.Config.(*dept.PromptConfig).Scale() * (low[2*i]*b[j] + low[2*i+1]*b[32+j])
			moved[j] = e[j] + by
			shift, embedding = shift+by*by, embedding+e[j]*e[j]
		}
		x := got.Moved[i]
		same(t, l.nearest(moved, token.ID)[:1], []Near{x.Near})
		assert.InDelta(t, cosine(moved, e), x.Own, 1e-6)
		assert.InEpsilon(t, math.Sqrt(shift), x.Shift, 1e-6)
		assert.InEpsilon(t, math.Sqrt(embedding), x.Embedding, 1e-6)
		if x.Text != token.Text {
			became++
		}
	}
	assert.NotZero(t, became, "some word has become another")
}

// A word that nothing moves stays the word that it is, a special one too, and where another has the same
// embedding; and a row of zeros is near to none.
func TestNearest(t *testing.T) {
	tok, err := text.NewUnigram([]text.Piece{{Text: "▁a", Score: -1}, {Text: "▁b", Score: -1}, {Text: "▁c", Score: -1}})
	require.NoError(t, err)
	id := func(piece string) int32 { return tok.Encode(piece)[0] }
	m := &model{Setup: &train.Setup{Tokenizer: tok, Model: &nn.Model{Description: nn.Description{Width: 2}}}}
	m.table = make([]float32, 2*(tok.VocabSize()+3)) // more rows than pieces
	for i, row := range map[int32][2]float32{id("a"): {3, 4}, id("b"): {3, 4}, id("c"): {-1, 1}, tok.EOS(): {6, 8}, int32(tok.VocabSize()): {3, 4}} {
		copy(m.table[2*i:], row[:])
	}
	var list []*direction
	for _, own := range []int32{id("a"), id("b"), tok.EOS()} {
		list = append(list, newDirection([]float32{3, 4}, 1, own))
	}
	list = append(list, newDirection([]float32{-2, 2}, 5, noID), newDirection([]float32{0, 0}, 1, noID))
	require.NoError(t, m.compare(list))
	for i, piece := range []string{"▁a", "▁b", "</s>"} {
		assert.Equal(t, []Near{{piece, 1}}, list[i].near(tok))
	}
	pieces := list[3].near(tok)
	assert.Equal(t, Near{"▁c", 1}, pieces[0])
	assert.Len(t, pieces, 3)
	assert.Zero(t, list[4].near(tok)[0].Cosine)
}

// The encoder's attention comes where it is asked for, with rows whose sum is 1, and takes no kernel that
// answers do not; what the adapter changes, it changes.
func TestLookAttention(t *testing.T) {
	l := newLooking(t)
	const text = "the film was good"
	assert.Nil(t, l.look(text, false).Attention)
	l.worker.Send(Predict{Text: text})
	await[Answer](l.page)
	kernels := l.worker.model.Engine.Pipelines()
	bare := l.look(text, true).Attention
	assert.Equal(t, kernels, l.worker.model.Engine.Pipelines())
	assert.Equal(t, []int{1, 2, 5}, []int{bare.Blocks, bare.Heads, bare.Positions})
	rowsAreShares(t, bare)

	l.stepped(settings(1000), 2)
	prompted := l.look(text, true).Attention
	assert.Equal(t, 4+5, prompted.Positions)
	rowsAreShares(t, prompted)
	lora := settings(1000)
	lora.Method, lora.Values = "lora", map[string]any{"lr": 0.5}
	l.stepped(lora, 3)
	other := l.look(text, true).Attention
	rowsAreShares(t, other)
	assert.NotEqual(t, bare.Values, other.Values)
}

func rowsAreShares(t *testing.T, a *Attention) {
	t.Helper()
	require.Len(t, a.Values, a.Blocks*a.Heads*a.Positions*a.Positions)
	for row := range slices.Chunk(a.Values, a.Positions) {
		var sum float32
		for _, x := range row {
			assert.GreaterOrEqual(t, x, float32(0))
			sum += x
		}
		assert.InDelta(t, 1, sum, 1e-5)
	}
}
