package train

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
)

// passages are rows of the given source and target lengths. Some of their target
// positions have no label.
func passages(vocab int, lengths ...[2]int) rowsOfIDs {
	rng := rand.New(rand.NewPCG(4, 4))
	var rows rowsOfIDs
	for _, n := range lengths {
		var x data.Example
		for range n[0] {
			x.Source = append(x.Source, int32(2+rng.IntN(vocab-2)))
		}
		for i := range n[1] {
			x.Target = append(x.Target, int32(2+rng.IntN(vocab-2)))
			if i%5 == 3 {
				x.Target[i] = data.Ignored
			}
		}
		rows = append(rows, x)
	}
	return rows
}

// pack puts rows into one.
func pack(rows rowsOfIDs) (all data.Example) {
	for _, x := range rows {
		all.Source = append(all.Source, x.Source...)
		all.Target = append(all.Target, x.Target...)
		all.Parts = append(all.Parts, data.Part{Source: len(all.Source), Target: len(all.Target)})
	}
	return all
}

// Passages packed into rows give the loss and the gradient of every weight that
// they give one a row: both in float32, in another order of sums, which leaves
// an NMSE of 3e-14.
func TestPackedRows(t *testing.T) {
	ctx := context.Background()
	e := sharedEngine(t)
	for _, dir := range []string{"gated-untied", "relu-tied"} {
		t.Run(dir, func(t *testing.T) {
			ck, err := t5.OpenCheckpoint(filepath.Join("testdata", "golden", dir))
			require.NoError(t, err)
			defer ck.Close()
			rows := passages(ck.Config.VocabSize, [2]int{3, 2}, [2]int{39, 5}, [2]int{50, 9}, [2]int{1, 1}, [2]int{17, 4}, [2]int{33, 7})
			run := func(rows rowsOfIDs, s shape) (float32, map[string][]float32) {
				m, err := t5.Load(ctx, e, ck, true)
				require.NoError(t, err)
				defer m.Release()
				total, err := e.NewArray("loss", shaders.F32, 1)
				require.NoError(t, err)
				defer total.Release()
				graph, in, err := recordTraining(e, m, dept.NewFull(m), s, Options{}, total)
				require.NoError(t, err)
				defer in.release()
				program, err := graph.Compile(ctx)
				require.NoError(t, err)
				defer program.Release()
				require.NoError(t, in.write(rows))
				require.NoError(t, e.SetStep(shaders.Step{LossScale: float32(1 / float64(targetTokens(rows)))}))
				require.NoError(t, e.Run(program))
				loss, err := total.ReadFloats(ctx)
				require.NoError(t, err)
				grads := map[string][]float32{}
				for _, spec := range ck.Config.Tensors() {
					grads[spec.Name], err = m.Gradient(ctx, spec.Name)
					require.NoError(t, err)
				}
				return loss[0], grads
			}
			loss, want := run(rows, shape{6, 50, 9})
			// The last row is padding.
			packed, got := run(rowsOfIDs{pack(rows[:3]), rows[3], pack(rows[4:])}, shape{4, 97, 18})
			t.Logf("loss %.9f packed, %.9f one a row", packed, loss)
			assert.InEpsilon(t, loss, packed, 1e-6)
			worst, name := 0.0, ""
			for _, spec := range ck.Config.Tensors() {
				x := nmse(got[spec.Name], want[spec.Name])
				assert.LessOrEqual(t, x, 1e-12, spec.Name)
				if x >= worst {
					worst, name = x, spec.Name
				}
			}
			t.Logf("largest NMSE of a weight's gradient: %.2g (%s)", worst, name)
		})
	}
}

// What a row holds is checked before it reaches the device.
func TestPartsThatDoNotFit(t *testing.T) {
	b := newBench(t, "gated-untied")
	row := passages(b.m.Vocabulary, [2]int{9, 6})[0]
	end := func(source, target int) data.Part { return data.Part{Source: source, Target: target} }
	for _, c := range []struct {
		prompt int
		parts  []data.Part
		err    string
	}{
		{0, []data.Part{}, "the parts end at 0 source and 0 target ids of 9 and 6"},
		{0, []data.Part{end(4, 3), end(9, 5)}, "the parts end at 9 source and 5 target ids of 9 and 6"},
		{0, []data.Part{end(4, 3), end(10, 6)}, "the parts end at 10 source"},
		{0, []data.Part{end(4, 3), end(4, 5), end(9, 6)}, "part 2 ends at 4 source and 5 target ids, the one before at 4 and 3"},
		{0, []data.Part{end(4, 3), end(9, 2)}, "part 2 ends at 9 source and 2 target ids"},
		{0, []data.Part{end(-1, 3), end(9, 6)}, "part 1 ends at -1 source"},
		{0, []data.Part{end(4, 3), end(9, 6)}, ""},
		{5, []data.Part{end(4, 3), end(9, 6)}, "2 passages behind one prompt"},
		{5, []data.Part{end(9, 6)}, ""},
	} {
		in, err := newInputs(b.e, b.m.Description, shape{2, 12, 8}, c.prompt, nn.Ahead{}, false)
		require.NoError(t, err)
		defer in.release()
		row.Parts = c.parts
		err = in.write([]data.Example{{Source: []int32{1}, Target: []int32{1}}, row})
		if c.err == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, "batch row 1: ")
		assert.ErrorContains(t, err, c.err)
	}
}
