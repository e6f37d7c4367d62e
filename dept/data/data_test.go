package data

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-dept/dept/dept/tasks"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readAll reads text as a file of the given name and format.
func readAll(format Format, text string, opts Options) ([]Row, error) {
	opts.Format = format
	r, err := NewReader("rows."+string(format), strings.NewReader(text), opts)
	if err != nil {
		return nil, err
	}
	d, err := ReadAll(r)
	if err != nil {
		return nil, err
	}
	return d.rows, nil
}

func TestReadRows(t *testing.T) {
	for _, tc := range []struct {
		name   string
		format Format
		text   string
		opts   Options
		want   []Row
	}{
		{"jsonl", JSONL,
			`{"source": "a \"b\" é\u00e9", "target": "x"}` + "\n" + ` {"target":"y","source":"c"}` + "\n", Options{},
			[]Row{{Source: `a "b" éé`, Target: "x", Line: 1}, {Source: "c", Target: "y", Line: 2}}},
		{"numbers and booleans become text", JSONL,
			`{"source": 1.50, "target": 2}` + "\n" + `{"source": "s", "target": true}`, Options{},
			[]Row{{Source: "1.50", Target: "2", Line: 1}, {Source: "s", Target: "true", Line: 2}}},
		{"other values are left out", JSONL,
			`{"source": ["a"], "text": null, "sentence": "s", "target": {}, "label": 1}`, Options{},
			[]Row{{Source: "s", Target: "1", Line: 1}}},
		{"text and label", JSONL, `{"label": 0, "text": "a"}`, Options{}, []Row{{Source: "a", Target: "0", Line: 1}}},
		{"columns by name", CSV, "id,review,stars\n1,good,5\n",
			Options{SourceColumn: "review", TargetColumn: "stars"}, []Row{{Source: "good", Target: "5", Line: 2}}},
		{"a named column before a known one", TSV, "source\treview\tlabel\na\tb\t1\n",
			Options{SourceColumn: "review"}, []Row{{Source: "b", Target: "1", Line: 2}}},
		{"header of the caller's", CSV, "a,1\nb,0\n", Options{Header: []string{"text", "label"}}, []Row{{Source: "a", Target: "1", Line: 1}, {Source: "b", Target: "0", Line: 2}}},
		{"header of the file's before it", TSV, "label\tsource\n1\ta\n", Options{Header: []string{"text", "label"}}, []Row{{Source: "a", Target: "1", Line: 2}}},
		{"no target", CSV, "text\na\n", Options{}, []Row{{Source: "a", Target: "", Line: 2}}},
		{"tsv quotes are characters", TSV, "sentence\tlabel\n\"a\t1\nb\"\" \"\t0\n", Options{},
			[]Row{{Source: `"a`, Target: "1", Line: 2}, {Source: `b"" "`, Target: "0", Line: 3}}},
		{"csv quotes are quotes", CSV, "text,label\n\"a, \"\"b\"\"\nc\",1\nd,0\n", Options{},
			[]Row{{Source: "a, \"b\"\nc", Target: "1", Line: 2}, {Source: "d", Target: "0", Line: 4}}},
		{"byte-order mark and CRLF, tsv", TSV, "\ufefftext\tlabel\r\na\t1\r\n", Options{}, []Row{{Source: "a", Target: "1", Line: 2}}},
		{"byte-order mark and CRLF, csv", CSV, "\ufefftext,label\r\n\"a\r\nb\",1\r\nc,0\r\n", Options{},
			[]Row{{Source: "a\nb", Target: "1", Line: 2}, {Source: "c", Target: "0", Line: 4}}},
		{"byte-order mark and CRLF, jsonl", JSONL, "\ufeff{\"text\":\"a\"}\r\n", Options{}, []Row{{Source: "a", Target: "", Line: 1}}},
		{"blank lines at the end, jsonl", JSONL, "{\"text\":\"a\"}\n\n  \r\n\n", Options{}, []Row{{Source: "a", Target: "", Line: 1}}},
		{"blank lines at the end, csv", CSV, "text\na\n\n\n", Options{}, []Row{{Source: "a", Target: "", Line: 2}}},
		{"no end of the last line", TSV, "text\tlabel\na\t1", Options{}, []Row{{Source: "a", Target: "1", Line: 2}}},
		{"empty cells", TSV, "text\tlabel\n\t\n", Options{}, []Row{{Source: "", Target: "", Line: 2}}},
		{"plain text", Text, "a b\n \"c\"\n", Options{}, []Row{{Source: "a b", Target: "", Line: 1}, {Source: ` "c"`, Target: "", Line: 2}}},
		{"blank lines of plain text are empty sources", Text, "one\n\ntwo\n\n", Options{}, []Row{{Source: "one", Target: "", Line: 1}, {Source: "", Target: "", Line: 2}, {Source: "two", Target: "", Line: 3}, {Source: "", Target: "", Line: 4}}},
		{"blank lines between objects mean nothing", JSONL, "{\"text\":\"a\"}\n\n\n{\"text\":\"b\"}\n", Options{}, []Row{{Source: "a", Target: "", Line: 1}, {Source: "b", Target: "", Line: 4}}},
		{"a list of rows", JSON, "[\n  {\"source\": \"a\", \"target\": \"b\"},\n  {\"source\": \"c\",\n   \"target\": \"]}\\\"\"}\n]\n", Options{}, []Row{{Source: "a", Target: "b", Line: 2}, {Source: "c", Target: `]}"`, Line: 3}}},
		{"a list in a jsonl file", JSONL, `[{"text":"a"}]`, Options{}, []Row{{Source: "a", Target: "", Line: 1}}},
		{"two objects on a line", JSONL, `{"text":"a"} {"text":"b"}`, Options{}, []Row{{Source: "a", Target: "", Line: 1}, {Source: "b", Target: "", Line: 1}}},
		{"NaN in a column nobody uses", JSONL, `{"text":"NaN \"NaN","label":"b","score":NaN,"x":[-Infinity,Infinity]}`, Options{}, []Row{{Source: `NaN "NaN`, Target: "b", Line: 1}}},
		{"columns in other letters", CSV, "Source, TARGET \na,b\n", Options{NeedTarget: true}, []Row{{Source: "a", Target: "b", Line: 2}}},
		{"a task's columns in other letters", CSV, "Sentence,Label\na,1\n", task("sst2"), []Row{{Source: "sentence: a", Target: "1", Line: 2}}},
		{"a text inside an object", JSONL, `{"translation":{"en":"a","fr":"b"}}`, Options{SourceColumn: "translation.en", TargetColumn: "translation.fr"}, []Row{{Source: "a", Target: "b", Line: 1}}},
		{"bare quotes are characters", CSV, "source,target\nthe 5\" screen,\"good\"\n", Options{}, []Row{{Source: `the 5" screen`, Target: "good", Line: 2}}},
		{"semicolons", CSV, "source;target\n\"a;b\";c, d\n", Options{}, []Row{{Source: "a;b", Target: "c, d", Line: 2}}},
		{"lines that end in CR alone, csv", CSV, "text,label\ra,1\r\"b\rc\",0\r", Options{}, []Row{{Source: "a", Target: "1", Line: 2}, {Source: "b\nc", Target: "0", Line: 3}}},
		{"lines that end in CR alone, jsonl", JSONL, "{\"text\":\"a\"}\r{\"text\":\"b\"}", Options{}, []Row{{Source: "a", Target: "", Line: 1}, {Source: "b", Target: "", Line: 2}}},
		{"lines that end in CR alone, txt", Text, "a\r\rb", Options{}, []Row{{Source: "a", Target: "", Line: 1}, {Source: "", Target: "", Line: 2}, {Source: "b", Target: "", Line: 3}}},
		{"a CR inside a line", Text, "a\rb\nc\n", Options{}, []Row{{Source: "a\rb", Target: "", Line: 1}, {Source: "c", Target: "", Line: 2}}},
		{"UTF-16, as Windows writes it", TSV, "\xff\xfet\x00e\x00x\x00t\x00\r\x00\n\x00\xe9\x00\r\x00\n\x00", Options{}, []Row{{Source: "é", Target: "", Line: 2}}},
		{"UTF-16 without a mark", CSV, "t\x00e\x00x\x00t\x00\n\x00\xff\x00", Options{}, []Row{{Source: "ÿ", Target: "", Line: 2}}},
		{"UTF-16 of the other order", Text, "\xfe\xff\x00a\x00\n", Options{}, []Row{{Source: "a", Target: "", Line: 1}}},

		{"sst2 train", TSV, "sentence\tlabel\na \"b\" \t1\n", task("sst2"), []Row{{Source: "sentence: a \"b\" ", Target: "1", Line: 2}}},
		{"sst2 test-labeled", TSV, "sentence\tlabel\r\na .\t0\r\n", task("sst2"), []Row{{Source: "sentence: a .", Target: "0", Line: 2}}},
		{"sst2 by name", JSONL, `{"sentence": "a", "label": "Positive"}`, task("sst2"), []Row{{Source: "sentence: a", Target: "1", Line: 1}}},
		{"sst2 plain", Text, "so good\n", unlabelled("sst2"), []Row{{Source: "sentence: so good", Target: "", Line: 1}}},
		{"cola train", TSV, "gj04\t1\t\tThe a.\ncj99\t0\t*\tA the.\n", task("cola"),
			[]Row{{Source: "sentence: The a.", Target: "1", Line: 1}, {Source: "sentence: A the.", Target: "0", Line: 2}}},
		{"cola test", TSV, "index\tsentence\n0\tThe a.\n", unlabelled("cola"),
			[]Row{{Source: "sentence: The a.", Target: "", Line: 2}}},
		{"rte train", TSV, "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n1\tc\td\tentailment\n", task("rte"),
			[]Row{{Source: "sentence1: a sentence2: b", Target: "1", Line: 2}, {Source: "sentence1: c sentence2: d", Target: "0", Line: 3}}},
		{"wic", JSONL, `{"word": "w", "sentence1": "a", "sentence2": "b", "label": true, "idx": 3}` + "\n" +
			`{"word": "w", "sentence1": "a", "sentence2": "b", "label": "false"}`, task("wic"),
			[]Row{{Source: "sentence1: a sentence2: b word: w", Target: "1", Line: 1}, {Source: "sentence1: a sentence2: b word: w", Target: "0", Line: 2}}},
		{"wic in one text", JSONL, `{"label": 1, "text": "Word: w. Sentence 1: a . Sentence 2: b ."}`, task("wic"),
			[]Row{{Source: "sentence1: a . sentence2: b . word: w", Target: "1", Line: 1}}},
		{"agnews csv", CSV, "Class Index,Title,Description\n4,T,\"a, b\"\n1,U,c\n", task("agnews"),
			[]Row{{Source: "sentence: T a, b", Target: "3", Line: 2}, {Source: "sentence: U c", Target: "0", Line: 3}}},
		{"agnews csv without a header", CSV, "\"3\",\"T\",\"a\"\n", task("agnews"), []Row{{Source: "sentence: T a", Target: "2", Line: 1}}},
		{"agnews tsv", TSV, "a b.\tSci/Tech\nc.\tWorld\n", task("agnews"), []Row{{Source: "sentence: a b.", Target: "3", Line: 1}, {Source: "sentence: c.", Target: "0", Line: 2}}},
		{"agnews text and label", JSONL, `{"text": "a", "label": 3}`, task("agnews"), []Row{{Source: "sentence: a", Target: "3", Line: 1}}},
		{"no label where none is needed", JSONL, `{"sentence": "a", "label": -1}`, unlabelled("sst2"),
			[]Row{{Source: "sentence: a", Target: "", Line: 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rows, err := readAll(tc.format, tc.text, tc.opts)
			require.NoError(t, err)
			assert.Equal(t, tc.want, rows)
		})
	}
}

// task is the options for training on a task.
func task(name string) Options {
	task, err := tasks.Lookup(name)
	if err != nil {
		panic(err)
	}
	return Options{Task: task, NeedTarget: true}
}

// unlabelled is the options for predicting.
func unlabelled(name string) Options { return Options{Task: task(name).Task} }

func TestReadErrors(t *testing.T) {
	train := Options{NeedTarget: true}
	for _, tc := range []struct {
		name   string
		format Format
		text   string
		opts   Options
		want   string
	}{
		{"empty jsonl", JSONL, "", train, "rows.jsonl: holds no rows"},
		{"empty tsv", TSV, "", train, "rows.tsv: holds no rows"},
		{"empty csv", CSV, "\n\n", train, "rows.csv: holds no rows"},
		{"empty txt", Text, "\ufeff", Options{}, "rows.txt: holds no rows"},
		{"header alone, tsv", TSV, "text\tlabel\n", train, "rows.tsv: holds no rows"},
		{"header alone, csv", CSV, "text,label\n", train, "rows.csv: holds no rows"},

		{"broken JSON", JSONL, "{\"text\":\"a\",\"label\":1}\n{\"text\":\"a\"\n", train, `rows.jsonl:2:1: the object that begins here never ends`},
		{"broken JSON inside", JSONL, "{\"text\":\"a\",\"label\":1}\n{\"text\": \"é\", label: 1}\n", train, `rows.jsonl:2:15: the object is no JSON: invalid character 'l'`},
		{"Python's repr", JSONL, "{'text': 'a'}\n", train, `rows.jsonl:1:2: the object is no JSON (JSON has double quotes: Python's json.dumps writes them)`},
		{"a string over the end of its line", JSONL, "{\"text\": \"a\n\"}", train, `rows.jsonl:1:10: the string that begins here is not closed on its line`},
		{"a list that is cut off", JSON, "\n[{\"text\": \"a\"}", Options{}, `rows.json:2: the list that begins here never ends`},
		{"a list of lists", JSON, "[[1]]", train, `rows.json:1:2: expected a JSON object, such as {"source": "…", "target": "…"}, but there is a list`},
		{"null", JSONL, "null", train, `rows.jsonl:1:1: expected a JSON object`},
		{"a null target", JSONL, `{"text":"a","target":null}`, train, "rows.jsonl:1: target is null"},
		{"NaN for a source", JSONL, `{"text":NaN,"target":"b"}`, train, "rows.jsonl:1: text is null"},
		{"no source", JSONL, `{"label":1,"review":"a"}`, train,
			`rows.jsonl:1: no column "source" or "text" or "sentence" for the source (columns: label, review)`},
		{"no target", JSONL, `{"text":"a"}`, train, `rows.jsonl:1: no column "target" or "label" for the target (columns: text)`},
		{"a list for a source", JSONL, `{"source":["a"],"target":"b"}`, train, "rows.jsonl:1: source is a list, not text"},
		{"an object for a source", JSONL, `{"translation":{"en":"a","fr":"b"}}`, Options{SourceColumn: "translation"}, "rows.jsonl:1: translation is an object, not text"},
		{"a null label of a task", JSONL, `{"sentence":"a","label":null}`, task("sst2"), "rows.jsonl:1: label is null"},
		{"a null sentence of a task", JSONL, `{"sentence":null,"label":1}`, task("sst2"), "rows.jsonl:1: sentence is null"},
		{"an empty target", CSV, "text,label\na,\n", train, "rows.csv:2: the target is empty"},
		{"a target of white space", JSONL, `{"text":"a","label":" \t"}`, train, "rows.jsonl:1: the target is empty"},
		{"a column twice", TSV, "text\tlabel\ttext\na\t1\tb\n", train, `rows.tsv:1: two columns are called "text"`},
		{"no named source", TSV, "text\tlabel\na\t1\n", Options{SourceColumn: "review"},
			`rows.tsv:1: no column "review" for the source (columns: text, label)`},
		{"no named target", TSV, "text\tlabel\na\t1\n", Options{TargetColumn: "stars", NeedTarget: true},
			`rows.tsv:2: no column "stars" for the target (columns: label, text)`},
		{"too many cells", TSV, "text\tlabel\na\t1\t\n", train, "rows.tsv:2: the row has 3 cells, the table 2 columns (text, label)"},
		{"too few cells", CSV, "text,label\na,1\nb\n", train, "rows.csv:3: the row has 1 cells, the table 2 columns (text, label)"},
		{"a bare quote in a quoted cell", CSV, "text,label\na,1\n\"b \"c\" d\",1\n", train, `rows.csv:3:5: the cell goes on behind the quote that closes it: double a quote`},
		{"an open quote", CSV, "text,label\nb,\"1\nc,1\n", train, `rows.csv:2:3: the quote that opens the cell here never closes`},
		{"a blank line, tsv", TSV, "text\na\n\nb\n", Options{}, "rows.tsv:3: a blank line"},
		{"a blank line, csv", CSV, "text\n\"a\nb\"\n\nb\n", Options{}, "rows.csv:4: a blank line"},
		{"not UTF-8, jsonl", JSONL, "{\"text\":\"a\xff\"}", Options{}, "rows.jsonl:1: not UTF-8"},
		{"not UTF-8, csv", CSV, "text\n\"a\xff\"\n", Options{}, "rows.csv:2: not UTF-8"},
		{"no format", "", "", Options{}, `rows.: its name does not say what it holds`},
		{"no parquet", Parquet, "text\na\n", Options{}, `rows.parquet: it is no parquet file`},

		{"sst2 without its column", TSV, "review\tlabel\na\t1\n", task("sst2"),
			"rows.tsv:1: the columns of task sst2 are missing: sentence; or text (columns: review, label)"},
		{"rte without one of two", JSONL, `{"sentence1":"a","label":0}`, task("rte"),
			"rows.jsonl:1: the columns of task rte are missing: sentence1, sentence2; or premise, hypothesis; or text1, text2 (columns: label, sentence1)"},
		{"wic without any", JSONL, `{"label":0}`, task("wic"), "missing: sentence1, sentence2, word; or text (columns: label)"},
		{"wic in a text of another form", JSONL, `{"text":"Word: w","label":0}`, task("wic"),
			`rows.jsonl:1: column "text" does not read "Word: {word}. Sentence 1: {sentence1} Sentence 2: {sentence2}"`},
		{"sst2 without labels", TSV, "index\tsentence\n0\ta\n", task("sst2"),
			`rows.tsv:2: no column "label" for the target of task sst2 (columns: index, sentence)`},
		{"sst2 with another label", TSV, "sentence\tlabel\na\t1\nb\t7\n", task("sst2"),
			`rows.tsv:3: label "7" is no label of task sst2: it has 0 or negative, 1 or positive`},
		{"sst2 with an empty label", TSV, "sentence\tlabel\na\t\n", task("sst2"), `rows.tsv:2: label is hidden ("")`},
		{"agnews counts from 1 there", CSV, "0,T,a\n", task("agnews"),
			`rows.csv:1: Class Index "0" is no label of task agnews: it has 1 (World), 2 (Sports), 3 (Business), 4 (Sci/Tech)`},
		{"task and columns", JSONL, "", Options{Task: task("sst2").Task, SourceColumn: "a"}, "name a task or columns, not both"},
		{"plain text for a pair", Text, "a\n", unlabelled("rte"), "a row of task rte is 2 texts (sentence1, sentence2)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readAll(tc.format, tc.text, tc.opts)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}

// An error about a file that is no table names a few words of it.
func TestErrorsStayShort(t *testing.T) {
	long := strings.Repeat("word ", 1000)
	for _, text := range []string{long, strings.Repeat("word\t", 1000), "text\tlabel\n" + long + "\t" + long} {
		_, err := readAll(TSV, text, task("sst2"))
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 400)
	}
	_, err := readAll(TSV, "sentence\tlabel\na\t"+long, task("sst2"))
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 400)
}

func TestLongRows(t *testing.T) {
	long := strings.Repeat("word ", 3<<20) // 15 MiB
	for _, tc := range []struct {
		format         Format
		before, behind string
	}{
		{JSONL, `{"text":"`, "\"}\n"},
		{TSV, "text\n", "\n"},
		{CSV, "text\n\"", "\"\n"},
		{Text, "", "\n"},
	} {
		rows, err := readAll(tc.format, tc.before+long+tc.behind, Options{})
		require.NoError(t, err, tc.format)
		assert.True(t, len(rows) == 1 && rows[0].Source == long, tc.format)

		_, err = readAll(tc.format, tc.before+long+long+tc.behind, Options{})
		assert.ErrorContains(t, err, "a row of more than 16 MiB", tc.format)
	}
}

// A reader gives rows before the text has ended, so that a pipe can be answered line by line.
func TestReaderStreams(t *testing.T) {
	from, to := io.Pipe()
	go io.WriteString(to, "one\n")
	r, err := NewReader("pipe", from, Options{Format: Text})
	require.NoError(t, err)
	for i, line := range []string{"one", "two"} {
		if i > 0 {
			go io.WriteString(to, line+"\n")
		}
		row, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, line, row.Source)
	}
	go to.CloseWithError(errors.New("unplugged"))
	_, err = r.Next()
	assert.EqualError(t, err, "pipe:3: unplugged")
}

func TestOpenData(t *testing.T) {
	dir := t.TempDir()
	text := map[string]string{
		"a.jsonl": `{"source": "s", "target": "t"}`,
		"a.JSON":  `{"source": "s", "target": "t"}`,
		"a.tsv":   "source\ttarget\ns\tt\n",
		"a.csv":   "source,target\ns,t\n",
	}
	var sum string
	for name, content := range text {
		var zipped bytes.Buffer
		zip := gzip.NewWriter(&zipped)
		io.WriteString(zip, content)
		require.NoError(t, zip.Close())
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".gz"), zipped.Bytes(), 0o666))
		for _, name := range []string{name, name + ".gz"} {
			d, err := Load(Options{NeedTarget: true}, filepath.Join(dir, name))
			require.NoError(t, err, name)
			require.Equal(t, 1, d.Len())
			assert.Equal(t, "s", d.Row(0).Source)
			assert.Equal(t, "t", d.Row(0).Target)
			assert.Len(t, d.Fingerprint(), 64)
			if sum == "" {
				sum = d.Fingerprint()
			}
			assert.Equal(t, sum, d.Fingerprint(), "the rows are the same in %s", name)
		}
		cut := zipped.Bytes()[:zipped.Len()-6]
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cut."+name+".gz"), cut, 0o666))
		_, err := Load(Options{}, filepath.Join(dir, "cut."+name+".gz"))
		assert.ErrorContains(t, err, "unexpected EOF", name)
	}

	d, err := Load(Options{}, filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "a.tsv"), filepath.Join(dir, "a.csv.gz"))
	require.NoError(t, err)
	assert.Equal(t, []Row{{Source: "s", Target: "t", Line: 1}, {Source: "s", Target: "t", Line: 2}, {Source: "s", Target: "t", Line: 2}}, d.rows)
	_, err = Load(Options{}, filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.jsonl"))
	assert.ErrorContains(t, err, "b.jsonl: no such file")

	for name, want := range map[string]string{
		"absent.csv": "absent.csv",
		"noformat":   "noformat: its name does not say what it holds",
		"plain.gz":   "plain.gz: its name does not say what it holds",
	} {
		if name != "absent.csv" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("text\na\n"), 0o666))
		}
		_, err := Open(Options{}, filepath.Join(dir, name))
		assert.ErrorContains(t, err, want)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.csv"), 0o777))
	_, err = Load(Options{}, filepath.Join(dir, "folder.csv"))
	assert.ErrorContains(t, err, "folder.csv:1: ")
}

func TestFingerprintTellsRowsApart(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{
		`{"source": "ab", "target": "c"}`,
		`{"source": "a", "target": "bc"}`,
		`{"source": "ab"}` + "\n" + `{"source": "c"}`,
		`{"source": "c"}` + "\n" + `{"source": "ab"}`,
	} {
		r, err := NewReader("rows", strings.NewReader(text), Options{Format: JSONL})
		require.NoError(t, err)
		d, err := ReadAll(r)
		require.NoError(t, err)
		assert.Empty(t, seen[d.Fingerprint()], text)
		seen[d.Fingerprint()] = text
	}
}
