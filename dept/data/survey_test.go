package data

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTakeSurvey(t *testing.T) {
	for _, tc := range []struct {
		name           string
		format         Format
		text           string
		columns        string // between bars
		header         bool
		source, target string
	}{
		{"own names", CSV, "text,label\na,1\n", "text|label", true, "text", "label"},
		{"usual names", CSV, "sentence,sentiment\na,1\n", "sentence|sentiment", true, "sentence", "sentiment"},
		{"semicolons", CSV, "review;stars\n\"good; and more\";5\n", "review|stars", true, "review", "stars"},
		{"from Excel", CSV, "\ufeff\"Stars\";\"Review\"\r\n\"5\";\"a \"\"good\"\" one\"\r\n", "Stars|Review", true, "Review", "Stars"},
		{"an id beside them", CSV, "id,review,stars\n1,a,5\n2,b,1\n", "id|review|stars", true, "review", "stars"},
		{"an id beside others", CSV, "id,satz,art\n1,a,x\n2,b,y\n", "id|satz|art", true, "satz", "art"},
		{"pandas' index", CSV, ",text,label\n0,a,x\n", "|text|label", true, "text", "label"},
		{"one name of two", TSV, "satz\tlabel\na\tx\n", "satz|label", true, "satz", "label"},
		{"other names over labels that repeat", CSV, "Satz,Art\na,x\nb,y\nc,x\nd,y\n", "Satz|Art", true, "Satz", "Art"},
		{"the label first", CSV, "Art,Satz\nx,a\ny,b\nx,c\ny,d\n", "Art|Satz", true, "Satz", "Art"},
		{"no header", CSV, "one,a\ntwo,b\nthree,a\n", "column 1|column 2", false, "column 1", "column 2"},
		{"no header, the label first", CSV, "x,a\ny,b\nx,c\ny,d\n", "column 1|column 2", false, "column 2", "column 1"},
		{"no header, a label that sounds like one", CSV, "win a prize,spam\nhello,ham\nwin more,spam\n", "column 1|column 2", false, "column 1", "column 2"},
		{"no header, numbered", TSV, "1\tone\ta\n2\ttwo\tb\n3\tthree\ta\n", "column 1|column 2|column 3", false, "column 2", "column 3"},
		{"no header, numbers", CSV, "10,a\n20,b\n30,a\n", "column 1|column 2", false, "column 1", "column 2"},
		{"one row", CSV, "a,b\n", "column 1|column 2", false, "column 1", "column 2"},
		{"a header alone", CSV, "text,label\n", "text|label", true, "text", "label"},
		{"too many", CSV, "title,notes,mood,kind\na,b,x,1\nc,d,y,1\ne,f,x,1\n", "title|notes|mood|kind", true, "", ""},
		{"two texts", CSV, "review,comment,stars\na,b,1\n", "review|comment|stars", true, "", "stars"},
		{"a row that cannot be read", CSV, "review,stars\na,1\nb\n", "review|stars", true, "review", "stars"},
		{"a list of objects", JSON, `[{"review": "a", "stars": 5, "id": 1}, {"review": "b", "stars": 1, "id": 2}]`, "id|review|stars", false, "review", "stars"},
		{"objects a line", JSONL, `{"art": "x", "satz": "a long one"}` + "\n" + `{"art": "y", "satz": "another"}`, "art|satz", false, "satz", "art"},
		{"objects of more", JSON, `{"a": "x", "b": "y", "c": "z"}`, "a|b|c", false, "", ""},
		{"nothing", CSV, "", "", false, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := TakeSurvey(strings.NewReader(tc.text), tc.format)
			require.NoError(t, err)
			assert.Equal(t, tc.columns, strings.Join(s.Columns, "|"))
			assert.Equal(t, tc.header, s.Header)
			assert.Equal(t, [2]string{tc.source, tc.target}, [2]string{s.Source, s.Target})
		})
	}
	_, err := TakeSurvey(strings.NewReader(""), "")
	assert.Error(t, err)
}

// What a survey is certain of are columns that a Reader finds, and it remembers no more than it should.
func FuzzTakeSurvey(f *testing.F) {
	f.Add("id;review;stars\n1;\"a;b\";5\n", byte(0))
	f.Add("1\tone\ta\n2\ttwo\tb\n3\tthree\ta\n", byte(1))
	f.Add(`[{"a": "x", "b": {"c": "y"}}]`, byte(2))
	f.Fuzz(func(t *testing.T, text string, which byte) {
		format := []Format{CSV, TSV, JSON}[which%3]
		s, err := TakeSurvey(strings.NewReader(text), format)
		if err != nil {
			return
		}
		for _, name := range []string{s.Source, s.Target} {
			if name != "" {
				assert.Contains(t, s.Columns, name)
			}
		}
		if s.Source != "" {
			assert.NotEqual(t, s.Source, s.Target)
		}
		if s.Source == "" || s.Target == "" || format == JSON {
			return // an object has the columns that it has
		}
		opts := Options{Format: format, SourceColumn: s.Source, TargetColumn: s.Target}
		if !s.Header {
			opts.Header = s.Columns
		}
		r, err := NewReader("rows", strings.NewReader(text), opts)
		require.NoError(t, err)
		if _, err := r.Next(); err != nil {
			assert.NotContains(t, err.Error(), "no column")
		}
	})
}
