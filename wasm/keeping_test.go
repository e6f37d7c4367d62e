//go:build !js

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folderVault keeps a run in a folder; tabs share it by its lock.
type folderVault struct {
	dir    string
	taken  *bool
	broken error // of each write
	closed error // of each taking
}

func newVault(t *testing.T) *folderVault { return &folderVault{dir: t.TempDir(), taken: new(bool)} }

// tab is the vault as another tab has it.
func (v *folderVault) tab() *folderVault { return &folderVault{dir: v.dir, taken: v.taken} }

func (v *folderVault) take(context.Context) (bool, error) {
	if v.closed != nil || *v.taken {
		return false, v.closed
	}
	*v.taken = true
	return true, nil
}

func (v *folderVault) give() { *v.taken = false }

func (v *folderVault) read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(v.dir, name))
}

func (v *folderVault) write(_ context.Context, name string, data []byte) error {
	if v.broken != nil {
		return v.broken
	}
	return os.WriteFile(filepath.Join(v.dir, name), data, 0o666)
}

func (v *folderVault) clear(context.Context) error {
	for _, name := range slots {
		os.Remove(filepath.Join(v.dir, name))
	}
	return nil
}

// closeTab ends a tab as a reload does: nothing is saved any more, and the lock is free.
func (v *folderVault) closeTab(p *page) {
	v.broken = os.ErrClosed
	v.give()
	p.worker.Send(Cancel{})
}

// A run that a reload cuts off is offered anew, and goes on to the same bytes as one that
// nothing cut off: half-way, in the middle of its curve, and when it has ended.
func TestKeptRun(t *testing.T) {
	model := writeModel(t, 1)
	s := settings(12)
	open := func(v vault) *page {
		p := newTab(t, v)
		p.worker.Send(Load{Model: model})
		await[Ready](p)
		return p
	}
	export := func(p *page) []byte {
		await[Done](p)
		p.worker.Send(Export{})
		return await[AdapterZip](p).Data
	}

	v := newVault(t)
	p := open(v)
	p.worker.Send(Train{Settings: s})
	assert.Empty(t, await[Keeping](p).Notice)
	want := export(p)
	var steps []Step
	for _, m := range p.got {
		if x, ok := m.(Step); ok {
			steps = append(steps, x)
		}
	}
	v.closeTab(p)

	// Of the run that ended there is the adapter.
	v = v.tab()
	p = open(v)
	assert.Equal(t, 12, await[Interrupted](p).Step)
	p.worker.Send(Restore{})
	assert.Len(t, await[Restored](p).Steps, 12)
	assert.Equal(t, want, export(p))
	p.worker.Send(Train{Settings: s, Paused: true})
	for i := range 7 {
		p.worker.Send(StepOnce{})
		awaitThat(p, func(s State) bool { return s.Step == i+1 })
	}
	p.worker.Send(Predict{ID: 1, Text: "a good film"}) // comes after what is kept of the pause
	await[Answer](p)
	v.closeTab(p)

	// What was written last was cut off: the one before is whole.
	for _, step := range []int{7, 6} {
		again := newVault(t)
		require.NoError(t, os.CopyFS(again.dir, os.DirFS(v.dir)))
		if step == 6 {
			last := slots[0]
			if readKeptFile(t, again, slots[1]).Step == 7 {
				last = slots[1]
			}
			whole, err := again.read(context.Background(), last)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(again.dir, last), whole[:len(whole)-1], 0o666))
		}
		p = open(again)
		offer := await[Interrupted](p)
		assert.Equal(t, []any{step, s.Rows, s.Seed, true}, []any{offer.Step, offer.Settings.Rows, offer.Settings.Seed, offer.Here})
		p.worker.Send(Restore{})
		assert.Equal(t, 12, await[Plan](p).Settings.Steps)
		before := await[Restored](p)
		require.Len(t, before.Steps, step)
		assert.Len(t, before.Evaluations, 2, "before the first step, and after five")
		for i, x := range before.Steps {
			assert.Equal(t, steps[i].Loss, x.Loss)
		}
		for i := step; i < 12; i++ {
			assert.Equal(t, steps[i].Loss, await[Step](p).Loss, "step %d", i+1)
		}
		assert.Equal(t, want, export(p), "the same bytes from step %d on", step)
	}
}

func readKeptFile(t *testing.T, v *folderVault, name string) *keptRun {
	t.Helper()
	data, err := v.read(context.Background(), name)
	require.NoError(t, err)
	k, err := readKept(data)
	require.NoError(t, err)
	return k
}

// What is kept is one tab's: another's run goes on unkept, and says so. So does one for which
// there is no room. What is kept goes with forget and reset.
func TestKeptRunIsOneTabs(t *testing.T) {
	model := writeModel(t, 1)
	v := newVault(t)
	mine, other := newTab(t, v), newTab(t, v.tab())
	for _, p := range []*page{mine, other} {
		p.worker.Send(Load{Model: model})
		await[Ready](p)
	}
	s := settings(2)
	mine.worker.Send(Train{Settings: s})
	await[Done](mine)
	kept, err := v.read(context.Background(), slots[0])
	require.NoError(t, err)

	other.worker.Send(Train{Settings: settings(3)})
	assert.Contains(t, await[Keeping](other).Notice, "Another tab")
	await[Done](other)
	still, err := v.read(context.Background(), slots[0])
	require.NoError(t, err)
	assert.Equal(t, kept, still)
	other.fails(codeOrder, Restore{})

	refused := func(p *page) string { return awaitThat(p, func(k Keeping) bool { return k.Notice != "" }).Notice }
	mine.worker.Send(Train{Settings: s, Paused: true})
	mine.worker.Send(StepOnce{})
	awaitThat(mine, func(s State) bool { return s.Step == 1 })
	v.broken = errVaultFull
	mine.worker.Send(StepOnce{})
	assert.Equal(t, "The run goes on, but the browser's storage has no more room to keep it. A reload takes it back to step 1: download the adapter at the end.", refused(mine))
	mine.worker.Send(Resume{})
	assert.Equal(t, 2, await[Done](mine).Step, "the run goes on")
	mine.worker.Send(Train{Settings: settings(1)})
	assert.Equal(t, "The run has ended, but the browser's storage has no more room to keep it. It is lost when the page is reloaded or closed: download the adapter.", refused(mine))
	await[Done](mine)
	v.broken = nil

	mine.worker.Send(Train{Settings: s})
	await[Done](mine)
	mine.worker.Send(Reset{})
	mine.worker.Send(Predict{ID: 1, Text: "a good film"})
	await[Answer](mine)
	for _, name := range slots {
		_, err := v.read(context.Background(), name)
		assert.ErrorIs(t, err, os.ErrNotExist)
	}

	// A run whose tab is closed is not replaced by a tab that was open before and has not offered it.
	mine.worker.Send(Train{Settings: settings(5)})
	await[Done](mine)
	v.closeTab(mine)
	kept, err = v.read(context.Background(), slots[0])
	require.NoError(t, err)
	other.worker.Send(Train{Settings: settings(3)})
	assert.True(t, strings.HasPrefix(await[Keeping](other).Notice, "A run of a tab that was closed is kept, and offered when the page is reloaded. This one goes on"))
	await[Done](other)
	other.worker.Send(Reset{}) // of what is here alone
	other.worker.Send(Load{Model: model})
	assert.Equal(t, 5, await[Interrupted](other).Step)
	still, err = v.read(context.Background(), slots[0])
	require.NoError(t, err)
	assert.Equal(t, kept, still)

	// Nor by a page that wants none kept, to which it is not offered.
	v.give()
	guest := newTab(t, v)
	guest.worker.Send(Load{Model: model, Unkept: true})
	guest.worker.Send(Train{Settings: settings(2)})
	await[Done](guest)
	for _, m := range guest.got {
		assert.NotContains(t, []string{Interrupted{}.kind(), Keeping{}.kind()}, m.kind())
	}
	assert.False(t, *v.taken)
	still, err = v.read(context.Background(), slots[0])
	require.NoError(t, err)
	assert.Equal(t, kept, still)

	other.worker.Send(Train{Settings: settings(1)})
	assert.Empty(t, await[Keeping](other).Notice, "the visitor has seen it, and trains another")

	// Where a window keeps nothing, or has no room, that is said.
	for v, want := range map[vault]string{
		noVault{}: "This browser window, like private ones, keeps no runs. This one goes on, but it is lost",
		&folderVault{taken: new(bool), closed: errVaultFull}: "The browser's storage has no room to keep a run. This one goes on, but it is lost",
	} {
		var notice string
		newWorker(func(m Message) { notice = m.(Keeping).Notice }, disk{}, v).begun(context.Background())
		assert.True(t, strings.HasPrefix(notice, want), notice)
	}
}

// FuzzReadKept: whatever lies in the storage is a run or an error.
func FuzzReadKept(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Add([]byte("\x22\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\":{\"page\":\"{}\"}}   "))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := readKept(data); err == nil {
			require.NotNil(t, k.file)
		}
	})
}
