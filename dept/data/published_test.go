//go:build !js

package data

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/tasks"
)

// published is what a task makes of the rows that scripts/fixtures/published.py writes in every form: the source
// and target of each, and the error of the file with a malformed one.
var published = map[string]struct {
	rows []Row
	bad  string
}{
	"cola": {[]Row{
		{Source: "sentence: The cats sleeps.", Target: "0"},
		{Source: `sentence: He said "go" twice.`, Target: "1"},
		{Source: "sentence: Ann read it, and Bob too.", Target: "1"},
	}, `cola.bad.tsv:2: label "7" is no label of task cola: it has 0 or unacceptable, 1 or acceptable`},
	"sst2": {[]Row{
		{Source: "sentence: a warm , honest film ", Target: "1"},
		{Source: `sentence: the " plot " , such as it is `, Target: "0"},
		{Source: "sentence: sleep-inducing ", Target: "0"},
	}, "sst2.bad.tsv:3: the row has 1 cells, the table 2 columns (sentence, label)"},
	"mrpc": {[]Row{
		{Source: `sentence1: Sales " rose " by 3 % . sentence2: Sales rose by 3 % .`, Target: "1"},
		{Source: "sentence1: A dog barked . sentence2: A cat slept .", Target: "0"},
		{Source: "sentence1: He won 2-1 . sentence2: He won , 2-1 .", Target: "1"},
	}, `mrpc.bad.tsv:3: Quality "2" is no label of task mrpc: it has 0 or not_equivalent, 1 or equivalent`},
	"qqp": {[]Row{
		{Source: "question1: Why is the sky blue? question2: What makes the sky blue?", Target: "1"},
		{Source: `question1: What is "Go"? question2: Who is Ann?`, Target: "0"},
		{Source: "question1: How do I cook rice? question2: How is rice cooked?", Target: "1"},
	}, `qqp.bad.tsv:3: is_duplicate "yes" is no label of task qqp`},
	"stsb": {[]Row{
		{Source: "sentence1: A man plays. sentence2: A man is playing.", Target: "4.8"},
		{Source: "sentence1: A bird flies. sentence2: A fish swims.", Target: "0.2"},
		{Source: "sentence1: It is cold. sentence2: It is a cold day.", Target: "3.8"},
	}, `stsb.bad.tsv:3: score "5.200" is no number from 0 to 5`},
	"mnli": {[]Row{
		{Source: "premise: Two dogs run. hypothesis: Animals move.", Target: "0"},
		{Source: "premise: He may come. hypothesis: He brings a cake.", Target: "1"},
		{Source: "premise: All left. hypothesis: Some stayed.", Target: "2"},
	}, `mnli.bad.tsv:3: gold_label is hidden ("-")`},
	"qnli": {[]Row{
		{Source: "question: Who wrote it? sentence: Ann wrote it in 1901.", Target: "0"},
		{Source: "question: When was it built? sentence: It has two towers.", Target: "1"},
		{Source: `question: Where is it? sentence: It is in "Old Town".`, Target: "0"},
	}, `qnli.bad.tsv:3: label "entailed" is no label of task qnli: it has 0 or entailment, 1 or not_entailment`},
	"rte": {[]Row{
		{Source: "sentence1: Bob met Ann in Rome. sentence2: Bob was in Rome.", Target: "0"},
		{Source: "sentence1: It may rain. sentence2: It rains.", Target: "1"},
		{Source: `sentence1: The "Star" sank. sentence2: A ship sank.`, Target: "0"},
	}, "rte.bad.tsv:3: the row has 3 cells, the table 4 columns"},
	"rte-superglue": {[]Row{
		{Source: "premise: Bob met Ann in Rome. hypothesis: Bob was in Rome.", Target: "0"},
		{Source: "premise: It may rain. hypothesis: It rains.", Target: "1"},
		{Source: `premise: The "Star" sank. hypothesis: A ship sank.`, Target: "0"},
	}, ""},
	"wnli": {[]Row{
		{Source: "sentence1: Ann thanked Eve because she had helped. sentence2: Eve had helped.", Target: "1"},
		{Source: "sentence1: The cup broke the plate; it was hard. sentence2: The plate was hard.", Target: "0"},
		{Source: "sentence1: Tom hid from Sam, who sought him. sentence2: Sam sought Tom.", Target: "1"},
	}, `wnli.bad.tsv:3: label "2" is no label of task wnli`},

	"boolq": {[]Row{
		{Source: `question: is tea hot passage: Tea -- Tea is a "hot" drink.`, Target: "1"},
		{Source: "question: can fish walk passage: Fish -- Most fish swim.", Target: "0"},
		{Source: "question: is ice cold passage: Ice -- Ice is cold.", Target: "1"},
	}, `boolq.bad.jsonl:2: no column "label" for the target of task boolq (columns: idx, passage, question): a test file is published without`},
	"cb": {[]Row{
		{Source: "premise: He knew it rained. hypothesis: it rained", Target: "0"},
		{Source: "premise: I doubt that he came. hypothesis: he came", Target: "1"},
		{Source: "premise: If he came, I missed it. hypothesis: he came", Target: "2"},
	}, "cb.bad.jsonl:2: hypothesis is null"},
	"copa": {[]Row{
		{Source: "premise: The glass fell. choice1: It broke. choice2: It flew.", Target: "0"},
		{Source: "premise: She smiled. choice1: She lost. choice2: She won.", Target: "1"},
		{Source: "premise: The sun set. choice1: It got dark. choice2: It got light.", Target: "0"},
	}, `copa.bad.jsonl:2: label "2" is no label of task copa`},
	"multirc": {[]Row{
		{Source: "question: What has Ann? answer: A dog paragraph: Sent 1: Ann has a dog. Sent 2: It barks. ", Target: "1", Group: "one"},
		{Source: "question: What has Ann? answer: A cat paragraph: Sent 1: Ann has a dog. Sent 2: It barks. ", Target: "0", Group: "one"},
		{Source: "question: What does it? answer: It barks paragraph: Sent 1: Ann has a dog. Sent 2: It barks. ", Target: "1", Group: "two"},
	}, `multirc.bad.jsonl:2: passage.questions 2, passage.questions.answers 1: passage.questions.answers.label "5" is no label of task multirc`},
	"wic": {[]Row{
		{Source: "sentence1: He sat on the bank. sentence2: The bank lent it. word: bank", Target: "0"},
		{Source: "sentence1: They run daily. sentence2: We run at noon. word: run", Target: "1"},
		{Source: "sentence1: It is cold. sentence2: He has a cold. word: cold", Target: "0"},
	}, `wic.bad.jsonl:2: label "maybe" is no label of task wic: it has 0 or false, 1 or true`},
	"wsc": {[]Row{
		{Source: "text: * Ann * told Eve that # she # had won .", Target: "1"},
		{Source: "text: # It # fell when * Tom * dropped it .", Target: "0"},
		{Source: "text: Mr. Lee paid * the man * because # he # asked .", Target: "1"},
	}, `wsc.bad.jsonl:2: target.span1_index is "three", and must be the number of a word, from 0`},

	"nq": mrqaRows("nq"), "hotpotqa": mrqaRows("hotpotqa"), "searchqa": mrqaRows("searchqa"), "newsqa": mrqaRows("newsqa"),

	"winogrande": {[]Row{
		{Source: "sentence: The bag did not fit the box because the _ was big. option0: bag option1: box", Target: "0"},
		{Source: "sentence: Ann fed Eve since _ was hungry. option0: Ann option1: Eve", Target: "1"},
		{Source: "sentence: The pen beat the sword as the _ wrote. option0: pen option1: sword", Target: "0"},
	}, `winogrande.bad.jsonl:2: answer is hidden ("")`},
	"yelp": {[]Row{
		{Source: `sentence: They said "soon" , and we waited.`, Target: "0"},
		{Source: "sentence: Best soup in town!", Target: "1"},
		{Source: "sentence: Cold, slow, dear.", Target: "0"},
	}, `yelp.bad.csv:2: class "3" is no label of task yelp: it has 1 (negative), 2 (positive)`},
	"scitail": {[]Row{
		{Source: "premise: Plants make sugar from light. hypothesis: Plants use light.", Target: "0"},
		{Source: "premise: Rocks are old. hypothesis: Rocks are soft.", Target: "1"},
		{Source: `premise: Ice is "solid" water. hypothesis: Ice is water.`, Target: "0"},
	}, `scitail.bad.tsv:2: label "entailed" is no label of task scitail: it has entails (entailment), neutral`},
	"paws": {[]Row{
		{Source: "sentence1: Ann saw Bob . sentence2: Bob saw Ann .", Target: "0"},
		{Source: "sentence1: He ran fast . sentence2: Fast he ran .", Target: "1"},
		{Source: "sentence1: The `` big '' dog sentence2: The dog `` big ''", Target: "0"},
	}, `paws.bad.tsv:3: label is hidden ("-1")`},
	"agnews": {[]Row{
		{Source: "sentence: Cup won The team, at last, won.", Target: "1"},
		{Source: `sentence: Chips fall Prices of "chips" fell.`, Target: "2"},
		{Source: "sentence: New probe It flies to Mars.", Target: "3"},
	}, `agnews.bad.csv:2: Class Index "5" is no label of task agnews`},
	"trec": {[]Row{
		{Source: "sentence: What is a wadi ?", Target: "2"},
		{Source: "sentence: Who sang it ?", Target: "3"},
		{Source: "sentence: How many moons has Mars ?", Target: "5"},
	}, `trec.bad.txt:2: the line does not read "{coarse_label}:{fine_label} {text}"`},
	"subj": {[]Row{
		{Source: "sentence: he meets a girl .", Target: "1"},
		{Source: `sentence: a film of "charm" , and more .`, Target: "0"},
		{Source: "sentence: they flee to rome .", Target: "1"},
	}, `subj.bad.csv:3: label "good" is no label of task subj`},
	"mr": {[]Row{
		{Source: "sentence: funny and true .", Target: "1"},
		{Source: `sentence: a "comedy" , allegedly .`, Target: "0"},
		{Source: "sentence: dull .", Target: "0"},
	}, `mr.bad.csv:3: label "good" is no label of task mr`},
	"cr": {[]Row{
		{Source: "sentence: the battery lasts .", Target: "1"},
		{Source: `sentence: it "works" , at times .`, Target: "0"},
		{Source: "sentence: great lens .", Target: "1"},
	}, `cr.bad.csv:3: label "good" is no label of task cr`},
	"imdb": {[]Row{
		{Source: "sentence: I laughed, I cried.", Target: "1"},
		{Source: `sentence: Two hours of "plot".`, Target: "0"},
		{Source: "sentence: See it.<br />Twice.", Target: "1"},
	}, `imdb.bad.csv:3: label "good" is no label of task imdb`},
}

func mrqaRows(task string) struct {
	rows []Row
	bad  string
} {
	return struct {
		rows []Row
		bad  string
	}{[]Row{
		{Source: "question: Who wrote it ?  context: Ann ( b . 1901 ) wrote it . ", Target: "Ann", Answers: []string{"Ann", "Ann ( b . 1901 ) "}},
		{Source: "question: When was she born ?  context: Ann ( b . 1901 ) wrote it . ", Target: "1901", Answers: []string{"1901"}},
		{Source: "question: Where ?  context: Oslo , a_b café . ", Target: "Oslo , a_b", Answers: []string{"Oslo , a_b"}},
	}, task + ".bad.jsonl:3: qas 1: qas.answers holds no answer: it is hidden, as in test files, or there is none"}
}

// Every form in which a task's files are published becomes the same texts.
func TestPublished(t *testing.T) {
	for _, name := range tasks.Names() {
		require.Contains(t, published, name, "each task has rows here")
	}
	files, err := filepath.Glob("testdata/published/*")
	require.NoError(t, err)
	forms := map[string]int{}
	for _, path := range files {
		file := filepath.Base(path)
		task, form, _ := strings.Cut(file, ".")
		t.Run(file, func(t *testing.T) {
			want, ok := published[task]
			require.True(t, ok)
			known, err := tasks.Lookup(strings.TrimSuffix(task, "-superglue"))
			require.NoError(t, err)
			d, err := Load(Options{Task: known, NeedTarget: true}, path)
			if strings.HasPrefix(form, "bad.") {
				require.ErrorContains(t, err, filepath.Join("testdata", "published", want.bad))
				return
			}
			require.NoError(t, err)
			groups := map[string]string{}
			for i, row := range want.rows {
				got := d.Row(i)
				require.Positive(t, got.Line)
				require.Equal(t, row.Source, got.Source)
				require.Equal(t, row.Target, got.Target)
				if known.Answer == tasks.Number {
					require.Regexp(t, regexp.MustCompile(`^(4\.75|0\.25|3\.8)`), got.Answers[0], "the file's own number")
				} else {
					require.Equal(t, row.Answers, got.Answers)
				}
				if row.Group != "" && groups[row.Group] == "" {
					groups[row.Group] = got.Group
				}
				require.Equal(t, groups[row.Group], got.Group)
			}
			require.Equal(t, len(want.rows), d.Len())
			if len(groups) > 1 {
				require.NotEqual(t, groups["one"], groups["two"])
			}
			forms[task]++
		})
	}
	for task := range published {
		if task != "rte-superglue" {
			require.GreaterOrEqual(t, forms[task], 3, "the forms of %s", task)
		}
	}
}
