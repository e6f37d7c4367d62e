package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Forms of the tasks' files that others have made.
func TestVariants(t *testing.T) {
	for name, tc := range map[string]struct {
		task   string
		format Format
		text   string
		want   []string // source and target of each row
	}{
		"cola with a byte-order mark and CRLF":  {"cola", TSV, "\ufeffgj04\t1\t\tIt \"rains\".\r\ngj04\t0\t*\tRains it.\r\n", []string{"sentence: It \"rains\".", "1", "sentence: Rains it.", "0"}},
		"cola under a header":                   {"cola", TSV, "source\tlabel\tmark\tsentence\ngj04\t1\t\tIt rains.\n", []string{"sentence: It rains.", "1"}},
		"pandas' index without a name":          {"cola", CSV, ",sentence,label,idx\n0,\"It rains, it snows.\",1,7\n", []string{"sentence: It rains, it snows.", "1"}},
		"an index with a name":                  {"sst2", TSV, "index\tsentence\tlabel\n0\tgood .\t1\n", []string{"sentence: good .", "1"}},
		"labels that pandas made floats":        {"sst2", CSV, "sentence,label\ngood,1.0\nbad,0.0\n", []string{"sentence: good", "1", "sentence: bad", "0"}},
		"labels by name":                        {"mnli", CSV, "premise,hypothesis,label\na,b,Neutral\n", []string{"premise: a hypothesis: b", "1"}},
		"Python's booleans":                     {"boolq", CSV, "question,passage,label\na,b,True\nc,d,False\n", []string{"question: a passage: b", "1", "question: c passage: d", "0"}},
		"the hub's boolq by its makers":         {"boolq", JSONL, `{"question":"a","answer":true,"passage":"b"}`, []string{"question: a passage: b", "1"}},
		"mrpc without its mark":                 {"mrpc", TSV, "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t2\t3\t\"a\tb\n", []string{"sentence1: \"a sentence2: b", "1"}},
		"quora's own file, quoted":              {"qqp", TSV, "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\t\"What is \"\"Go\"\",\nplease?\"\t\"Who, me?\"\t0\n", []string{"question1: What is \"Go\",\nplease? question2: Who, me?", "0"}},
		"texts called text1 and text2":          {"qnli", JSONL, `{"text1":"a?","text2":"b","label":1,"idx":0,"label_text":"not entailment"}`, []string{"question: a? sentence: b", "1"}},
		"mnli of text1 and text2":               {"mnli", JSONL, `{"text1":"a","text2":"b","label":2,"idx":0}`, []string{"premise: a hypothesis: b", "2"}},
		"stsb of text1 and text2":               {"stsb", JSONL, `{"text1":"a","text2":"b","label":2.5}`, []string{"sentence1: a sentence2: b", "2.5"}},
		"datasets-server":                       {"rte", JSON, `{"rows":[{"row_idx":0,"row":{"sentence1":"a","sentence2":"b","label":1,"idx":0}}]}`, []string{"sentence1: a sentence2: b", "1"}},
		"an answer that is one text":            {"nq", CSV, "context,question,answers\nc,q,a\n", []string{"question: q context: c", "a"}},
		"of a mixture only the task's own rows": {"newsqa", JSONL, `{"subset":"SearchQA","context":"c","question":"q","answers":["a"]}` + "\n" + `{"subset":"NewsQA","context":"d","question":"r","answers":["b"]}`, []string{"question: r context: d", "b"}},
		"nq by its name in MRQA":                {"nq", JSONL, `{"subset":"NaturalQuestionsShort","context":"c","question":"q","answers":["a"]}`, []string{"question: q context: c", "a"}},
		"imdb of Kaggle":                        {"imdb", CSV, "review,sentiment\n\"One, two.\",positive\n", []string{"sentence: One, two.", "1"}},
		"ag news under Kaggle's header":         {"agnews", CSV, "Class Index,Title,Description\n3,\"T\",\"a \"\"b\"\"\"\n", []string{"sentence: T a \"b\"", "2"}},
		"yelp under a header":                   {"yelp", CSV, "label,text\n1,good\n0,bad\n", []string{"sentence: good", "1", "sentence: bad", "0"}},
		"wsc in CSV":                            {"wsc", CSV, "text,span1_index,span2_index,span1_text,span2_text,idx,label\nAnn said she won.,0,2,Ann,she,0,1\n", []string{"text: * Ann * said # she # won.", "1"}},
		"multirc in CSV, its idx a text":        {"multirc", CSV, "paragraph,question,answer,idx,label\np,q,a,\"{'paragraph': 0, 'question': 1, 'answer': 2}\",1\n", []string{"question: q answer: a paragraph: p", "1"}},
		"columns in capitals":                   {"paws", CSV, "ID,Sentence1,Sentence2,Label\n1,a,b,1\n", []string{"sentence1: a sentence2: b", "1"}},
		"trec with its classes' names":          {"trec", JSONL, `{"text":"a?","label":30,"label_coarse":1,"label_coarse_original":"DESC"}`, []string{"sentence: a?", "2"}},
		"winogrande with numbers for answers":   {"winogrande", JSONL, `{"sentence":"a _","option1":"b","option2":"c","answer":2}`, []string{"sentence: a _ option0: b option1: c", "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := readAll(tc.format, tc.text, task(tc.task))
			require.NoError(t, err)
			var got []string
			for _, row := range rows {
				got = append(got, row.Source, row.Target)
			}
			require.Equal(t, tc.want, got)
		})
	}
	for name, tc := range map[string]struct {
		task   string
		format Format
		text   string
		want   string
	}{
		"the hub's test file":          {"rte", JSONL, `{"sentence1":"a","sentence2":"b","label":-1,"idx":0}`, `rows.jsonl:1: label is hidden ("-1"), as in test files`},
		"an archive's":                 {"rte", TSV, "index\tsentence1\tsentence2\n0\ta\tb\n", `rows.tsv:2: no column "label" for the target of task rte (columns: index, sentence1, sentence2): a test file is published without`},
		"a question mark":              {"qnli", CSV, "question,sentence,label\na,b,?\n", `rows.csv:2: label is hidden ("?")`},
		"no answers":                   {"nq", JSONL, `{"context":"c","question":"q","answers":[]}`, "rows.jsonl:1: answers holds no answer: it is hidden"},
		"answers that are null":        {"nq", JSONL, `{"context":"c","question":"q","answers":null}`, "rows.jsonl:1: answers is null"},
		"questions that are no list":   {"nq", JSONL, `{"context":"c","qas":{"question":"q"}}`, "rows.jsonl:1: "},
		"questions that are no object": {"nq", JSONL, `{"context":"c","qas":["q"]}`, "rows.jsonl:1: qas is no list of objects"},
		"a passage without questions":  {"multirc", JSONL, `{"passage":{"text":"t","questions":[]}}`, "holds no rows"},
		"a question without answers":   {"multirc", JSONL, `{"passage":{"text":"t","questions":[{"question":"q"}]}}`, "rows.jsonl:1: passage.questions 1: there is no list passage.questions.answers"},
		"a list for a text":            {"sst2", JSONL, `{"sentence":["a"],"label":1}`, "rows.jsonl:1: sentence is a list, not text"},
		"a score that is none":         {"stsb", CSV, "sentence1,sentence2,score\na,b,NaN\n", `rows.csv:2: score "NaN" is no number from 0 to 5`},
		"a mixture without the task":   {"nq", JSONL, `{"subset":"SQuAD","context":"c","question":"q","answers":["a"]}`, "rows.jsonl: holds no rows"},
		"a place that is negative":     {"wsc", JSONL, `{"text":"a b","target":{"span1_text":"a","span1_index":-1,"span2_text":"b","span2_index":1},"label":true}`, `target.span1_index is "-1"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(tc.format, tc.text, task(tc.task))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// GLUE's QQP has rows that a line's end has cut in two; the hub has not.
func TestRaggedRows(t *testing.T) {
	const text = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\t\"a?\tb?\t1\n1\t3\t4\t\"c\n\"\td?\t0\n2\t5\t6\te?\tf?\t0\n"
	opts := task("qqp")
	opts.Format = TSV
	r, err := NewReader("rows.tsv", strings.NewReader(text), opts)
	require.NoError(t, err)
	d, err := ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, 2, d.LeftOut)
	require.Equal(t, []Row{{Source: "question1: \"a? question2: b?", Target: "1", Line: 2}, {Source: "question1: e? question2: f?", Target: "0", Line: 5}}, d.rows)
	_, err = readAll(TSV, strings.Replace(text, "\tf?", "\tf?\t", 1), task("qqp"))
	require.ErrorContains(t, err, "rows.tsv:5: the row has 7 cells, the table 6 columns")
}

// aclImdb's folders.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"pos/1_9.txt": "Good.\n", "neg/0_2.txt": "Bad.", "neg/2_1.txt": "Worse.", "unsup/0_0.txt": "?", "urls.txt": "x", "neg/notes.md": "y"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	d, err := Load(task("imdb"), dir)
	require.NoError(t, err)
	require.Equal(t, []Row{
		{Source: "sentence: Bad.", Target: "0", Line: 1}, {Source: "sentence: Worse.", Target: "0", Line: 2}, {Source: "sentence: Good.", Target: "1", Line: 3},
	}, d.rows)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "neg", "2_1.txt"), []byte("\xff"), 0o666))
	_, err = Load(task("imdb"), dir)
	require.ErrorContains(t, err, filepath.Join("neg", "2_1.txt")+": not UTF-8 text")
	_, err = Load(task("imdb"), filepath.Join(dir, "pos"))
	require.ErrorContains(t, err, "it is a folder without folders of texts called as the classes of task imdb, or as these begin: negative, positive")
	_, err = Load(task("rte"), dir)
	require.Error(t, err)
}
