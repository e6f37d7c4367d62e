//go:build !js

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
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

// What cannot be looked into says so.
func TestLookFails(t *testing.T) {
	p := newPage(t)
	assert.Equal(t, 5, p.fails(codeOrder, Look{ID: 5, Text: "x"}).ID)
	p.worker.Send(Load{Model: writeModel(t, 1)})
	await[Ready](p)
	assert.Equal(t, 6, p.fails(codeSettings, Look{ID: 6, Task: "nonesuch"}).ID)
}
