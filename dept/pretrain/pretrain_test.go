package pretrain

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/internal/draw"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

// What was left out and what stayed make up the text again, the shares are T5's,
// and source and target have the same sentinels in the same order.
func TestCorrupt(t *testing.T) {
	const first = 1000 // no token of the text is so large
	r := draw.New(1, 2)
	var noise, spans, tokens int
	for n := 2; n < 300; n++ {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(i)
		}
		source, target := denoisers[0].corrupt(r, ids, func(i int) int32 { return first + int32(i) })
		left := map[int32][]int32{}
		var order []int32
		for _, id := range target {
			if id >= first {
				order = append(order, id)
				continue
			}
			left[order[len(order)-1]] = append(left[order[len(order)-1]], id)
		}
		var whole, met []int32
		for _, id := range source {
			if id >= first {
				met = append(met, id)
				whole = append(whole, left[id]...)
				continue
			}
			whole = append(whole, id)
		}
		require.Equal(t, ids, whole)
		require.Equal(t, order, met)
		require.True(t, slices.IsSorted(order))
		require.Less(t, source[0], int32(first), "a text begins with what stays")
		require.GreaterOrEqual(t, source[len(source)-1], int32(first), "and ends with what does not")
		noise += len(target) - len(order)
		spans += len(order)
		tokens += n
	}
	assert.InDelta(t, denoisers[0].share, float64(noise)/float64(tokens), 0.002)
	assert.InDelta(t, denoisers[0].length, float64(noise)/float64(spans), 0.05)
}

// Every way to divide 6 into 3 comes up as often: there are ten.
func TestParts(t *testing.T) {
	r := draw.New(3, 4)
	counts := map[string]int{}
	for range 20_000 {
		p := parts(r, 6, 3)
		require.Len(t, p, 3)
		require.Equal(t, 6, p[0]+p[1]+p[2])
		counts[fmt.Sprint(p)]++
	}
	require.Len(t, counts, 10)
	for p, n := range counts {
		assert.InDelta(t, 2000, n, 200, p)
	}
	assert.Equal(t, []int{1}, parts(r, 1, 1))
	assert.Equal(t, []int{1, 1, 1}, parts(r, 3, 3))
}

func TestSentences(t *testing.T) {
	for text, want := range map[string][]string{
		"One.":                       {"One."},
		"It rained. We  stayed.":     {"It rained.", "We stayed."},
		"Mr. Hyde left. Who knew?":   {"Mr. Hyde left.", "Who knew?"},
		"J. S. Bach wrote it. Yes!":  {"J. S. Bach wrote it.", "Yes!"},
		"He said “No.” Then he went": {"He said “No.”", "Then he went"},
		"at 3.5 km. of it, etc. and": {"at 3.5 km. of it, etc. and"},
		"What? no! 1990 was (fine.)": {"What? no!", "1990 was (fine.)"},
	} {
		assert.Equal(t, want, sentences(strings.Fields(text)), text)
	}
}

func TestReadCorpus(t *testing.T) {
	dir := t.TempDir()
	plain, packed := filepath.Join(dir, "a.txt"), filepath.Join(dir, "b.txt.gz")
	require.NoError(t, os.WriteFile(plain, []byte("\n\nOne. Two.\r\n  \nThree."), 0o666))
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte("Four.\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(packed, b.Bytes(), 0o666))
	c, err := ReadCorpus(plain, packed)
	require.NoError(t, err)
	require.Equal(t, 3, c.Len())
	assert.Equal(t, []string{"One.", "Two."}, c.Sentences(0))
	assert.Equal(t, []string{"Three."}, c.Sentences(1))
	assert.Equal(t, []string{"Four."}, c.Sentences(2))
	assert.Equal(t, []int{0, 1, 2}, []int{c.Opening(0), c.Opening(1), c.Opening(2)}, "empty lines and the end of a file part articles")
	c, err = NewCorpus([]byte("\nOne.\nTwo.\n\nThree.\nFour."))
	require.NoError(t, err)
	assert.Equal(t, []int{0, 0, 2, 2}, []int{c.Opening(0), c.Opening(1), c.Opening(2), c.Opening(3)})

	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		return path
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "none.txt"):                          "none.txt",
		write("empty.txt", " \n\n"):                             "there is no text",
		write("latin.txt", "one\ntwo\ncaf\xe9\n"):               "line 3 is not UTF-8",
		write("broken.gz", "not packed"):                        "broken.gz",
		write("short.gz", string(b.Bytes()[:len(b.Bytes())-6])): "short.gz",
	} {
		_, err := ReadCorpus(path)
		assert.ErrorContains(t, err, says)
	}
}

// prose is plain text about many things, with sentences for every kind of question:
// the demonstration's sentences, and some of four topics.
func prose() string {
	var b strings.Builder
	tone, err := demo.Find("tone")
	if err != nil {
		panic(err)
	}
	rows := tone.Rows(demo.Train, 600, 1, nil)
	for i, r := range rows {
		s := strings.TrimPrefix(r.Source, before+" ")
		fmt.Fprintf(&b, "%s%s. ", strings.ToUpper(s[:1]), s[1:])
		switch i % 12 {
		case 2:
			b.WriteString("The minister asked the whole parliament for more soldiers. ")
		case 5:
			b.WriteString("The coach told all his players where the next match is played. ")
		case 8:
			b.WriteString("The company sold more of its shares to the same bank today. ")
		case 11:
			b.WriteString("The scientists wrote new software for every computer they had.\n")
		}
	}
	// Articles, each with a heading.
	for _, about := range []string{
		"a village", "a footballer", "an album", "a film", "a novel", "a politician", "a battle", "a company", "a software", "a species", "a school", "a station",
	} {
		for i, heading := range []string{"History.", "Career.", "Life.", "Geography.", "Reception.", "Plot.", "Demographics.", "Awards."} {
			fmt.Fprintf(&b, "\nIt is %s that many know.\n%s\n", about, heading)
			for k := range 9 {
				fmt.Fprintf(&b, "They say number %d of these is among all of them the one %s likes.\n", 10*k+i, []string{"he", "she", "it"}[k%3])
			}
		}
	}
	return b.String()
}

func newMixture(t testing.TB, o Options) *Mixture {
	c, err := NewCorpus([]byte(prose()))
	require.NoError(t, err)
	tok, err := text.OpenFS(backbone.Files())
	require.NoError(t, err)
	m, err := NewMixture(c, tok, demo.Train, o)
	require.NoError(t, err)
	return m
}

// A row is a function of its number, holds as many passages as fit, and each of
// them ends with the end token.
func TestRows(t *testing.T) {
	o := Options{MaxSourceLength: 100, MaxTargetLength: 30, Questions: 60, Seed: 5, Rows: 200}
	m, again := newMixture(t, o), newMixture(t, o)
	require.Equal(t, 200, m.Len())
	assert.Equal(t, m.Fingerprint(), again.Fingerprint())
	o.Seed++
	assert.NotEqual(t, m.Fingerprint(), newMixture(t, o).Fingerprint())
	passages, tokens := 0, 0
	for i := range m.Len() {
		x, err := m.Example(m.Len() - 1 - i)
		require.NoError(t, err)
		same, err := again.Example(m.Len() - 1 - i)
		require.NoError(t, err)
		require.Equal(t, x, same)
		require.LessOrEqual(t, len(x.Source), o.MaxSourceLength)
		require.LessOrEqual(t, len(x.Target), o.MaxTargetLength)
		source, target := 0, 0
		for _, p := range x.Parts {
			require.Greater(t, p.Source, source)
			require.Greater(t, p.Target, target)
			require.Equal(t, m.tok.EOS(), x.Source[p.Source-1])
			require.Equal(t, m.tok.EOS(), x.Target[p.Target-1])
			source, target = p.Source, p.Target
			passages++
		}
		require.Equal(t, len(x.Source), source)
		require.Equal(t, len(x.Target), target)
		tokens += len(x.Source)
	}
	assert.Greater(t, passages, 3*m.Len()/2)
	assert.Greater(t, tokens, m.Len()*o.MaxSourceLength*6/10, "most of a row is used")
}

// Answers are among those of the wording, each about as often as the others, and
// what is asked about differs from draw to draw.
func TestQuestions(t *testing.T) {
	m := newMixture(t, Options{MaxSourceLength: 200, MaxTargetLength: 30, Questions: 100, Seed: 5, Rows: 1})
	for _, q := range Questions {
		seen, counts := map[string]bool{}, map[string]int{}
		const n = 400
		for i := range n {
			source, target, ok := m.Ask(draw.New(7, uint64(i)), q)
			require.True(t, ok, q)
			seen[source] = true
			counts[target]++
			if q == Language {
				continue
			}
			at := slices.IndexFunc(wordings[q], func(w wording) bool { return strings.HasPrefix(source, w.text+" ") })
			require.GreaterOrEqual(t, at, 0, source)
			if q == Missing {
				_, options, _ := strings.Cut(source, wordings[q][at].text+" ")
				options, _, _ = strings.Cut(options, " "+before)
				assert.Contains(t, strings.Split(options, " or "), target, source)
				continue
			}
			require.Contains(t, wordings[q][at].answers, target, source)
		}
		assert.Greater(t, len(seen), n/5, q)
		assert.Greater(t, len(counts), 1, q)
	}
	// The sources of both classes, apart: what tells them is in the text.
	yes, no := 0, 0
	for i := range 400 {
		_, target, _ := m.Ask(draw.New(8, uint64(i)), Follow)
		switch target {
		case "yes", "1":
			yes++
		default:
			no++
		}
	}
	assert.InDelta(t, yes, no, 60)
}

func TestLexicon(t *testing.T) {
	for name, l := range map[string]lexicon{"tones": tones, "topics": topics, "kinds": kinds, "sections": sections} {
		classes := l.classes()
		assert.NotEmpty(t, classes)
		for w := range classes {
			assert.Equal(t, bare(w), w, "%s: no word of a text is ever %q", name, w)
		}
	}
	ask := func(class int, text string) bool {
		_, _, ok := lexical(draw.New(1, 1), tones.classes(), 1, class, strings.Fields(text), func(int, []string) (string, string, bool) { return "", "", true })
		return ok
	}
	assert.True(t, ask(1, "What a Lovely, charming day!"))
	assert.False(t, ask(0, "What a Lovely, charming day!"))
	assert.False(t, ask(1, "a lovely day and an awful night"), "words of both")
	assert.False(t, ask(1, "a day and a night"))
	assert.Equal(t, []string{"it", "is", "“so”", "!", "?", "u.s", "."}, plain([]string{"It", "is", "“So”!?", "U.S."}))
}

// What a sentence is from is read off its article's first sentence and the heading above.
func TestArticles(t *testing.T) {
	c, err := NewCorpus([]byte("Ayr is an old town of many. It lies far.\nIts port is a company's.\nEarly history.\nIt was a fort.\nOther.\nMore is said.\n\nIt is a pity.\nCareer."))
	require.NoError(t, err)
	m := &Mixture{corpus: c, kinds: kinds.classes(), sections: sections.classes()}
	kind := func(paragraph, at int) string {
		if k, ok := m.kindOf(paragraph, at); ok {
			return kinds[k].name
		}
		return ""
	}
	assert.Equal(t, []string{"", "place", "place", "", ""}, []string{kind(0, 0), kind(0, 1), kind(1, 0), kind(6, 0), kind(7, 0)})
	section := func(paragraph int) string {
		if k, ok := m.sectionOf(paragraph); ok {
			return sections[k].name
		}
		return ""
	}
	assert.Equal(t, []string{"", "", "history", "", "", ""}, []string{section(0), section(1), section(3), section(5), section(6), section(7)})
}

// Praise and blame are told apart by their own words, and those turned around by
// a word before.
func TestSay(t *testing.T) {
	m := newMixture(t, Options{MaxSourceLength: 200, MaxTargetLength: 30, Questions: 100, Seed: 5, Rows: 1})
	for class := range 2 {
		for _, list := range [][2][]string{adjectives, qualities} {
			for _, w := range list[class] {
				assert.NotContains(t, list[1-class], w)
			}
		}
		seen := map[string]bool{}
		for i := range 200 {
			seen[strings.Join(m.say(draw.New(3, uint64(i)), class), " ")] = true
		}
		assert.Greater(t, len(seen), 190)
	}
}

// A text that has nothing to ask about is trained on all the same; one without
// passages, and rows that hold none, are errors and no endless search.
func TestPoorTexts(t *testing.T) {
	tok, err := text.OpenFS(backbone.Files())
	require.NoError(t, err)
	rows := func(content string, source int) error {
		c, err := NewCorpus([]byte(content))
		require.NoError(t, err)
		m, err := NewMixture(c, tok, demo.Train, Options{MaxSourceLength: source, MaxTargetLength: 30, Questions: 50, Seed: 1, Rows: 20})
		require.NoError(t, err)
		for i := range m.Len() {
			if _, err := m.Example(i); err != nil {
				return err
			}
		}
		return nil
	}
	assert.NoError(t, rows(strings.Repeat("the soup and the cake and the train and the song\n", 3), 64))
	assert.ErrorContains(t, rows("short\n", 64), "whole paragraphs")
	c, err := NewCorpus([]byte(prose()))
	require.NoError(t, err)
	_, err = NewMixture(c, tok, demo.Train, Options{MaxSourceLength: 9, MaxTargetLength: 30})
	assert.ErrorContains(t, err, "rows of 9 source")

	bare, err := text.NewUnigram([]text.Piece{{Text: "▁a"}})
	require.NoError(t, err)
	c, err = NewCorpus([]byte("a a a a a a a a a"))
	require.NoError(t, err)
	_, err = NewMixture(c, bare, demo.Train, Options{MaxSourceLength: 64, MaxTargetLength: 30})
	assert.NoError(t, err, "NewUnigram adds T5's sentinels")
}

// Whatever the text, rows come out or an error does.
func FuzzMixture(f *testing.F) {
	tok, err := text.OpenFS(backbone.Files())
	require.NoError(f, err)
	f.Add([]byte(prose()[:2000]), uint64(1))
	f.Add([]byte("A b. C d e f g h i j k l m n o p. “Q” r!\n\n. . ! ?\n<extra_id_0> </s>"), uint64(2))
	f.Add([]byte("\xff"), uint64(3))
	f.Fuzz(func(t *testing.T, content []byte, seed uint64) {
		c, err := NewCorpus(content)
		if err != nil {
			return
		}
		for i := range c.Len() {
			require.Equal(t, strings.Join(c.Sentences(i), " "), strings.Join(strings.Fields(strings.Join(c.Sentences(i), " ")), " "))
			require.NotEmpty(t, c.Sentences(i))
		}
		m, err := NewMixture(c, tok, demo.Train, Options{MaxSourceLength: 80, MaxTargetLength: 30, Questions: 80, Seed: seed, Rows: 1})
		require.NoError(t, err)
		x, err := m.Example(0)
		if err != nil {
			return
		}
		require.NotEmpty(t, x.Parts)
		require.LessOrEqual(t, len(x.Source), 80)
		require.LessOrEqual(t, len(x.Target), 30)
	})
}
