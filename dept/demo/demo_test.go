package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

var splits = []Split{Train, Dev, Test}

// textOf is a row's sentence without what stands before it.
func textOf(r data.Row) string {
	_, sentence, _ := strings.Cut(r.Source, before)
	return strings.TrimSpace(sentence)
}

// sentenceTasks ask about a sentence of any template.
func sentenceTasks(t *testing.T) (tasks []Task) {
	for _, name := range []string{"tone", "topic", "tense"} {
		task, err := Find(name)
		require.NoError(t, err)
		tasks = append(tasks, task)
	}
	return tasks
}

func sentences(rows []data.Row) map[string]bool {
	set := map[string]bool{}
	for _, r := range rows {
		set[textOf(r)] = true
	}
	return set
}

// smallWords are those of the templates of a split.
func smallWords(s Split) map[string]bool {
	set := map[string]bool{}
	for _, template := range part(templates, s) {
		for _, w := range template {
			if !slices.Contains(places, w) {
				set[w] = true
			}
		}
	}
	return set
}

func TestRowsDependOnTheSeedAlone(t *testing.T) {
	for _, task := range sentenceTasks(t) {
		assert.Equal(t, task.Rows(Dev, 50, 1, nil), task.Rows(Dev, 50, 1, nil))
		assert.NotEqual(t, task.Rows(Dev, 50, 1, nil), task.Rows(Dev, 50, 2, nil))
	}
	assert.Equal(t, Mixture(Train, 100, 1)[:50], Mixture(Train, 50, 1), "fewer rows are the first of more")
	assert.NotEqual(t, Mixture(Train, 50, 1), Mixture(Train, 50, 2))
}

// A prompt can gain nothing by remembering words or forms of its training rows.
func TestSplitsShareOnlySmallWords(t *testing.T) {
	small := smallWords(Train)
	for _, task := range sentenceTasks(t) {
		words := map[Split]map[string]bool{}
		for _, s := range splits {
			words[s] = map[string]bool{}
			for _, r := range task.Rows(s, 3000, 1, nil) {
				for _, w := range strings.Fields(textOf(r)) {
					if !small[w] {
						words[s][w] = true
					}
				}
			}
			assert.NotEmpty(t, words[s])
		}
		for w := range words[Train] {
			assert.False(t, words[Dev][w] || words[Test][w], "%s is not held back", w)
		}
		for w := range words[Dev] {
			assert.False(t, words[Test][w], "%s is in dev and test", w)
		}
	}
	seen := map[string]bool{}
	for _, template := range templates {
		form := strings.Join(template, " ")
		assert.False(t, seen[form], "%s is there twice, perhaps in two splits", form)
		seen[form] = true
	}
}

func TestBackboneHasMetEveryWordButNoHeldBackSentence(t *testing.T) {
	rows := Mixture(Train, 25000, 1)
	met := map[string]bool{}
	for _, r := range rows {
		for _, w := range strings.Fields(r.Source + " " + r.Target) {
			met[w] = true
		}
	}
	for _, w := range vocabulary() {
		assert.True(t, met[w], "the mixture does not have %s", w)
	}
	known := sentences(rows)
	for _, s := range []Split{Dev, Test} {
		for w := range smallWords(s) {
			assert.True(t, smallWords(Train)[w], "%s is in no template of the mixture", w)
		}
		for _, task := range sentenceTasks(t) {
			for held := range sentences(task.Rows(s, 1000, 1, nil)) {
				assert.False(t, known[held], held)
			}
		}
		for held := range sentences(Mixture(s, 1000, 1)) {
			assert.False(t, known[held], held)
		}
	}
}

// The labels are what the words say, and no word says two things.
func TestLabelsFollowFromTheWords(t *testing.T) {
	says := map[string]map[string]string{"tone": {}, "topic": {}, "luck": {}, "tense": {}}
	small := smallWords(Train)
	note := func(attribute, label string, words ...string) {
		for _, w := range words {
			for a, labels := range says {
				assert.NotContains(t, labels, w, "%s is a word of %s too", w, a)
			}
			assert.False(t, small[w] || slices.Contains(fillers, w) || slices.Contains(people, w), w)
			says[attribute][w] = label
		}
	}
	for attribute, lists := range map[string]map[string][]string{"tone": opinions, "topic": things, "luck": fortunes} {
		for label, list := range lists {
			note(attribute, label, list...)
		}
	}
	for _, w := range fillers {
		for _, wordings := range questions {
			assert.NotContains(t, words(wordings...), w)
		}
		assert.NotContains(t, words(everything...), w)
		assert.False(t, small[w], w)
	}
	for _, v := range slices.Concat(verbs, copulas) {
		note("tense", "now", v[0])
		note("tense", "past", v[1])
	}
	read := func(sentence, attribute string) string {
		label := ""
		for _, w := range strings.Fields(sentence) {
			if l, ok := says[attribute][w]; ok {
				assert.Contains(t, []string{"", l}, label, "%q says two things of its %s", sentence, attribute)
				label = l
			}
		}
		assert.NotEmpty(t, label, "%q has no %s", sentence, attribute)
		return label
	}
	for _, task := range sentenceTasks(t) {
		for _, r := range task.Rows(Train, 500, 1, nil) {
			require.Equal(t, read(textOf(r), task.Name), r.Target, r.Source)
		}
	}
	kinds := map[string]int{}
	for _, r := range Mixture(Train, 5000, 1) {
		var question []string
		for _, w := range strings.Fields(strings.TrimSuffix(r.Source, before+" "+textOf(r))) {
			if !slices.Contains(fillers, w) {
				question = append(question, w)
			}
		}
		kind, want := "nothing", read(textOf(r), "luck")
		if asked := strings.Join(question, " "); slices.Contains(everything, asked) {
			kind, want = "everything", ""
			for _, a := range attributes {
				want += " " + read(textOf(r), a.name)
			}
		} else {
			for attribute, wordings := range questions {
				if slices.Contains(wordings, asked) {
					kind, want = attribute, read(textOf(r), attribute)
				}
			}
		}
		kinds[kind]++
		require.Equal(t, strings.TrimSpace(want), r.Target, r.Source)
	}
	assert.Len(t, kinds, 6)
	assert.InDelta(t, 0.12, float64(kinds["nothing"])/5000, 0.02)
}

func TestLabelsAreBalanced(t *testing.T) {
	for _, task := range sentenceTasks(t) {
		n := map[string]int{}
		for _, r := range task.Rows(Dev, 60*len(task.Labels), 3, nil) {
			n[r.Target]++
		}
		for _, label := range task.Labels {
			assert.Equal(t, 60, n[label], "%s %s", task.Name, label)
		}
	}
	// What an untrained prompt is answered with is at chance on the tone.
	same := 0
	rows := sentenceTasks(t)[0].Rows(Dev, 2000, 1, nil)
	for _, r := range rows {
		good := slices.ContainsFunc(strings.Fields(textOf(r)), func(w string) bool { return slices.Contains(fortunes["good"], w) })
		if good == (r.Target == "good") {
			same++
		}
	}
	assert.InDelta(t, 0.5, float64(same)/float64(len(rows)), 0.04)
}

// The sizes are those that the language has in the backbone's tokens.
func TestSizes(t *testing.T) {
	tok, err := text.OpenFS(backbone.Files())
	require.NoError(t, err)
	ck, err := t5.OpenCheckpointFS(backbone.Files())
	require.NoError(t, err)
	defer ck.Close()
	assert.Equal(t, ck.Config.DModel, Width)
	longest := func(rows []data.Row) (source, target int) {
		for _, r := range rows {
			for _, side := range []struct {
				text string
				most *int
			}{{r.Source, &source}, {r.Target, &target}} {
				ids := tok.Encode(side.text)
				require.Equal(t, side.text, tok.Decode(ids), "an unknown character") // which decodes to nothing
				*side.most = max(*side.most, len(ids)+1)
			}
		}
		return source, target
	}
	var rows, questions []data.Row
	for _, s := range splits {
		questions = append(questions, Mixture(s, 20_000, 1)...)
		for _, task := range sentenceTasks(t) {
			rows = append(rows, task.Rows(s, 3000, 1, nil)...)
		}
	}
	source, target := longest(rows)
	assert.Equal(t, []int{MaxSource, 2}, []int{source, target})
	source, target = longest(questions)
	assert.Equal(t, []int{MaxQuestion, MaxAnswer}, []int{source, target})
}

// No variant trains more than the budget, and each all of it but for the part of a rank.
func TestVariants(t *testing.T) {
	for _, maxSource := range []int{MaxSource, 2 * MaxSource} {
		for _, v := range Variants(maxSource) {
			const budget = Budget * Width
			assert.LessOrEqual(t, v.Config.Parameters(), budget, v.Name)
			assert.Greater(t, v.Config.Parameters(), budget-Width-maxSource, v.Name)
			assert.Equal(t, v.Name != OnlyAB, v.Config.PromptLength > 0)
			assert.Equal(t, v.Name != OnlyP, v.Config.Rank > 0)
		}
	}
}

func TestFind(t *testing.T) {
	seen := map[string]bool{}
	for _, task := range Designs() {
		found, err := Find(task.Name)
		require.NoError(t, err)
		assert.Equal(t, task.About, found.About)
		assert.False(t, seen[task.Name], task.Name)
		seen[task.Name] = true
	}
	_, err := Find("tune")
	require.ErrorContains(t, err, `no task "tune"; there are first-thing, tone, four-things, topic`)
}
