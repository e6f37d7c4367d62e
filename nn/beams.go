package nn

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
)

// hypothesis is a beam's sequence with its summed log-probability.
type hypothesis struct {
	tokens []int32
	score  float64
	from   int // the beam it goes on from
}

// beams searches as Hugging Face's generate does with its defaults: 2·beams
// candidates a step, finished ones ranked by log-probability over length, a row
// done when no running beam can overtake its worst finished one.
func (gen *Generator) beams(ctx context.Context) ([][]int32, error) {
	n, batch, vocab := gen.o.Beams, gen.o.Batch, gen.m.Vocabulary
	running := make([][]hypothesis, batch)
	finished := make([][]hypothesis, batch)
	for i := range running {
		running[i] = make([]hypothesis, n)
		for k := range running[i] {
			running[i][k] = hypothesis{from: k}
			if k > 0 {
				running[i][k].score = -1e9 // the first step branches from one beam
			}
		}
	}
	done := make([]bool, batch)
	tokens := gen.starts()
	for position := range gen.o.New {
		if err := gen.advance(position, tokens); err != nil {
			return nil, err
		}
		logits, err := gen.readLogits(ctx)
		if err != nil {
			return nil, err
		}
		from := make([]uint32, batch*n)
		for row := range batch {
			if !done[row] {
				running[row], err = gen.extend(running[row], &finished[row], logits[row*n*vocab:(row+1)*n*vocab], position+1)
				if err != nil {
					return nil, err
				}
				done[row] = settled(finished[row], running[row], n, position+1)
			}
			for k, h := range running[row] {
				from[row*n+k] = uint32(row*n + h.from)
				tokens[row*n+k] = uint32(gen.m.Pad)
				if len(h.tokens) > 0 && !done[row] {
					tokens[row*n+k] = uint32(h.tokens[len(h.tokens)-1])
				}
			}
		}
		if !slices.Contains(done, false) {
			break
		}
		if err := gen.from.Write(from); err != nil {
			return nil, err
		}
		if err := gen.m.e.Run(gen.reorder); err != nil {
			return nil, err
		}
	}
	out := make([][]int32, batch)
	for row := range out {
		candidates := finished[row]
		if !done[row] {
			for _, h := range running[row] {
				candidates = append(candidates, hypothesis{tokens: h.tokens, score: h.score / float64(max(1, len(h.tokens)))})
			}
		}
		best := slices.MaxFunc(candidates, func(a, b hypothesis) int {
			return cmp.Compare(a.score, b.score)
		})
		out[row] = best.tokens
	}
	return out, nil
}

// readLogits is the logits of all hypotheses, [rows, vocabulary].
func (gen *Generator) readLogits(ctx context.Context) ([]float32, error) {
	if len(gen.logits) == 1 {
		return gen.logits[0].Read(ctx)
	}
	all := make([]float32, gen.logits[0].Rows()*gen.m.Vocabulary)
	first := 0
	for _, columns := range gen.logits {
		x, err := columns.Read(ctx)
		if err != nil {
			return nil, err
		}
		n := columns.Width()
		for row := range columns.Rows() {
			copy(all[row*gen.m.Vocabulary+first:], x[row*n:(row+1)*n])
		}
		first += n
	}
	return all, nil
}

// extend goes one token on: of the best 2n continuations those that end are
// moved to finished, the first n others are the new beams.
func (gen *Generator) extend(beams []hypothesis, finished *[]hypothesis, logits []float32, length int) ([]hypothesis, error) {
	n, vocab := len(beams), len(logits)/len(beams)
	var candidates []hypothesis
	byScore := func(a, b hypothesis) int { return cmp.Compare(b.score, a.score) }
	for k, beam := range beams {
		row := logits[k*vocab : (k+1)*vocab]
		top := float64(slices.Max(row))
		var sum float64
		for _, x := range row {
			sum += math.Exp(float64(x) - top)
		}
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			return nil, errors.New("generate: the model's scores are not finite: check the checkpoint's and the adapter's numbers")
		}
		base := beam.score - top - math.Log(sum)
		for token, x := range row {
			score := base + float64(x)
			if len(candidates) == 2*n && score <= candidates[2*n-1].score {
				continue
			}
			h := hypothesis{score: score, from: k, tokens: []int32{int32(token)}}
			at, _ := slices.BinarySearchFunc(candidates, h, byScore)
			for at < len(candidates) && candidates[at].score == score {
				at++ // equals stay in order
			}
			candidates = slices.Insert(candidates, at, h)
			candidates = candidates[:min(len(candidates), 2*n)]
		}
	}
	var next []hypothesis
	for rank, h := range candidates {
		whole := append(slices.Clone(beams[h.from].tokens), h.tokens[0])
		if int(h.tokens[0]) == gen.m.End {
			if rank < n {
				*finished = append(*finished, hypothesis{tokens: whole[:len(whole)-1], score: h.score / float64(length)})
				slices.SortStableFunc(*finished, byScore)
				*finished = (*finished)[:min(len(*finished), n)]
			}
			continue
		}
		if len(next) < n {
			h.tokens = whole
			next = append(next, h)
		}
	}
	return next, nil
}

// settled reports whether n hypotheses are finished and no running one can
// overtake the worst of them.
func settled(finished, running []hypothesis, n, length int) bool {
	return len(finished) == n && len(running) > 0 &&
		finished[n-1].score >= running[0].score/float64(length)
}
